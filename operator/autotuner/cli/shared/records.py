"""What commands print for programs: the records of `-o json` and `-o yaml`, published as docs/output.schema.json."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from autotuner.api.common import GROUP, Model

API_VERSION = f"cli.{GROUP}/v1alpha1"


class TaskRow(Model):
    """A task, as `list` tells it."""

    namespace: str = Field(description="The task's namespace.")
    name: str = Field(description="The task's name.")
    phase: str = Field(description="Where it stands, in one word.")
    experiments: str | None = Field(default=None, description="Finished experiments of all, for example 12/30.")
    best: str | None = Field(default=None, description="The best value with its unit.")
    gain: str | None = Field(default=None, description="The gain over the baseline, for example +31.0%.")
    verdict: str | None = Field(default=None, description="How sure the gain is.")
    gpu_hours: float | None = Field(default=None, description="The GPU-hours used so far.")
    reason: str | None = Field(default=None, description="The reason of the condition Succeeded.")
    message: str | None = Field(default=None, description="What it does, waits for, or found, in one sentence.")
    created: str | None = Field(default=None, description="When it was created.")


class PresetRow(Model):
    """A preset, as `presets` tells it."""

    kind: Literal["model", "runtime"] = Field(description="What it is a preset of.")
    name: str = Field(description="The preset's name.")
    source: str = Field(description="shipped, or the ConfigMap that adds it, as NAMESPACE/NAME.")
    engine: str | None = Field(default=None, description="The engine of a runtime.")
    accelerator: str | None = Field(
        default=None, description="What a runtime is meant for, for example 2 x NVIDIA-H100."
    )
    models: list[str] | None = Field(default=None, description="The model presets that a runtime is meant for.")
    size: str | None = Field(default=None, description="The number of parameters of a model.")


class ModelRow(Model):
    """A model, as `models` tells it."""

    name: str = Field(description="The model's name.")
    kind: str = Field(description="preset, or the kind of the live object.")
    namespace: str | None = Field(default=None, description="Of the live object, where it has one.")
    architecture: str | None = Field(default=None, description="The class of the model.")
    size: str | None = Field(default=None, description="The number of parameters.")
    state: str | None = Field(default=None, description="Whether a live model is ready to be served.")


class RuntimeRow(Model):
    """A runtime, as `runtimes` tells it."""

    name: str = Field(description="The runtime's name.")
    kind: str = Field(description="preset, or the kind of the live object.")
    namespace: str | None = Field(default=None, description="Of the live object, where it has one.")
    engine: str | None = Field(default=None, description="The engine that it starts.")
    image: str | None = Field(default=None, description="The engine's image.")
    accelerator: str | None = Field(default=None, description="What a preset is meant for.")
    fits: str | None = Field(default=None, description="How many nodes of the cluster have that accelerator.")


class TargetRow(Model):
    """What serves and could be tuned, as `targets` tells it."""

    namespace: str = Field(description="The object's namespace.")
    target: str = Field(description="The object as `create` takes it, KIND.GROUP/NAME.")
    engine: str | None = Field(default=None, description="The engine that was recognised, with its release.")
    model: str | None = Field(default=None, description="The model that it serves.")
    accelerators: int | None = Field(default=None, description="How many accelerators its engine asks for.")
    obstacle: str | None = Field(default=None, description="Why it cannot be tuned; absent where it can.")


class Told(Model):
    """One paragraph of an explanation."""

    heading: str = Field(description="What the lines are about.")
    lines: list[str] = Field(description="Sentences for people.")


class Explanation(Model):
    """What happened to an object and why, as `explain` tells it."""

    object: str = Field(description="The object, as KIND NAME.")
    namespace: str = Field(description="The object's namespace.")
    headline: str = Field(description="The state in one line.")
    parts: list[Told] = Field(description="The paragraphs.")


class ComparedLevel(Model):
    """The figures of one level, one item for each thing that is compared; null where it has none."""

    place: str = Field(description="Scenario and load, for example chat x 32.")
    output_tokens_per_second: list[float | None] = Field(description="Output tokens per second.")
    ttft_p99_seconds: list[float | None] = Field(description="Time to first token, 99th percentile, in seconds.")
    tpot_p99_seconds: list[float | None] = Field(description="Time per output token, 99th percentile, in seconds.")
    error_rate: list[float | None] = Field(description="The share of failed requests.")


class Comparison(Model):
    """Tasks or experiments side by side, as `compare` tells them; lists have an item for each."""

    names: list[str] = Field(description="What is compared.")
    states: list[str] = Field(description="Phase, or the reason of an end.")
    values: list[str | None] = Field(description="The value of the objective with its unit.")
    gains: list[str | None] = Field(description="The gain over the own task's baseline.")
    gpus: list[int | None] = Field(description="The accelerators of the engine.")
    gpu_hours: list[float | None] = Field(description="The GPU-hours that it used.")
    costs: list[float | None] = Field(description="These at the task's price of a GPU-hour.")
    common_args: list[str] = Field(description="The arguments that all have.")
    own_args: list[list[str]] = Field(description="The arguments that not all have.")
    levels: list[ComparedLevel] = Field(description="The figures of each level that any measured.")
    notes: list[str] = Field(description="Why figures may not be comparable.")


Row = TaskRow | PresetRow | ModelRow | RuntimeRow | TargetRow
_LISTS: tuple[tuple[str, type[Model]], ...] = (
    ("TaskList", TaskRow),
    ("PresetList", PresetRow),
    ("ModelList", ModelRow),
    ("RuntimeList", RuntimeRow),
    ("TargetList", TargetRow),
)
_SINGLE: tuple[type[Model], ...] = (Explanation, Comparison)


def listed(rows: list[Any], row: type[Model]) -> dict[str, Any]:
    """The document of a list of records."""
    kind = next(name for name, one in _LISTS if one is row)
    return {"apiVersion": API_VERSION, "kind": kind, "items": [one.dump() for one in rows]}


def single(record: Model) -> dict[str, Any]:
    """The document of one record."""
    return {"apiVersion": API_VERSION, "kind": type(record).__name__, **record.dump()}


def read(document: dict[str, Any]) -> list[Model]:
    """The records of a document; it is refused where it is not as its schema says.

    Raises:
        ValueError: it is no such document.
    """
    kinds = {**dict(_LISTS), **{one.__name__: one for one in _SINGLE}}
    body = dict(document)
    if body.pop("apiVersion", None) != API_VERSION or (kind := body.pop("kind", None)) not in kinds:
        raise ValueError(f"no document of {API_VERSION}")
    items = [body] if kinds[kind] in _SINGLE else body["items"]
    return [kinds[kind].model_validate(one) for one in items]


def schema() -> dict[str, Any]:
    """The JSON schema of every document: one of them, told apart by `kind`."""
    definitions: dict[str, Any] = {}
    kinds = []
    for kind, row in (*_LISTS, *((one.__name__, one) for one in _SINGLE)):
        own = row.model_json_schema(by_alias=True, mode="serialization", ref_template="#/$defs/{model}")
        definitions |= own.pop("$defs", {})
        head = {"apiVersion": {"const": API_VERSION}, "kind": {"const": kind}}
        if row in _SINGLE:
            own["properties"] = {**head, **own["properties"]}
            own["required"] = [*head, *own.get("required", ())]
        else:
            definitions[row.__name__] = own
            items = {"type": "array", "items": {"$ref": f"#/$defs/{row.__name__}"}}
            own = {"type": "object", "properties": {**head, "items": items}, "required": [*head, "items"]}
        kinds.append({**own, "title": kind})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "oneOf": kinds, "$defs": definitions}
