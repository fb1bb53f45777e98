"""Can the benchmark be run as it is written, and what would mislead?"""

from __future__ import annotations

from collections.abc import Iterator

from autotuner.benchmark.contract.spec import RESERVED_PARAMS
from autotuner.policy import cost_estimate
from autotuner.policy.preflight.case import Case, Problem

# genai-bench's client answers C requests at once in a D scenario, and its own delay lands in TTFT.
_LOCKSTEP_FROM = 16
# The built-in prompts share words as no real traffic does: a cache or a draft is helped by them.
_TEXT_SENSITIVE = ("radix-cache", "prefix-caching", "speculative")


def problems(case: Case) -> Iterator[Problem]:
    """What is wrong with the benchmark."""
    benchmark = case.spec.benchmark
    for number, objective in enumerate(case.spec.objectives):
        if objective.concurrency is not None and objective.concurrency not in benchmark.concurrency:
            ladder = ", ".join(str(level) for level in benchmark.concurrency)
            yield Problem(
                "InvalidSpec",
                f"objectives[{number}].concurrency: {objective.concurrency} is not on the ladder; choose one of"
                f" {ladder}",
            )
    for name in sorted(set(benchmark.request_params or {}) & set(RESERVED_PARAMS)):
        yield Problem("InvalidSpec", f"benchmark.requestParams.{name}: set by the benchmark itself; remove it")
    yield from _tokenizer(case)
    needed, limit = cost_estimate.benchmark_seconds(case.spec), case.spec.timeouts.benchmark_seconds
    if needed > limit:
        yield Problem(
            "InvalidSpec",
            f"timeouts.benchmarkSeconds: the ladder may take {needed:.0f} s"
            f" ({len(benchmark.scenarios)} scenarios x {len(benchmark.concurrency)} levels x"
            f" {benchmark.max_minutes_per_level} min), but {limit} s are allowed; allow more, or measure less",
        )


def _tokenizer(case: Case) -> Iterator[Problem]:
    source = case.spec.benchmark.tokenizer.source
    if source == "Builtin" and case.runtime_spec is not None and not case.template.simulated:
        yield Problem(
            "InvalidSpec",
            "benchmark.tokenizer.source: Builtin counts bytes: for the simulated engine only; use Hub or ModelVolume",
        )
    has_files = case.spec.model.volume or case.weights.path or case.weights.claim
    if source == "ModelVolume" and not has_files:
        yield Problem(
            "InvalidSpec",
            "benchmark.tokenizer.source: ModelVolume needs model.volume or a model with spec.storage.path; use Hub with"
            " an id",
        )


def warnings(case: Case) -> Iterator[str]:
    """What works but may mislead."""
    spec = case.spec
    metrics = {*(objective.metric for objective in spec.objectives), *(slo.metric for slo in spec.slos or [])}
    if "TTFT" in metrics and max(spec.benchmark.concurrency) > _LOCKSTEP_FROM:
        for scenario in spec.benchmark.scenarios:
            if scenario.load.startswith("D"):
                yield (
                    f"benchmark.scenarios[{scenario.name}].load: D moves in lock-step and biases TTFT above concurrency"
                    f" {_LOCKSTEP_FROM}; N or U with the same means does not"
                )
    for parameter in spec.parameters:
        if any(word in parameter.name for word in _TEXT_SENSITIVE):
            yield (
                f"parameters[{parameter.name}]: its effect depends on the text of the prompts; the benchmark's is"
                " artificial"
            )
