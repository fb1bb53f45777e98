"""What can be known to be wrong with a task before anything is created; each problem names the field."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from autotuner import engines
from autotuner.api.common import Arguments, EngineName
from autotuner.api.parameters import SearchParameter
from autotuner.api.task import TaskSpec
from autotuner.benchmark.spec import RESERVED_PARAMS
from autotuner.presets import Presets, is_simulated, runner
from autotuner.serving import models

Reason = Literal["InvalidSpec", "UnknownPreset", "NotFound", "ReservedFlag"]


_ARGUMENTS: TypeAdapter[list[str]] = TypeAdapter(Arguments)


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a task; the message begins with the field."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Surroundings:
    """The cluster, as far as a task refers to it."""

    model: Mapping[str, Any] | None  # live: the one named, or that of the preset's name
    runtime: Mapping[str, Any] | None  # live, when named
    shadow: str = ""  # a namespaced object that OME would prefer to the one chosen
    may_create: bool = True


def engine_of(spec: TaskSpec, presets: Presets) -> EngineName | None:
    """Whose flags the parameters are; None if the preset is unknown."""
    if spec.runtime.preset is None:
        return spec.runtime.engine
    preset = presets.runtimes.get(spec.runtime.preset)
    return preset.engine if preset else None


def check(spec: TaskSpec, presets: Presets, around: Surroundings) -> list[Problem]:
    """Everything that is wrong, most basic first; empty if the task can start."""
    return [
        *_references(spec, presets, around),
        *_flags(spec, presets),
        *_complete(spec, presets, around),
        *_benchmark(spec, presets, around),
    ]


def _references(spec: TaskSpec, presets: Presets, around: Surroundings) -> Iterator[Problem]:
    model, runtime = spec.model, spec.runtime
    if model.preset is not None and model.preset not in presets.models:
        yield _unknown("model.preset", model.preset, presets.models)
    elif model.preset is not None and around.model is None and not around.may_create:
        yield Problem("NotFound", f"model.preset: {_forbidden(f'ClusterBaseModel {model.preset}')}")
    if model.name is not None and around.model is None:
        yield Problem("NotFound", f"model.name: {model.kind} {model.name} does not exist; create it, or name another")
    if runtime.preset is not None and runtime.preset not in presets.runtimes:
        yield _unknown("runtime.preset", runtime.preset, presets.runtimes)
    if runtime.name is not None and around.runtime is None:
        yield Problem(
            "NotFound", f"runtime.name: {runtime.kind} {runtime.name} does not exist; create it, or name another"
        )
    if around.shadow:
        yield Problem("InvalidSpec", around.shadow)


def _forbidden(what: str) -> str:
    return f"{what} does not exist, and this operator may not create cluster-scoped objects; ask for it to be created"


def _unknown(field: str, name: str, known: Iterable[str]) -> Problem:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
    return Problem("UnknownPreset", f"{field}: no preset is called {name}; {hint}")


def _flags(spec: TaskSpec, presets: Presets) -> Iterator[Problem]:
    name = engine_of(spec, presets)
    if name is None:
        return
    engine = engines.get(name)
    fixed, baseline = spec.runtime.extra_args or [], spec.baseline.args if spec.baseline else []
    messages = [
        *engine.problems(fixed, "runtime.extraArgs"),
        *engine.problems(baseline, "baseline.args"),
        *engine.parameter_problems(spec.parameters, fixed),
    ]
    for message in messages:
        yield Problem(
            "ReservedFlag" if any(text in message for text in engine.reserved.values()) else "InvalidSpec", message
        )


def _complete(spec: TaskSpec, presets: Presets, around: Surroundings) -> Iterator[Problem]:
    """What is wrong with complete argument lists, although each part of them is right."""
    name, runtime = engine_of(spec, presets), _runtime_spec(spec, presets, around)
    if name is None or runtime is None:
        return
    engine, own = engines.get(name), list(runner(runtime).get("args") or [])
    fixed = spec.runtime.extra_args or []
    tuned = {parameter.name: _longest(parameter) for parameter in spec.parameters}
    baseline = spec.baseline.args if spec.baseline else []
    for field, args in (
        ("baseline.args", engine.merge(own, baseline, fixed)),
        ("parameters", engine.compose(engine.merge(own, fixed), tuned)),
    ):
        try:
            _ARGUMENTS.validate_python(args)
        except ValidationError as problem:
            words = problem.errors(include_url=False)[0]["msg"]
            yield Problem("InvalidSpec", f"{field}: joined with the runtime's own and runtime.extraArgs: {words}")
    off = {parameter.name: False for parameter in spec.parameters if parameter.toggle}
    # OME takes an empty list for none, and keeps the runtime's own.
    if own and len(off) == len(spec.parameters) and not engine.compose(engine.merge(own, fixed), off):
        yield Problem(
            "InvalidSpec",
            f"parameters[{spec.parameters[0].name}]: without it no argument is left, and OME would use the runtime's"
            " own, which have it; fix some other flag in runtime.extraArgs",
        )


def _longest(parameter: SearchParameter) -> engines.Value:
    return max(parameter.values or parameter.choices or [True], key=lambda value: len(str(value)))


def _benchmark(spec: TaskSpec, presets: Presets, around: Surroundings) -> Iterator[Problem]:
    benchmark = spec.benchmark
    objective = spec.objectives[0]
    if objective.concurrency is not None and objective.concurrency not in benchmark.concurrency:
        ladder = ", ".join(str(level) for level in benchmark.concurrency)
        yield Problem(
            "InvalidSpec",
            f"objectives[0].concurrency: {objective.concurrency} is not on the ladder; choose one of {ladder}",
        )
    for name in sorted(set(benchmark.request_params or {}) & set(RESERVED_PARAMS)):
        yield Problem("InvalidSpec", f"benchmark.requestParams.{name}: set by the benchmark itself; remove it")
    source = benchmark.tokenizer.source
    runtime = _runtime_spec(spec, presets, around)
    if source == "Builtin" and runtime is not None and not is_simulated(runtime):
        yield Problem(
            "InvalidSpec",
            "benchmark.tokenizer.source: Builtin counts bytes: for the simulated engine only; use Hub or ModelVolume",
        )
    if source == "ModelVolume" and not _model_path(spec, presets, around):
        yield Problem(
            "InvalidSpec",
            "benchmark.tokenizer.source: ModelVolume needs a model with spec.storage.path; use Hub with an id",
        )


def _runtime_spec(spec: TaskSpec, presets: Presets, around: Surroundings) -> Mapping[str, Any] | None:
    if spec.runtime.preset is None:
        return around.runtime["spec"] if around.runtime else None
    preset = presets.runtimes.get(spec.runtime.preset)
    return preset.spec if preset else None


def _model_path(spec: TaskSpec, presets: Presets, around: Surroundings) -> str:
    if around.model is not None:
        return models.path(around.model)
    return models.path({"spec": presets.models.get(spec.model.preset or "", {})})


# genai-bench's client answers C requests at once in a D scenario, and its own delay lands in TTFT.
_LOCKSTEP_FROM = 16
# The built-in prompts share words as no real traffic does: a cache or a draft is helped by them.
_TEXT_SENSITIVE = ("radix-cache", "prefix-caching", "speculative")


def warnings(spec: TaskSpec) -> list[str]:
    """What works but may mislead; told in the Valid condition."""
    found = []
    metrics = {spec.objectives[0].metric, *(slo.metric for slo in spec.slos or [])}
    if "TTFT" in metrics and max(spec.benchmark.concurrency) > _LOCKSTEP_FROM:
        found += [
            f"benchmark.scenarios[{scenario.name}].load: D moves in lock-step and biases TTFT above concurrency"
            f" {_LOCKSTEP_FROM}; N or U with the same means does not"
            for scenario in spec.benchmark.scenarios
            if scenario.load.startswith("D")
        ]
    found += [
        f"parameters[{parameter.name}]: its effect depends on the text of the prompts; the benchmark's is artificial"
        for parameter in spec.parameters
        if any(word in parameter.name for word in _TEXT_SENSITIVE)
    ]
    return found
