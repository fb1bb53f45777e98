"""The search space: engine flags, engine-independent settings, and the rules between them."""

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
    OnlyTrue,
    ShortName,
    Switch,
    Text,
    cel,
    list_map,
    or_absent,
    rules,
)

Choice = Annotated[str, StringConstraints(min_length=1, max_length=253)]
Values = Annotated[list[Number], Field(min_length=1, max_length=64, json_schema_extra={**ATOMIC, **UNIQUE})]
Choices = Annotated[
    list[Choice], Field(min_length=1, max_length=64, json_schema_extra={"x-kubernetes-list-type": "set"})
]
CelRule = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class Range(Model):
    """Numbers between two bounds, both included. The search tries at most 17 values of a range without a step."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel("self.min < self.max", "max must be above min", fieldPath=".max"),
            cel("self.scale != 'Log' || self.min > 0", "a Log scale begins above 0", fieldPath=".min"),
            cel("self.scale != 'Log' || !has(self.step)", "goes with scale Linear only", fieldPath=".step"),
        )
    )

    min: Number = Field(description="The lowest value.")
    max: Number = Field(description="The highest value.")
    step: Annotated[Number, WithJsonSchema({"type": "number", "minimum": 0.0001, "maximum": 1e12})] | None = Field(
        default=None,
        description="The distance between neighbouring values, counted from min; it may make at most 64 values.",
    )
    scale: Literal["Linear", "Log"] = Field(
        default="Linear",
        description="Linear: neighbouring values differ by the same amount. Log: they differ by the same factor.",
    )
    type: Literal["Float", "Integer"] = Field(
        default="Float",
        description="Integer: the search rounds the values to whole numbers. Float: it keeps fractions.",
    )


class Variant(Model):
    """A named set of flags and environment variables that only make sense together."""

    name: ShortName = Field(description="The variant's name in results and reports, for example ngram.")
    args: Arguments = Field(
        default=[], description="The engine flags of this variant; an empty list leaves the engine as it is."
    )
    env: Environment | None = Field(
        default=None, description="The environment variables that this variant adds to the engine."
    )


class SearchParameter(Model):
    """One dimension of the search space: an engine flag with the values to try, or a set of variants."""

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

    name: FlagName = Field(
        description=(
            "The engine's flag without its leading dashes, for example tp-size; for variants, a name you choose."
        )
    )
    values: Values | None = Field(default=None, description="The numbers to try, for example [1, 2, 4].")
    choices: Choices | None = Field(default=None, description="The strings to try, for example [lpm, fcfs].")
    range: Range | None = Field(default=None, description="The numbers to try, as a range between two bounds.")
    toggle: OnlyTrue | None = Field(default=None, description="true: the flag is a switch; try it on and off.")
    variants: (
        Annotated[list[Variant], Field(min_length=1, max_length=16, json_schema_extra=list_map("name"))] | None
    ) = Field(default=None, description="Sets of flags; each configuration uses one of them.")
    allow_unset: Switch = Field(
        default=False, description="true: also try without the flag, so that the engine uses its own default."
    )
    when: CelRule | None = Field(
        default=None,
        description=(
            "A condition in CEL over p, the other parameters, whose dashes become underscores. Where it is false, the"
            " flag is left out. Example: p.chunked_prefill_size >= 2048."
        ),
    )


class Constraint(Model):
    """A rule that every configuration of the search must keep."""

    rule: CelRule = Field(
        description=(
            "A condition in CEL over p, the parameters, whose dashes become underscores. A parameter that is unset, or"
            " switched off by when, is absent: ask with has(p.x). Example: p.tp_size * p.dp_size <= 8."
        )
    )
    message: Text = Field(
        default="", description="Why the rule exists; messages and reports quote it. Absent: they quote the rule alone."
    )


Degree = Annotated[int, Field(ge=1, le=1024)]
Degrees = Annotated[list[Degree], Field(min_length=1, max_length=16, json_schema_extra={**ATOMIC, **UNIQUE})]
Switches = Annotated[list[bool], Field(min_length=1, max_length=2, json_schema_extra=ATOMIC)]
_SET = {"x-kubernetes-list-type": "set"}


class Parallelism(Model):
    """How engines spread the model over accelerators, independent of the engine's own flag names.

    The search tries every combination of the lists, and the presets.
    """

    tensor: Degrees | None = Field(default=None, description="The tensor parallel degrees to try, for example [1, 2].")
    pipeline: Degrees | None = Field(default=None, description="The pipeline parallel degrees to try.")
    data: Degrees | None = Field(
        default=None, description="The data parallel degrees to try: how many replicas run behind one engine."
    )
    expert: Degrees | None = Field(
        default=None, description="The expert parallel degrees to try, for mixture-of-experts models."
    )
    decode_context: Degrees | None = Field(
        default=None, description="The decode context parallel degrees to try (vLLM only)."
    )
    moe_dense_tensor: Degrees | None = Field(
        default=None,
        description=(
            "The tensor parallel degrees to try for the dense layers of mixture-of-experts models (SGLang only)."
        ),
    )
    data_parallel_attention: Switches | None = Field(
        default=None,
        description=(
            "Whether attention runs data parallel inside the tensor parallel group (SGLang only): true, false, or both"
            " to try both."
        ),
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
    ) = Field(
        default=None, description="Well-known combinations of parallel degrees to try as well, for example balanced."
    )


class Quantization(Model):
    """Numeric precisions to try, independent of the engine's own flag names; auto leaves the choice to the engine."""

    weights: (
        Annotated[
            list[Literal["auto", "fp8", "float16", "bfloat16", "float32", "int8"]],
            Field(min_length=1, max_length=6, json_schema_extra=_SET),
        ]
        | None
    ) = Field(default=None, description="The precisions of the weights to try, for example [auto, fp8].")
    kv_cache: (
        Annotated[
            list[Literal["auto", "fp8", "fp8_e5m2", "fp8_e4m3", "fp16", "bfloat16", "int8", "int4"]],
            Field(min_length=1, max_length=8, json_schema_extra=_SET),
        ]
        | None
    ) = Field(default=None, description="The precisions of the KV cache to try, for example [auto, fp8_e5m2].")
    attention: (
        Annotated[list[Literal["auto", "fp8"]], Field(min_length=1, max_length=2, json_schema_extra=_SET)] | None
    ) = Field(default=None, description="The precisions of the attention's arithmetic to try.")
    moe: (
        Annotated[
            list[Literal["auto", "fp8", "w4afp8", "mxfp4"]],
            Field(min_length=1, max_length=4, json_schema_extra=_SET),
        ]
        | None
    ) = Field(default=None, description="The precisions of the experts to try, for mixture-of-experts models.")
    presets: (
        Annotated[
            list[Literal["default", "kv-cache-fp8", "dynamic-fp8", "bf16-stable", "aggressive-moe"]],
            Field(max_length=5, json_schema_extra=_SET),
        ]
        | None
    ) = Field(
        default=None, description="Well-known combinations of precisions to try as well, for example kv-cache-fp8."
    )


class StartPoint(Model):
    """A configuration that the search measures before others; it chooses the parameters that args does not name."""

    args: Annotated[list[Argument], Field(min_length=1, max_length=64, json_schema_extra=ATOMIC)] = Field(
        description='The engine flags of the configuration, for example ["--tp-size=1", "--schedule-policy=lpm"].'
    )


SearchParameters = Annotated[list[SearchParameter], Field(max_length=32, json_schema_extra=list_map("name"))]
CONSTRAINT_TEXTS = ("x.rule", or_absent("message"))
Constraints = Annotated[list[Constraint], Field(min_length=1, max_length=32, json_schema_extra=ATOMIC)]
StartPoints = Annotated[list[StartPoint], Field(min_length=1, max_length=16, json_schema_extra=ATOMIC)]
