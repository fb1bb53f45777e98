"""Checks of the benchmark: can it run as it is written, and what would mislead?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from autotuner import engines
from autotuner.api.benchmark import Traffic, refused_params
from autotuner.api.common import JUDGED_AT_A_LEVEL
from autotuner.api.goals import Objective
from autotuner.policy import cost_estimate
from autotuner.policy.preflight.checked_task import Case
from autotuner.scoring import slos
from autotuner.validation_messages import Finding, Kind

# The load client of the closed loop answers C requests at once in a D scenario, and its own delay lands in TTFT.
_LOCKSTEP_FROM = 16
_CLOSED = ("concurrency", "rate", "concurrency")
# Between levels that are farther apart, what keeps the SLOs can be as many times what is reported.
_WIDEST_GAP = 2


def problems(case: Case) -> Iterator[Finding]:
    """What is wrong with the benchmark."""
    benchmark = case.spec.benchmark
    for number, objective in enumerate(case.spec.objectives):
        yield from _level(objective, f"objectives[{number}]", benchmark)
    # Tasks made under the definitions of an earlier release may have them still.
    for name, why in refused_params(benchmark.request_params or {}).items():
        yield Finding(f"benchmark.requestParams.{name}", Kind.REQUEST_PARAMETER_REFUSED, {"why": why})
    yield from _tokenizer(case)
    yield from _searched(case)
    needed, limit = cost_estimate.benchmark_seconds(case.spec), case.spec.timeouts.benchmark_seconds
    if needed > limit:
        details = {
            "needed": needed,
            "scenarios": len(benchmark.scenarios),
            "levels": benchmark.most_levels,
            "minutes": benchmark.max_minutes_per_level,
            "limit": limit,
        }
        yield Finding("timeouts.benchmarkSeconds", Kind.LADDER_TOO_LONG, details)


def _level(objective: Objective, field: str, benchmark: Traffic) -> Iterator[Finding]:
    """What is wrong with the level at which an objective is judged."""
    own, other, ladder = ("rate", "concurrency", "rates") if benchmark.open_loop else _CLOSED
    wrong = {"MaxConcurrency": benchmark.open_loop, "MaxRequestRate": not benchmark.open_loop}
    if wrong.get(objective.metric):
        kind = Kind.USERS_IN_OPEN_LOOP if benchmark.open_loop else Kind.RATE_IN_CLOSED_LOOP
        yield Finding(f"{field}.metric", kind)
    if benchmark.search:
        if objective.metric in JUDGED_AT_A_LEVEL:
            details = {"metric": objective.metric, "ladder": ladder, "search": _search_field(benchmark)}
            yield Finding(f"{field}.metric", Kind.LEVEL_OF_SEARCH, details)
        return
    if getattr(objective, other) is not None:
        yield Finding(f"{field}.{other}", Kind.LEVEL_OF_OTHER_LOOP, {"given": ladder, "instead": own})
    elif (level := objective.offered) is not None and level not in benchmark.ladder:
        missing = {"level": f"{level:g}", "ladder": [f"{each:g}" for each in benchmark.ladder]}
        yield Finding(f"{field}.{own}", Kind.LEVEL_NOT_ON_LADDER, missing)


def _search_field(benchmark: Traffic) -> str:
    return "rateSearch" if benchmark.open_loop else "concurrencySearch"


def _searched(case: Case) -> Iterator[Finding]:
    """What a search for the boundary lacks."""
    benchmark, hard = case.spec.benchmark, slos.hard(case.spec.slos or [])
    if benchmark.search and not any(slo.max is not None or slo.metric == "Attainment" for slo in hard):
        yield Finding(f"benchmark.{_search_field(benchmark)}", Kind.SEARCH_WITHOUT_LIMIT)


def _gaps(case: Case) -> Iterator[Finding]:
    """Where the levels of a ladder are so far apart that what is reported lies far below what keeps the SLOs."""
    benchmark, hard = case.spec.benchmark, slos.hard(case.spec.slos or [])
    judged_elsewhere = all(objective.metric in JUDGED_AT_A_LEVEL for objective in case.spec.objectives)
    if benchmark.search or judged_elsewhere or not any(slo.max is not None for slo in hard):
        return
    pairs = list(pairwise(sorted(benchmark.ladder)))
    low, high = max(pairs, key=lambda pair: pair[1] / pair[0], default=(1.0, 1.0))
    if high / low > _WIDEST_GAP:
        field = "rates" if benchmark.open_loop else "concurrency"
        details = {"low": f"{low:g}", "high": f"{high:g}", "instead": f"benchmark.{_search_field(benchmark)}"}
        yield Finding(f"benchmark.{field}", Kind.LADDER_WITH_GAPS, details)


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
    if "TTFT" in metrics and max((0, *(() if spec.benchmark.open_loop else spec.benchmark.ladder))) > _LOCKSTEP_FROM:
        for scenario in spec.benchmark.scenarios:
            if scenario.load.startswith("D"):
                field = f"benchmark.scenarios[{scenario.name}].load"
                yield Finding(field, Kind.LOAD_IN_LOCKSTEP, {"limit": _LOCKSTEP_FROM})
    yield from _gaps(case)
    # The built-in prompts share words as no real traffic does: a cache or a draft is helped by them.
    sensitive = engines.get(case.engine).text_sensitive if case.engine else ()
    for parameter in spec.parameters:
        if any(part in parameter.name for part in sensitive):
            yield Finding(f"parameters[{parameter.name}]", Kind.EFFECT_DEPENDS_ON_TEXT)
