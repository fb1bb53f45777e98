"""The model and the serving runtime of a task, each given by preset, by name or in full."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from autotuner.api.common import (
    ATOMIC,
    Arguments,
    EngineName,
    Environment,
    FreeObject,
    ImageRef,
    LabelMap,
    Model,
    ModelKind,
    ObjectName,
    RuntimeKind,
    SecretKey,
    ServedName,
    Switch,
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
PackageVersion = Annotated[
    str,
    StringConstraints(pattern=r"^([0-9]+([.][0-9]+)+[.0-9a-z]*)?$", max_length=32),
    Field(json_schema_extra=explained("write the version of the engine's package, for example 0.5.23")),
]
Annotations = Annotated[dict[str, Annotated[str, StringConstraints(max_length=2048)]], Field(max_length=16)]
_ONE_FORM = cel(
    "[has(self.preset), has(self.name), has(self.custom)].filter(x, x).size() == 1",
    "give exactly one of preset, name and custom",
)
_OVERRIDES = cel("!has(self.overrides) || has(self.preset)", "only with preset", fieldPath=".overrides")


# What a target can be: apiVersion and kind.
TARGET_KINDS = (
    "apps/v1 Deployment",
    "leaderworkerset.x-k8s.io/v1 LeaderWorkerSet",
    "ome.io/v1beta1 InferenceService",
    "serving.kserve.io/v1beta1 InferenceService",
    "serving.kserve.io/v1alpha2 LLMInferenceService",
)
_SERVED_KIND = cel(
    f"self.apiVersion + ' ' + self.kind in {list(TARGET_KINDS)}",
    f"apiVersion and kind together are one of: {', '.join(TARGET_KINDS)}",
    fieldPath=".kind",
)


class CustomObject(Model):
    """An OME object in full. The operator creates it if none has its name, and else uses the existing one as it is."""

    name: CustomName = Field(description="The object's name.")
    spec: FreeObject = Field(description="The object's spec, as OME defines it for the kind.")
    labels: LabelMap | None = Field(
        default=None, description="Labels that the operator sets when it creates the object."
    )
    annotations: Annotations | None = Field(
        default=None, description="Annotations that the operator sets when it creates the object."
    )


class TaskModel(Model):
    """The model that every experiment serves: a preset, an existing model, or one in full."""

    model_config = ConfigDict(json_schema_extra=rules(_ONE_FORM, _OVERRIDES))

    preset: ObjectName | None = Field(
        default=None,
        description=(
            "The name of a model preset, for example llama-3-2-1b-instruct (docs/presets.md lists all). The operator"
            " creates its ClusterBaseModel if there is none."
        ),
    )
    name: ObjectName | None = Field(default=None, description="The name of an existing model.")
    kind: ModelKind = Field(
        default="ClusterBaseModel", description="The kind of the existing model that name refers to."
    )
    custom: CustomObject | None = Field(
        default=None, description="A model in full. The operator creates it if there is none of its name."
    )
    overrides: FreeObject | None = Field(
        default=None,
        description=(
            "Changes to the model preset's spec, deep-merged into it: a list replaces the preset's list, null removes a"
            " field. The model is then named after the preset and a hash of its content. Example: {storage: {path:"
            " /mnt/models/llama}}."
        ),
    )
    scope: Scope = Field(
        default="Cluster",
        description=(
            "Where the operator creates a custom or overridden model. Cluster: as a ClusterBaseModel. Namespaced: as a"
            " BaseModel in the task's namespace."
        ),
    )
    volume: Volume | None = Field(
        default=None,
        description=(
            "A PersistentVolumeClaim of the task's namespace that holds the weights; the model's own storage is then"
            " not used. For a preset the operator creates a model named after the preset and a hash of its content, for"
            " which nothing is downloaded."
        ),
    )
    token_secret: SecretKey | None = Field(
        default=None,
        description=(
            "The Secret key that holds an access token of the hub, for engines that load their model from there"
            " (backend Deployment); gated repositories need one."
        ),
    )
    allow_download: Switch = Field(
        default=False,
        description=(
            "true: each experiment may download a model of more than 20 GB anew. false: such a model needs a folder, a"
            " claim, or a claim as cache."
        ),
    )
    allow_large_weights: Switch = Field(
        default=False,
        description=(
            "true: also try configurations whose weights seem too large for the accelerators, for a model whose size or"
            " precision is told wrong. false: leave these out."
        ),
    )
    ready_timeout_seconds: Annotated[int, Field(ge=1, le=604800)] = Field(
        default=7200, description="Seconds that the model may take to become Ready on a node; then the task fails."
    )


class Target(Model):
    """What serves today: the task copies its pod, measures copies, and never writes the object itself."""

    model_config = ConfigDict(json_schema_extra=rules(_SERVED_KIND))

    api_version: Literal[
        "apps/v1",
        "leaderworkerset.x-k8s.io/v1",
        "ome.io/v1beta1",
        "serving.kserve.io/v1beta1",
        "serving.kserve.io/v1alpha2",
    ] = Field(description="The apiVersion of the object.")
    kind: Literal["Deployment", "LeaderWorkerSet", "InferenceService", "LLMInferenceService"] = Field(
        description="The kind of the object."
    )
    name: ObjectName = Field(description="The name of the object, in the namespace of the task.")
    container: Annotated[str, StringConstraints(max_length=63)] = Field(
        default="",
        description="The container that runs the engine; empty: the only one whose command or image tells an engine.",
    )
    engine: EngineName | None = Field(
        default=None, description="The engine that the container runs; absent: the one that its command or image tells."
    )
    image: ImageRef = Field(default="", description="Another image of the engine, for every experiment.")
    version: PackageVersion = Field(
        default="",
        description=(
            "The version of the engine in the image, by whose flags the task's are judged; empty: the one that the"
            " image's tag tells. Once the baseline has run, the engine's own word counts."
        ),
    )
    env: Environment | None = Field(
        default=None, description="Further environment variables of the engine, for every experiment."
    )
    extra_args: Arguments | None = Field(
        default=None, description="Engine flags that every experiment gets besides, the baseline included."
    )
    api_key_secret: SecretKey | None = Field(
        default=None, description="The Secret key that holds the API key of an engine that wants one."
    )
    served_model_name: ServedName | None = Field(
        default=None, description="The model's name in requests; absent: the only one that the engine lists."
    )
    allow_large_weights: Switch = Field(
        default=False,
        description=(
            "true: also try configurations whose weights seem too large for the accelerators, for a model whose size or"
            " precision is told wrong. false: leave these out."
        ),
    )
    allow_unknown_flags: Switch = Field(
        default=False, description="true: pass on flags and values that the operator does not know."
    )
    allow_download: Switch = Field(
        default=False,
        description=(
            "true: each experiment may download a model of more than 20 GB anew, as the copy of an object does that"
            " names a model on the hub instead of a claim."
        ),
    )


class LocalProgram(Model):
    """An engine that is installed on the machine where `autotuner run` runs."""

    command: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=4096)]],
        Field(min_length=1, max_length=16, json_schema_extra=ATOMIC),
    ] = Field(
        description=(
            "The words that start the engine, instead of the runtime's own up to its first flag. Example:"
            ' ["/opt/vllm/bin/vllm", "serve"].'
        )
    )


class TaskRuntime(Model):
    """The serving runtime, and the settings that all experiments of the task have in common."""

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
        description=(
            "The name of a runtime preset, for example sglang-llama-small (docs/presets.md lists all). The operator"
            " creates a ClusterServingRuntime named after the preset and a hash of its content if there is none."
        ),
    )
    name: ObjectName | None = Field(default=None, description="The name of an existing serving runtime.")
    kind: RuntimeKind = Field(
        default="ClusterServingRuntime", description="The kind of the existing runtime that name refers to."
    )
    custom: CustomObject | None = Field(
        default=None, description="A runtime in full. The operator creates it if there is none of its name."
    )
    overrides: FreeObject | None = Field(
        default=None,
        description=(
            "Changes to the runtime preset's spec, deep-merged into it: a list replaces the preset's list, null removes"
            " a field."
        ),
    )
    scope: Scope = Field(
        default="Cluster",
        description=(
            "Where the operator creates a custom or overridden runtime. Cluster: as a ClusterServingRuntime."
            " Namespaced: as a ServingRuntime in the task's namespace."
        ),
    )
    engine: EngineName | None = Field(
        default=None,
        description=(
            "The inference engine that the runtime starts, whose flags the parameters are. Custom: any other engine"
            " that takes flags and serves an OpenAI-compatible API."
        ),
    )
    image: ImageRef = Field(default="", description="The engine's container image; empty: the image of the runtime.")
    version: PackageVersion = Field(
        default="",
        description=(
            "The version of the engine in the image, for example 0.5.23: by its flags the task's are judged. Empty: the"
            " version that the image's tag tells. Once the baseline has run, the engine's own word counts."
        ),
    )
    env: Environment | None = Field(
        default=None, description="Environment variables of the engine, for every experiment."
    )
    extra_args: Arguments | None = Field(
        default=None,
        description=(
            "Engine flags that every experiment gets, the baseline included, and that the search leaves alone. Example:"
            ' ["--context-length=8192"].'
        ),
    )
    api_key_secret: SecretKey | None = Field(
        default=None,
        description=(
            "The Secret key that holds the API key of an engine that wants one: the benchmark sends it with each"
            " request. The engine's own key is set in the runtime. Absent: requests without a key."
        ),
    )
    served_model_name: ServedName | None = Field(
        default=None,
        description=(
            "The name of the model to measure, for an engine that lists several, for example with LoRA adapters;"
            " absent: the only one that it lists."
        ),
    )
    allow_unknown_flags: Switch = Field(
        default=False,
        description=(
            "true: pass on flags and values that the operator does not know, for example those of a newer engine"
            " version. false: refuse them before anything runs; where the flags of the image's own release are not"
            " known, they are only warned about."
        ),
    )
    probe: Switch = Field(
        default=False,
        description=(
            "true: before anything else, a Job without accelerators asks the engine's own argument parser in the image"
            " for its flags, and the task's are judged by them. For SGLang and VLLM. A flag that the image does not"
            " have ends the task before an accelerator is used. If the probe fails, the task goes on with the flags"
            " that the operator knows and says so."
        ),
    )
    local: LocalProgram | None = Field(
        default=None,
        description=(
            "For `autotuner run` on one machine: an engine that is installed there, instead of a container. A cluster"
            " ignores it."
        ),
    )
