"""Scores, whatever was measured and wanted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from autotuner.api.experiment import Distribution, Level
from autotuner.api.goals import Objective, Slo
from autotuner.scoring import Goal, Score, figure, minimised, score, slos
from autotuner.scoring.slos import violations
from tests.unit.builders import make_level, make_objective, make_scenario, make_slo, make_soft_slo

LADDER = (8, 32, 128)
PRICE = 2.5
METRICS = ("OutputThroughput", "OutputThroughputPerGPU", "TotalThroughput", "RequestThroughput", "CostPerMillionTokens")
LATENCIES = ("TTFT", "TPOT", "E2ELatency")
# Few values, so that limits are often just reached.
throughputs = st.one_of(st.sampled_from([0.0, 400.0, 800.0]), st.floats(0, 1e6))
seconds = st.one_of(st.sampled_from([0.2, 0.4]), st.floats(1e-6, 100))


@st.composite
def objectives(draw: st.DrawFn) -> Objective:
    metric = draw(st.sampled_from((*METRICS, *LATENCIES, "MaxConcurrency")))
    if metric not in LATENCIES:
        return make_objective(metric)  # type: ignore[arg-type]
    statistic = draw(st.sampled_from(("Mean", "P95", None)))
    return make_objective(metric, statistic, draw(st.sampled_from((*LADDER, None))))  # type: ignore[arg-type]


def hard_slos() -> st.SearchStrategy[Slo]:
    ceiling = st.builds(
        lambda metric, limit: make_slo(metric, max=limit),
        st.sampled_from(LATENCIES),
        st.sampled_from(("0ms", "200ms", "400ms", "50s")),
    )
    floor = st.sampled_from(
        (make_slo("OutputThroughput", min="400tok/s"), make_slo("RequestThroughput", min="3.2req/s"))
    )
    return st.one_of(ceiling, floor, st.just(make_slo("ErrorRate", max="1%")))


def soft_slos() -> st.SearchStrategy[Slo]:
    return st.builds(
        lambda metric, limit, weight, steepness: make_soft_slo(metric, weight=weight, steepness=steepness, max=limit),
        st.sampled_from(LATENCIES),
        st.sampled_from(("200ms", "5s")),
        st.floats(0.01, 100),
        st.floats(0.02, 10),
    )


@st.composite
def goals(draw: st.DrawFn, *, soft: bool = True, scenarios: int = 2) -> Goal:
    weights = draw(st.lists(st.floats(0.1, 10), min_size=1, max_size=scenarios))
    promises = draw(st.lists(hard_slos(), max_size=3)) + (draw(st.lists(soft_slos(), max_size=2)) if soft else [])
    return Goal(
        [make_scenario(name, weight) for name, weight in zip(("chat", "doc"), weights, strict=False)],
        LADDER,
        [draw(objectives())],
        promises,
        PRICE,
    )


@st.composite
def ladders(draw: st.DrawFn, *, whole: bool = False) -> list[Level]:
    """All levels of two scenarios, in any order; unless whole, some of them, and some without a TPOT."""
    tpots = seconds if whole else st.one_of(st.none(), seconds)
    levels = [
        make_level(
            concurrency,
            scenario=name,
            throughput=draw(throughputs),
            ttft=draw(seconds),
            tpot=draw(tpots),
            e2e=draw(seconds),
            errors=draw(st.integers(0, 3)),
        )
        for name in ("chat", "doc")
        for concurrency in LADDER
    ]
    return levels if whole else draw(st.lists(st.sampled_from(levels), unique_by=id))


gpus = st.integers(1, 8)


def kept(level: Level, goal: Goal, count: int) -> bool:
    return not violations(level, slos.hard(goal.slos), count) and not slos.unmeasured(level, goal.slos, count)


def at(levels: Sequence[Level], concurrency: int, goal: Goal) -> list[Level]:
    """What was measured of the goal's scenarios at one concurrency."""
    names = {scenario.name for scenario in goal.scenarios}
    return [level for level in levels if level.concurrency == concurrency and level.scenario in names]


def rank(result: Score, goal: Goal) -> tuple[int, float]:
    """Greater is better, as the search and the policy have it: any value, then nearest to the SLOs."""
    if result.worth is not None:
        return 1, -result.worth if minimised(goal.objectives[0].metric) else result.worth
    return 0, -result.shortfall


@given(ladders(), goals(), gpus)
def test_a_value_comes_from_where_every_scenario_keeps_every_hard_slo(
    levels: list[Level], goal: Goal, count: int
) -> None:
    result = score(levels, goal, count)
    if result.feasible:
        assert result.level is not None
        found = at(levels, result.level[1], goal)
        assert {level.scenario for level in found} == {scenario.name for scenario in goal.scenarios}
        assert all(kept(level, goal, count) for level in found)


@given(ladders(whole=True), goals(), gpus)
def test_what_is_infeasible_keeps_them_nowhere_and_misses_them_by_something(
    levels: list[Level], goal: Goal, count: int
) -> None:
    result = score(levels, goal, count)
    if result.outcome == "infeasible":
        judged = goal.objectives[0].concurrency
        latency = goal.objectives[0].metric in LATENCIES
        for concurrency in [judged or LADDER[-1]] if latency else LADDER:
            assert not all(kept(level, goal, count) for level in at(levels, concurrency, goal))
        assert result.shortfall > 0
        assert result.values == result.worths == ()
        assert result.explanation
    else:
        assert result.shortfall == 0


@given(ladders(whole=True), goals(soft=False), gpus, st.data())
def test_what_improves_one_figure_is_never_worse(
    levels: list[Level], goal: Goal, count: int, data: st.DataObject
) -> None:
    before = score(levels, goal, count)
    number = data.draw(st.integers(0, len(levels) - 1))
    factor = data.draw(st.floats(1, 10))
    better = [*levels[:number], improved(levels[number], factor, data), *levels[number + 1 :]]
    assert near_or_above(rank(score(better, goal, count), goal), rank(before, goal))


def improved(level: Level, factor: float, data: st.DataObject) -> Level:
    def lower(distribution: Distribution | None) -> Any:
        assert distribution is not None
        return Distribution(**{name: value / factor for name, value in distribution.model_dump().items()})

    choices: dict[str, Any] = {
        "output_tokens_per_second": level.output_tokens_per_second * factor,
        "requests_per_second": level.requests_per_second * factor,
        "ttft_seconds": lower(level.ttft_seconds),
        "tpot_seconds": lower(level.tpot_seconds),
        "e2e_latency_seconds": lower(level.e2e_latency_seconds),
        "errors": 0,
    }
    name = data.draw(st.sampled_from(sorted(choices)))
    return level.model_copy(update={name: choices[name]})


def near_or_above(a: tuple[int, float], b: tuple[int, float]) -> bool:
    """Up to rounding."""
    return a[0] > b[0] or (a[0] == b[0] and a[1] >= b[1] - 1e-9 * abs(b[1]))


@given(ladders(whole=True), goals(soft=False), st.data())
def test_a_promise_less_is_never_worse(levels: list[Level], goal: Goal, data: st.DataObject) -> None:
    assume(goal.slos)
    number = data.draw(st.integers(0, len(goal.slos) - 1))
    relaxed = replace(goal, slos=[*goal.slos[:number], *goal.slos[number + 1 :]])
    before, after = (score(levels, one, 1) for one in (goal, relaxed))
    assert rank(after, goal) >= rank(before, goal)


@given(ladders(), goals(scenarios=1), gpus)
def test_a_value_is_one_levels_own_figure(levels: list[Level], goal: Goal, count: int) -> None:
    result, objective = score(levels, goal, count), goal.objectives[0]
    if result.feasible and objective.metric != "MaxConcurrency":
        assert result.metrics in levels
        assert result.metrics is not None
        own = figure(result.metrics, objective.metric, objective.statistic, count, PRICE)
        assert own is not None
        assert result.value is not None
        assert math.isclose(result.value, own)


@given(ladders(whole=True), goals(), gpus)
def test_levels_that_break_a_promise_lend_nothing_to_the_value(levels: list[Level], goal: Goal, count: int) -> None:
    assume(goal.objectives[0].metric != "MaxConcurrency")
    result = score(levels, goal, count)
    assume(result.feasible)
    good = [c for c in LADDER if all(kept(level, goal, count) for level in at(levels, c, goal))]
    assert score([level for level in levels if level.concurrency in good], goal, count).values == result.values


@given(ladders(whole=True), goals(), gpus)
def test_the_value_of_a_mix_lies_between_those_of_its_scenarios(levels: list[Level], goal: Goal, count: int) -> None:
    result, objective = score(levels, goal, count), goal.objectives[0]
    if result.feasible and objective.metric not in ("MaxConcurrency", "CostPerMillionTokens"):
        assert result.value is not None
        assert result.level is not None
        own = [
            figure(x, objective.metric, objective.statistic, count) or 0.0 for x in at(levels, result.level[1], goal)
        ]
        assert min(own) * (1 - 1e-9) <= result.value <= max(own) * (1 + 1e-9)


@given(ladders(), goals(), gpus)
def test_the_order_of_the_levels_does_not_matter(levels: list[Level], goal: Goal, count: int) -> None:
    assert score(levels[::-1], goal, count) == score(levels, goal, count)


@given(ladders(whole=True), goals(), gpus, st.data())
def test_what_was_not_measured_never_becomes_a_number(
    levels: list[Level], goal: Goal, count: int, data: st.DataObject
) -> None:
    """Leaving levels out leaves the figures of those that stay, or nothing."""
    assume(goal.objectives[0].metric != "MaxConcurrency")
    some = data.draw(st.lists(st.sampled_from(levels), unique_by=id))
    part = score(some, goal, count)
    if part.feasible:
        assert part.level is not None
        there = goal.on([part.level[1]])
        if there.objectives[0].concurrency in (None, part.level[1]):
            assert part.values == score(levels, there, count).values
    else:
        assert part.value is None
        assert part.worth is None
        assert part.explanation


@given(ladders(whole=True), goals(), gpus)
def test_a_promise_that_cannot_be_judged_is_not_kept(levels: list[Level], goal: Goal, count: int) -> None:
    unknown = [level.model_copy(update={"tpot_seconds": None}) for level in levels]
    promised = replace(goal, slos=[*goal.slos, make_slo("TPOT", max="50s")])
    assert not score(unknown, promised, count).feasible


@given(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), st.integers(0, 2), st.floats(1, 3), st.booleans())
def test_whoever_answers_sooner_serves_no_fewer_users(
    growth: list[float], number: int, factor: float, everywhere: bool
) -> None:
    goal = Goal([make_scenario()], LADDER, [make_objective("MaxConcurrency")], [make_slo("TTFT", max="500ms")])
    ttfts = [sum(growth[: count + 1]) for count in range(3)]
    sooner = [ttft / factor if everywhere or place == number else ttft for place, ttft in enumerate(ttfts)]
    before, after = (
        score([make_level(c, ttft=ttft) for c, ttft in zip(LADDER, them, strict=True)], goal, 1).value or 0.0
        for them in (ttfts, sooner)
    )
    assert after >= before * (1 - 1e-9)
    kept = [c for c, ttft in zip(LADDER, ttfts, strict=True) if ttft <= 0.5]
    if kept:
        assert kept[-1] <= before <= (*LADDER, LADDER[-1])[LADDER.index(kept[-1]) + 1]


@given(goals(), gpus)
def test_nothing_measured_is_nothing_known(goal: Goal, count: int) -> None:
    result = score([], goal, count)
    assert (result.outcome, result.values, result.worths, result.level) == ("unknown", (), (), None)


@given(ladders(), goals(), gpus, st.sampled_from([None, "Complete", "StoppedSLO", "StoppedHopeless", "Broken"]))
def test_all_numbers_are_finite(levels: list[Level], goal: Goal, count: int, ended: Any) -> None:
    result = score(levels, goal, count, ended)
    numbers = (*result.values, *result.worths, result.shortfall)
    assert all(math.isfinite(number) and number >= 0 for number in numbers)


@given(seconds, seconds, soft_slos(), soft_slos())
def test_soft_promises_cost_more_the_farther_they_are_missed(a: float, b: float, one: Slo, other: Slo) -> None:
    near, far = (make_level(ttft=x, tpot=x, e2e=x) for x in (min(a, b), max(a, b)))
    promises = [one, other]
    assert 0 <= slos.cost([near], promises, 1) <= slos.cost([far], promises, 1)
    assert (slos.cost([far], promises, 1) == 0) == (not violations(far, promises, 1))
    assert slos.cost([near, far], promises, 1) == slos.cost([far], promises, 1)
    assert slos.cost([far], promises, 1) >= slos.cost([far], promises[:1], 1)


@given(ladders(whole=True), goals(), gpus)
def test_a_soft_promise_makes_nothing_infeasible_and_nothing_better(
    levels: list[Level], goal: Goal, count: int
) -> None:
    bare = replace(goal, slos=slos.hard(goal.slos))
    with_soft, without = score(levels, goal, count), score(levels, bare, count)
    assert with_soft.outcome == without.outcome
    assert rank(without, goal) >= rank(with_soft, goal)
