"""Checks of the benchmark: can it run as it is written, and what would mislead?"""

from __future__ import annotations

from collections.abc import Iterator

from autotuner import engines
from autotuner.api.benchmark import Traffic, refused_params
from autotuner.api.goals import Objective
from autotuner.policy import cost_estimate
from autotuner.policy.preflight.checked_task import Case
from autotuner.validation_messages import Finding, Kind

# The load client of the closed loop answers C requests at once in a D scenario, and its own delay lands in TTFT.
_LOCKSTEP_FROM = 16
# Only behind the first sessions are there as many as later: they may take so much of a level.
_SESSIONS_SHARE = 0.5


def problems(case: Case) -> Iterator[Finding]:
    """What is wrong with the benchmark."""
    benchmark = case.spec.benchmark
    for number, objective in enumerate(case.spec.objectives):
        yield from _level(objective, f"objectives[{number}]", benchmark)
    # Tasks made under the definitions of an earlier release may have them still.
    for name, why in refused_params(benchmark.request_params or {}).items():
        yield Finding(f"benchmark.requestParams.{name}", Kind.REQUEST_PARAMETER_REFUSED, {"why": why})
    yield from _tokenizer(case)
    for scenario in benchmark.scenarios:
        if (turns := scenario.turns) and (least := (turns.count - 1) * turns.think_seconds) > (
            most := _SESSIONS_SHARE * 60 * benchmark.max_minutes_per_level
        ):
            details = {"needed": least, "minutes": benchmark.max_minutes_per_level, "limit": most}
            yield Finding(f"benchmark.scenarios[{scenario.name}].turns", Kind.SESSIONS_TOO_LONG, details)
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


def _level(objective: Objective, field: str, benchmark: Traffic) -> Iterator[Finding]:
    """What is wrong with the level at which an objective is judged."""
    own, other, ladder = ("concurrency", "rate", "concurrency")
    if benchmark.concurrency is None and objective.metric == "MaxConcurrency":
        yield Finding(f"{field}.metric", Kind.USERS_IN_OPEN_LOOP)
    if benchmark.rates is not None:
        own, other, ladder = ("rate", "concurrency", "rates")
    elif benchmark.concurrency is None:
        for name in ("concurrency", "rate"):
            if getattr(objective, name) is not None:
                yield Finding(f"{field}.{name}", Kind.LEVEL_OF_A_TRACE)
        return
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
            if scenario.load and scenario.load.startswith("D"):
                field = f"benchmark.scenarios[{scenario.name}].load"
                yield Finding(field, Kind.LOAD_IN_LOCKSTEP, {"limit": _LOCKSTEP_FROM})
    yield from _artificial(case)


def _artificial(case: Case) -> Iterator[Finding]:
    """Parameters whose effect the benchmark's prompts do not show.

    The built-in text is no language, so a draft model guesses it as no real traffic; and its prompts share nothing
    that a prefix cache could find, unless the scenario says what they share.
    """
    if case.engine is None:
        return
    engine, scenarios = engines.get(case.engine), case.spec.benchmark.scenarios
    unreal = not all(scenario.has_real_prompts for scenario in scenarios)
    apart = not all(scenario.shares_prefixes for scenario in scenarios)
    for parameter in case.spec.parameters:
        field, name = f"parameters[{parameter.name}]", parameter.name
        if unreal and any(part in name for part in engine.text_sensitive):
            yield Finding(field, Kind.EFFECT_DEPENDS_ON_TEXT)
        elif apart and any(part in name for part in engine.prefix_sensitive):
            yield Finding(field, Kind.EFFECT_DEPENDS_ON_PREFIXES)
