"""What to tune: the model and the serving runtime, each by preset, by name or in full."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from autotuner.api.common import (
    Arguments,
    EngineName,
    Environment,
    FreeObject,
    ImageRef,
    Model,
    ModelKind,
    ObjectName,
    RuntimeKind,
    Volume,
    cel,
    explained,
    rules,
)

Scope = Literal["Cluster", "Namespaced"]
# OME names a volume after the model: no dots, and no more than a label holds.
CustomName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=63),
    Field(json_schema_extra=explained("use lower-case letters, digits and dashes, beginning with a letter")),
]
Labels = Annotated[
    dict[Annotated[str, StringConstraints(max_length=317)], Annotated[str, StringConstraints(max_length=63)]],
    Field(max_length=16),
]
Annotations = Annotated[
    dict[Annotated[str, StringConstraints(max_length=317)], Annotated[str, StringConstraints(max_length=2048)]],
    Field(max_length=16),
]
_ONE_FORM = cel(
    "[has(self.preset), has(self.name), has(self.custom)].filter(x, x).size() == 1",
    "give exactly one of preset, name and custom",
)
_OVERRIDES = cel("!has(self.overrides) || has(self.preset)", "only with preset", fieldPath=".overrides")


class CustomObject(Model):
    """An object of OME in full; created if there is none of the name, and used as found if there is."""

    name: CustomName
    spec: FreeObject = Field(description="As OME defines it.")
    labels: Labels | None = None
    annotations: Annotations | None = None


class TaskModel(Model):
    """The model to serve."""

    model_config = ConfigDict(json_schema_extra=rules(_ONE_FORM, _OVERRIDES))

    preset: ObjectName | None = Field(
        default=None, description="A model preset; its ClusterBaseModel is created if missing."
    )
    name: ObjectName | None = Field(default=None, description="An existing model.")
    kind: ModelKind = Field(default="ClusterBaseModel", description="The kind of the existing model.")
    custom: CustomObject | None = Field(default=None, description="A model of your own, created if missing.")
    overrides: FreeObject | None = Field(
        default=None,
        description=(
            "Merged into the preset's spec: lists are replaced, null removes. The object is then named after the preset"
            " and its content."
        ),
    )
    scope: Scope = Field(
        default="Cluster",
        description="Where a custom or overridden model is made: ClusterBaseModel, or BaseModel in this namespace.",
    )
    volume: Volume | None = Field(
        default=None,
        description=(
            "The weights lie on this claim, not where the model's storage says. A preset's model is then made anew,"
            " named after the preset and its content: nothing is downloaded for it."
        ),
    )
    ready_timeout_seconds: Annotated[int, Field(ge=1, le=604800)] = Field(
        default=7200, description="How long the model may take to become Ready on a node."
    )


class TaskRuntime(Model):
    """The serving runtime, and what every experiment has in common."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            _ONE_FORM,
            _OVERRIDES,
            cel(
                "has(self.preset) != has(self.engine)",
                "required with name and custom (SGLang, VLLM or Custom); a preset brings its own",
                fieldPath=".engine",
            ),
        )
    )

    preset: ObjectName | None = Field(
        default=None,
        description="A runtime preset; a ClusterServingRuntime named after it and its content is created if missing.",
    )
    name: ObjectName | None = Field(default=None, description="An existing runtime.")
    kind: RuntimeKind = Field(default="ClusterServingRuntime", description="The kind of the existing runtime.")
    custom: CustomObject | None = Field(default=None, description="A runtime of your own, created if missing.")
    overrides: FreeObject | None = Field(
        default=None, description="Merged into the preset's spec: lists are replaced, null removes."
    )
    scope: Scope = Field(
        default="Cluster",
        description=(
            "Where a custom or overridden runtime is made: ClusterServingRuntime, or ServingRuntime in this namespace."
        ),
    )
    engine: EngineName | None = Field(default=None, description="Whose flags the parameters are.")
    image: ImageRef = Field(default="", description="The engine's image, instead of the runtime's.")
    env: Environment | None = Field(default=None, description="Environment variables of every experiment.")
    extra_args: Arguments | None = Field(
        default=None, description="Fixed flags of every experiment, the baseline included."
    )
    allow_unknown_flags: bool = Field(
        default=False, description="Pass on flags that this operator does not know, for example of a newer engine."
    )
