"""Checks of the benchmark: can it run as it is written, and what would mislead?"""

from __future__ import annotations

from collections.abc import Iterator

from autotuner import engines
from autotuner.api.benchmark import Traffic, refused_params
from autotuner.api.goals import Objective
from autotuner.policy import cost_estimate
from autotuner.policy.preflight import context
from autotuner.policy.preflight.checked_task import Case
from autotuner.validation_messages import Finding, Kind

# The load client of the closed loop answers C requests at once in a D scenario, and its own delay lands in TTFT.
_LOCKSTEP_FROM = 16


def problems(case: Case) -> Iterator[Finding]:
    """What is wrong with the benchmark."""
    benchmark = case.spec.benchmark
    for number, objective in enumerate(case.spec.objectives):
        yield from _level(objective, f"objectives[{number}]", benchmark)
    # Tasks made under the definitions of an earlier release may have them still.
    for name, why in refused_params(benchmark.request_params or {}).items():
        yield Finding(f"benchmark.requestParams.{name}", Kind.REQUEST_PARAMETER_REFUSED, {"why": why})
    yield from _answers(benchmark)
    yield from _tokenizer(case)
    needed, limit = cost_estimate.benchmark_seconds(case.spec), case.spec.timeouts.benchmark_seconds
    if needed > limit:
        details = {
            "needed": needed,
            "scenarios": len(benchmark.scenarios),
            "levels": len(benchmark.ladder),
            "minutes": benchmark.max_minutes_per_level,
            "limit": limit,
        }
        yield Finding("timeouts.benchmarkSeconds", Kind.LADDER_TOO_LONG, details)


def _answers(benchmark: Traffic) -> Iterator[Finding]:
    """Scenarios whose answers are too short to be measured."""
    # The load client of the closed loop drops answers of one token; of none there is nothing to time in either.
    loop, least = ("a closed loop", 2) if benchmark.rates is None else ("an open loop", 1)
    for scenario in benchmark.scenarios:
        if (longest := context.longest_answer(scenario.load)) < least:
            details = {"tokens": longest, "loop": loop, "least": least}
            yield Finding(f"benchmark.scenarios[{scenario.name}].load", Kind.ANSWERS_UNMEASURABLE, details)


def _level(objective: Objective, field: str, benchmark: Traffic) -> Iterator[Finding]:
    """What is wrong with the level at which an objective is judged."""
    own, other, ladder = ("concurrency", "rate", "concurrency")
    if benchmark.rates is not None:
        own, other, ladder = ("rate", "concurrency", "rates")
        if objective.metric == "MaxConcurrency":
            yield Finding(f"{field}.metric", Kind.USERS_IN_OPEN_LOOP)
    if getattr(objective, other) is not None:
        yield Finding(f"{field}.{other}", Kind.LEVEL_OF_OTHER_LOOP, {"given": ladder, "instead": own})
    elif (level := objective.offered) is not None and level not in benchmark.ladder:
        details = {"level": f"{level:g}", "ladder": [f"{each:g}" for each in benchmark.ladder]}
        yield Finding(f"{field}.{own}", Kind.LEVEL_NOT_ON_LADDER, details)


def _tokenizer(case: Case) -> Iterator[Finding]:
    source = case.spec.benchmark.tokenizer.source
    if source == "Builtin" and case.runtime_spec is not None and not case.template.simulated:
        yield Finding("benchmark.tokenizer.source", Kind.TOKENIZER_COUNTS_BYTES)
    has_files = case.spec.model.volume or case.weights.path or case.weights.claim or not case.knows_model
    if source == "ModelVolume" and not has_files:
        yield Finding("benchmark.tokenizer.source", Kind.TOKENIZER_WITHOUT_FILES, {"volume": "model.volume"})


def warnings(case: Case) -> Iterator[Finding]:
    """What works but may mislead."""
    spec = case.spec
    metrics = {*(objective.metric for objective in spec.objectives), *(slo.metric for slo in spec.slos or [])}
    if "TTFT" in metrics and max(spec.benchmark.concurrency or (0,)) > _LOCKSTEP_FROM:
        for scenario in spec.benchmark.scenarios:
            if scenario.load.startswith("D"):
                field = f"benchmark.scenarios[{scenario.name}].load"
                yield Finding(field, Kind.LOAD_IN_LOCKSTEP, {"limit": _LOCKSTEP_FROM})
    # The built-in prompts share words as no real traffic does: a cache or a draft is helped by them.
    sensitive = engines.get(case.engine).text_sensitive if case.engine else ()
    for parameter in spec.parameters:
        if any(part in parameter.name for part in sensitive):
            yield Finding(f"parameters[{parameter.name}]", Kind.EFFECT_DEPENDS_ON_TEXT)
