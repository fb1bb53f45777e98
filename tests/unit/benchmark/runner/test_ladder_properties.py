"""When a ladder ends early, whatever was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from autotuner.api.experiment import NOISE_MARGIN, Level
from autotuner.benchmark.contract.spec import RequiredThroughput, SloBound
from autotuner.benchmark.runner.early_stop import StopCriteria, Stopped, would_stop
from autotuner.scoring import Goal, figure, score
from autotuner.scoring.ladder_upper_bound import of_goal
from tests.unit.builders import make_level, make_objective, make_scenario, make_slo

LADDER = (1, 8, 32, 128)
NAMES = ("chat", "doc")
STEPS = [(name, concurrency) for name in NAMES for concurrency in LADDER]
CEILINGS = (
    SloBound(metric="TTFT", max=0.5),
    SloBound(metric="TPOT", statistic="Mean", max=0.02),
    SloBound(metric="TPOT", max=0.04),
)
FLOORS = (SloBound(metric="OutputThroughput", min=500), SloBound(metric="RequestThroughput", min=3))
# Two figures that are compared may each be off by half of the margin.
CHANCE = NOISE_MARGIN / 2


@dataclass(frozen=True)
class MeasuredEngine:
    """What is true of one, and what was measured of it.

    Attributes:
        true: of all steps, in their order; throughput grows at most in proportion, latencies do not fall.
        measured: the same, off by chance.
    """

    true: list[Level]
    measured: list[Level]


@st.composite
def wild(draw: st.DrawFn) -> list[Level]:
    """Figures without any order."""
    figures = st.tuples(st.floats(0, 5000), st.floats(0.001, 1.0), st.floats(0.001, 0.1))
    return [_level(*step, *draw(figures)) for step in STEPS]


@st.composite
def engines(draw: st.DrawFn) -> MeasuredEngine:
    true, measured = [], []
    growth = st.one_of(st.just(1.0), st.floats(1, 3))
    off = st.one_of(st.sampled_from([1 - CHANCE, 1 + CHANCE]), st.floats(1 - CHANCE, 1 + CHANCE))
    for name in NAMES:
        speed, ttft, tpot, users = draw(st.floats(5, 50)), draw(st.floats(0.02, 0.2)), draw(st.floats(0.002, 0.01)), 1
        for concurrency in LADDER:
            speed *= draw(st.one_of(st.just(1.0), st.floats(0.05, 1.0))) * concurrency / users
            ttft, tpot = ttft * draw(growth), tpot * draw(growth)
            users = concurrency
            true.append(_level(name, concurrency, speed, ttft, tpot))
            measured.append(_level(name, concurrency, speed * draw(off), ttft * draw(off), tpot * draw(off)))
    return MeasuredEngine(true, measured)


def _level(name: str, concurrency: int, throughput: float, ttft: float, tpot: float) -> Level:
    return make_level(concurrency, scenario=name, throughput=throughput, ttft=ttft, tpot=tpot)


def criteria(
    slos: Sequence[SloBound] = (), threshold: float | None = None, margin: float = NOISE_MARGIN
) -> StopCriteria:
    required = RequiredThroughput(metric="OutputThroughput", threshold=threshold) if threshold else None
    return StopCriteria(LADDER, dict.fromkeys(NAMES, 1.0), slos, required, margin)


def ended(levels: Sequence[Level], wanted: StopCriteria) -> tuple[int, Stopped] | None:
    """After how many levels the ladder ends, and how; None if it is climbed whole."""
    for count in range(1, len(STEPS)):
        if found := would_stop(levels[:count], wanted, STEPS[count:]):
            return count, found
    return None


promises = st.lists(st.sampled_from(CEILINGS + FLOORS), unique_by=id, max_size=4)
thresholds = st.floats(1, 20_000)


@given(wild(), promises, thresholds)
def test_never_ends_by_the_first_level_of_a_scenario(
    levels: list[Level], slos: list[SloBound], threshold: float
) -> None:
    wanted, per_scenario = criteria(slos, threshold), len(LADDER)
    assert would_stop(levels[:1], wanted, STEPS[1:]) is None
    assert would_stop(levels[:1], replace(wanted, weights={"chat": 1.0}), STEPS[1:per_scenario]) is None
    assert would_stop(levels[: per_scenario + 1], wanted, STEPS[per_scenario + 1 :]) is None


@given(wild(), st.lists(st.sampled_from(FLOORS), unique_by=id))
def test_floors_alone_end_nothing(levels: list[Level], floors: list[SloBound]) -> None:
    assert ended(levels, criteria(floors)) is None


@given(wild(), st.lists(st.sampled_from(FLOORS), unique_by=id), thresholds)
def test_floors_are_never_why_a_ladder_counts_as_broken(
    levels: list[Level], floors: list[SloBound], threshold: float
) -> None:
    found = ended(levels, criteria(floors, threshold))
    assert found is None or found[1].ladder == "StoppedHopeless"


@given(wild(), promises, thresholds, st.floats(1, 10))
def test_who_asks_for_more_gives_up_no_later(
    levels: list[Level], slos: list[SloBound], threshold: float, factor: float
) -> None:
    modest, demanding = ended(levels, criteria(slos, threshold)), ended(levels, criteria(slos, threshold * factor))
    if modest is not None:
        assert demanding is not None
        assert demanding[0] <= modest[0]


@given(wild(), promises, thresholds, st.floats(0, 0.5), st.floats(0, 0.5))
def test_who_allows_more_for_chance_gives_up_no_earlier(
    levels: list[Level], slos: list[SloBound], threshold: float, a: float, b: float
) -> None:
    wary, bold = (ended(levels, criteria(slos, threshold, margin)) for margin in (max(a, b), min(a, b)))
    if wary is not None:
        assert bold is not None
        assert bold[0] <= wary[0]


@given(wild(), promises)
def test_without_something_to_reach_nothing_is_hopeless(levels: list[Level], slos: list[SloBound]) -> None:
    found = ended(levels, criteria(slos))
    assert found is None or found[1].ladder == "StoppedSLO"


@given(engines(), st.integers(2, len(LADDER) - 1), st.sampled_from((1.0, 1.02)), st.sampled_from(("TTFT", "TPOT")))
def test_chance_ends_no_ladder_whose_promise_could_still_be_kept(
    engine: MeasuredEngine, number: int, factor: float, metric: str
) -> None:
    """The promise is one that a level keeps, perhaps only just: that level is measured."""
    first = len(LADDER)
    true = figure(engine.true[number], metric, None, 1)
    assert true is not None
    wanted = replace(criteria([SloBound(metric=metric, max=true * factor)]), weights={"chat": 1.0})
    assert not any(would_stop(engine.measured[:count], wanted, STEPS[count:first]) for count in range(1, number + 1))


@given(engines(), st.floats(0.9, 1.0))
def test_chance_ends_no_ladder_that_is_truly_good_enough(engine: MeasuredEngine, share: float) -> None:
    """The threshold, too, was measured: as the value that it is, or as less."""
    value = score(engine.true, goal(), 1).value
    assert value is not None
    assert ended(engine.measured, criteria((), value * share * (1 + CHANCE))) is None


@given(engines(), st.floats(0.05, 1.0), st.integers(2, len(STEPS)))
def test_what_a_ladder_could_have_become_is_no_less_than_what_it_becomes(
    engine: MeasuredEngine, limit: float, count: int
) -> None:
    wanted = replace(goal(), slos=[make_slo("TTFT", max=f"{limit:.6f}s")])
    whole = score(engine.true, wanted, 1).value
    bound = of_goal(engine.true[:count], wanted, 1)
    if whole is not None and bound is not None:
        assert bound >= whole * (1 - 1e-9)


def goal() -> Goal:
    return Goal([make_scenario(name) for name in NAMES], LADDER, [make_objective()])
