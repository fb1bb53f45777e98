"""The search space: engine flags and engine-independent words, and the rules between them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, WithJsonSchema

from autotuner.api.common import (
    ATOMIC,
    UNIQUE,
    Argument,
    Arguments,
    Environment,
    FlagName,
    Model,
    Number,
    ShortName,
    Text,
    cel,
    list_map,
    rules,
)

Choice = Annotated[str, StringConstraints(min_length=1, max_length=253)]
Values = Annotated[list[Number], Field(min_length=1, max_length=64, json_schema_extra={**ATOMIC, **UNIQUE})]
Choices = Annotated[
    list[Choice], Field(min_length=1, max_length=64, json_schema_extra={"x-kubernetes-list-type": "set"})
]
CelRule = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class Range(Model):
    """Numbers between two bounds, both included; the search tries at most 17 of a range without a step."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel("self.min < self.max", "max must be above min", fieldPath=".max"),
            cel("self.scale != 'Log' || self.min > 0", "a Log scale begins above 0", fieldPath=".min"),
            cel("self.scale != 'Log' || !has(self.step)", "goes with scale Linear only", fieldPath=".step"),
        )
    )

    min: Number
    max: Number
    step: Annotated[Number, WithJsonSchema({"type": "number", "minimum": 0.0001, "maximum": 1e12})] | None = Field(
        default=None, description="The distance of neighbouring values, counted from min."
    )
    scale: Literal["Linear", "Log"] = Field(default="Linear", description="Log: each value is a multiple of the last.")
    type: Literal["Float", "Integer"] = "Float"


class Variant(Model):
    """Flags and environment variables that only make sense together."""

    name: ShortName
    args: Arguments = Field(default=[], description="None: the engine as it is.")
    env: Environment | None = None


class SearchParameter(Model):
    """One dimension of the search space."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "[has(self.values), has(self.choices), has(self.range), has(self.toggle), has(self.variants)]"
                ".filter(x, x).size() == 1",
                "give exactly one of values (numbers), choices (strings), range, toggle: true and variants",
            ),
            cel(
                "!self.allowUnset || has(self.values) || has(self.choices) || has(self.range)",
                "goes with values, choices and range; a toggle can be off, and a variant may have no args",
                fieldPath=".allowUnset",
            ),
        )
    )

    name: FlagName = Field(description="The engine's flag without its leading dashes; of variants, any name.")
    values: Values | None = Field(default=None, description="Numbers, which have an order.")
    choices: Choices | None = Field(default=None, description="Strings, which have none.")
    range: Range | None = Field(default=None, description="Numbers between two bounds.")
    toggle: Literal[True] | None = Field(default=None, description="A switch that is tried on and off.")
    variants: (
        Annotated[list[Variant], Field(min_length=1, max_length=16, json_schema_extra=list_map("name"))] | None
    ) = Field(default=None, description="Sets of flags, of which one is tried at a time.")
    allow_unset: bool = Field(default=False, description="Also try without the flag: the engine's own default.")
    when: CelRule | None = Field(
        default=None,
        description=(
            "CEL over p, the other parameters (dashes become underscores): where it is false, the flag is left out."
        ),
    )


class Constraint(Model):
    """A rule that every configuration must keep."""

    rule: CelRule = Field(description="CEL over p; an inactive or unset parameter is absent: has(p.x).")
    message: Text = Field(default="", description="Why, for people.")


Degree = Annotated[int, Field(ge=1, le=1024)]
Degrees = Annotated[list[Degree], Field(min_length=1, max_length=16, json_schema_extra={**ATOMIC, **UNIQUE})]
Switches = Annotated[list[bool], Field(min_length=1, max_length=2, json_schema_extra=ATOMIC)]
_SET = {"x-kubernetes-list-type": "set"}


class Parallelism(Model):
    """How the model is spread over accelerators, in words that every engine has its own flags for.

    What is searched is every combination of the lists, and the presets.
    """

    tensor: Degrees | None = Field(default=None, description="Tensor parallel degrees.")
    pipeline: Degrees | None = Field(default=None, description="Pipeline parallel degrees.")
    data: Degrees | None = Field(default=None, description="Replicas behind one engine.")
    expert: Degrees | None = Field(default=None, description="Expert parallel degrees of mixture-of-experts models.")
    decode_context: Degrees | None = Field(default=None, description="Decode context parallel degrees (vLLM).")
    moe_dense_tensor: Degrees | None = Field(
        default=None, description="Tensor parallel degrees of a mixture's dense layers (SGLang)."
    )
    data_parallel_attention: Switches | None = Field(
        default=None, description="Data parallelism inside the tensor parallel group (SGLang)."
    )
    presets: (
        Annotated[
            list[
                Literal[
                    "single-gpu",
                    "high-throughput",
                    "large-model-tp",
                    "large-model-tp-pp",
                    "moe-optimized",
                    "long-context",
                    "balanced",
                ]
            ],
            Field(max_length=7, json_schema_extra=_SET),
        ]
        | None
    ) = Field(default=None, description="Well-known combinations.")


class Quantization(Model):
    """Precisions, in words that every engine has its own flags for; auto leaves the choice to the engine."""

    weights: (
        Annotated[
            list[Literal["auto", "fp8", "float16", "bfloat16", "float32", "int8"]],
            Field(min_length=1, max_length=6, json_schema_extra=_SET),
        ]
        | None
    ) = Field(default=None, description="Of the weights.")
    kv_cache: (
        Annotated[
            list[Literal["auto", "fp8", "fp8_e5m2", "fp8_e4m3", "fp16", "bfloat16", "int8", "int4"]],
            Field(min_length=1, max_length=8, json_schema_extra=_SET),
        ]
        | None
    ) = Field(default=None, description="Of the KV cache.")
    attention: (
        Annotated[list[Literal["auto", "fp8"]], Field(min_length=1, max_length=2, json_schema_extra=_SET)] | None
    ) = Field(default=None, description="Of the attention's arithmetic.")
    moe: (
        Annotated[
            list[Literal["auto", "fp8", "w4afp8", "mxfp4"]],
            Field(min_length=1, max_length=4, json_schema_extra=_SET),
        ]
        | None
    ) = Field(default=None, description="Of the experts of a mixture.")
    presets: (
        Annotated[
            list[Literal["default", "kv-cache-fp8", "dynamic-fp8", "bf16-stable", "aggressive-moe"]],
            Field(max_length=5, json_schema_extra=_SET),
        ]
        | None
    ) = Field(default=None, description="Well-known combinations.")


class StartPoint(Model):
    """Flags to measure first; parameters that they do not name stay as the search likes."""

    args: Annotated[list[Argument], Field(min_length=1, max_length=64, json_schema_extra=ATOMIC)]


SearchParameters = Annotated[list[SearchParameter], Field(max_length=32, json_schema_extra=list_map("name"))]
Constraints = Annotated[list[Constraint], Field(min_length=1, max_length=32, json_schema_extra=ATOMIC)]
StartPoints = Annotated[list[StartPoint], Field(min_length=1, max_length=16, json_schema_extra=ATOMIC)]
