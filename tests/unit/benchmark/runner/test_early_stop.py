from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.api.experiment import Distribution, Level
from autotuner.benchmark.contract.spec import RequiredThroughput, SloBound
from autotuner.benchmark.runner.early_stop import LadderStep, StopCriteria, ladder_top, lost_ceiling, would_stop
from autotuner.scoring import Goal, score
from autotuner.scoring.share_interval import attainment
from tests.unit.builders import make_level, make_objective, make_scenario, make_slo

CEILING = SloBound(metric="TTFT", max=0.5)
FLOOR = SloBound(metric="OutputThroughput", min=500)
LADDER = (1, 8, 32, 128)


def level(concurrency: int = 8, ttft: float = 0.1, scenario: str = "chat", errors: int = 0) -> Level:
    flat = Distribution(mean=ttft, p50=ttft, p90=ttft, p95=ttft, p99=ttft)
    return Level(
        scenario=scenario,
        concurrency=concurrency,
        requests=100,
        errors=errors,
        duration_seconds=10,
        output_tokens_per_second=100,
        total_tokens_per_second=200,
        requests_per_second=5,
        ttft_seconds=flat,
        e2e_latency_seconds=flat,
        output_tokens_mean=20,
    )


@pytest.mark.parametrize(
    ("slo", "broken"),
    [
        (SloBound(metric="TTFT", max=0.5), True),
        (SloBound(metric="TTFT", statistic="Mean", max=0.9), False),
        (SloBound(metric="E2ELatency", statistic="P50", max=0.7), True),
        (SloBound(metric="TPOT", max=0.001), False),
        (SloBound(metric="ErrorRate", max=0.01), True),
        (SloBound(metric="ErrorRate", max=0.1), False),
        (SloBound(metric="OutputThroughput", min=1e6), False),
    ],
)
def test_only_ceilings_that_were_measured_break(slo: SloBound, broken: bool) -> None:
    assert (lost_ceiling(level(ttft=0.8, errors=5), StopCriteria(LADDER, {}, [slo])) is not None) is broken


@pytest.mark.parametrize(("share", "requests", "ends"), [(0.92, 100, False), (0.92, 1000, True), (0.96, 1000, False)])
def test_a_floor_of_attainment_ends_a_ladder_unless_by_chance(share: float, requests: int, ends: bool) -> None:
    found = level().model_copy(update={"attainment": attainment(share, requests)})
    why = lost_ceiling(found, StopCriteria(LADDER, {}, [SloBound(metric="Attainment", min=0.95)]))
    assert why == ("Attainment 92.0% is below 95.0% (chat at concurrency 8)" if ends else None)


@pytest.mark.parametrize(
    ("slo", "value", "ends"),
    [
        (SloBound(metric="TTFT", max=0.5), 0.52, False),
        (SloBound(metric="TTFT", max=0.5), 0.56, True),
        (SloBound(metric="TPOT", max=0.5), 0.6, False),
        (SloBound(metric="TPOT", max=0.5), 0.62, True),
        (SloBound(metric="TPOT", statistic="P95", max=0.5), 0.6, False),
        (SloBound(metric="TPOT", statistic="Mean", max=0.5), 0.6, True),
    ],
    ids=["chance", "beyond chance", "may fall again", "cannot fall so far", "another tail", "means hardly fall"],
)
def test_a_ceiling_broken_by_less_than_chance_and_calm_may_mend_ends_nothing(
    slo: SloBound, value: float, ends: bool
) -> None:
    flat = Distribution(mean=value, p50=value, p90=value, p95=value, p99=value)
    measured = level().model_copy(update={"ttft_seconds": flat, "tpot_seconds": flat})
    assert (lost_ceiling(measured, StopCriteria(LADDER, {}, [slo], noise_margin=0.1)) is not None) is ends


@pytest.mark.parametrize(
    ("levels", "top"),
    [
        ([level(1, 0.1), level(8, 0.2)], None),
        ([level(1, 0.9)], None),
        ([level(1, 0.9), level(8, 0.2)], None),
        ([level(1, 0.9), level(8, 0.9)], 8),
        ([level(1, 0.1), level(8, 0.2), level(32, 0.9)], 32),
        ([level(1, 0.1), level(8, 0.9), level(1, 0.1, "long"), level(8, 0.1, "long")], 8),
        ([level(1), level(32, 0.9), level(1, 0.1, "long"), level(8, 0.9, "long")], 8),
    ],
    ids=["all kept", "first alone", "cold start", "second too", "third", "binds other scenarios", "lowest counts"],
)
def test_where_the_ladder_ends(levels: list[Level], top: int | None) -> None:
    found = ladder_top(levels, StopCriteria(LADDER, {}, [CEILING]))
    assert (found[0] if found else None) == top


def test_the_reason_names_figure_limit_and_level() -> None:
    found = ladder_top([level(1), level(8, 0.9)], StopCriteria(LADDER, {}, [CEILING]))
    assert found is not None
    assert found[1] == "TTFT P99 900ms is above 500ms (chat at concurrency 8)"


def stopped(
    levels: Sequence[Level],
    remaining: Sequence[LadderStep],
    *slos: SloBound,
    threshold: float | None = None,
    scenarios: Sequence[str] = ("chat",),
) -> str | None:
    required = RequiredThroughput(metric="OutputThroughput", threshold=threshold) if threshold else None
    criteria = StopCriteria(LADDER, dict.fromkeys(scenarios, 1.0), slos, required, noise_margin=0.1)
    found = would_stop(levels, criteria, remaining)
    return found.ladder if found else None


def fast(*speeds: float, scenario: str = "chat", ttft: float = 0.1) -> list[Level]:
    return [make_level(at, throughput=y, scenario=scenario, ttft=ttft) for at, y in zip(LADDER, speeds, strict=False)]


def left(*concurrencies: int, scenario: str = "chat") -> list[LadderStep]:
    return [(scenario, at) for at in concurrencies]


class TestHopeless:
    def test_when_even_proportional_growth_falls_short(self) -> None:
        assert stopped(fast(10, 50), left(32, 128), threshold=1000) == "StoppedHopeless"

    def test_not_while_proportional_growth_would_do(self) -> None:
        assert stopped(fast(10, 50), left(32, 128), threshold=800) is None

    def test_not_within_the_noise(self) -> None:
        assert stopped(fast(10, 50), left(32, 128), threshold=880) is None
        assert stopped(fast(10, 50), left(32, 128), threshold=890) == "StoppedHopeless"

    def test_never_by_the_first_level_alone(self) -> None:
        assert stopped(fast(1), left(8, 32, 128), threshold=1e9) is None

    def test_never_without_something_to_reach(self) -> None:
        assert stopped(fast(1, 1), left(32, 128)) is None

    def test_a_level_that_was_good_enough_keeps_it_going(self) -> None:
        assert stopped(fast(10, 990, 200), left(128), threshold=1000) is None

    def test_unless_a_promise_is_broken_there(self) -> None:
        levels = [*fast(10), make_level(8, throughput=990, ttft=0.9), make_level(32, throughput=200)]
        assert stopped(levels, left(128), SloBound(metric="TTFT", statistic="P50", max=0.3), threshold=1000) is not None

    def test_levels_above_a_broken_ceiling_are_not_counted_on(self) -> None:
        levels = [*fast(10, 300), make_level(32, throughput=600, ttft=0.9)]
        doc = left(1, 8, 32, 128, scenario="doc")
        both = ("chat", "doc")
        assert stopped(levels, doc, threshold=1000, scenarios=both) is None
        assert stopped(levels, doc, CEILING, threshold=1000, scenarios=both) == "StoppedHopeless"
        assert stopped(levels, doc, CEILING, threshold=650, scenarios=both) is None

    def test_a_broken_floor_ends_nothing_by_itself(self) -> None:
        assert stopped(fast(10, 50), left(32, 128), FLOOR) is None

    def test_a_level_below_a_floor_does_not_count(self) -> None:
        assert stopped(fast(10, 460, 100), left(128), FLOOR, threshold=500) == "StoppedHopeless"

    def test_a_scenario_of_which_nothing_is_known_may_be_as_fast_as_it_likes(self) -> None:
        # Half of the time goes to chat: at most 2 x 600 tokens/s.
        levels = fast(10, 100, 300, 600)
        doc = left(1, 8, 32, 128, scenario="doc")
        assert stopped(levels, doc, threshold=1300, scenarios=("chat", "doc")) is None
        assert stopped(levels, doc, threshold=1400, scenarios=("chat", "doc")) == "StoppedHopeless"

    def test_the_second_scenario_is_judged_from_its_second_level(self) -> None:
        levels = fast(10, 100, 300, 600)
        slow = fast(1, 2, scenario="doc")
        rest = left(32, 128, scenario="doc")
        assert (
            stopped([*levels, slow[0]], left(8, 32, 128, scenario="doc"), threshold=500, scenarios=("chat", "doc"))
            is None
        )
        assert stopped([*levels, *slow], rest, threshold=500, scenarios=("chat", "doc")) == "StoppedHopeless"

    def test_nothing_left_is_no_early_end(self) -> None:
        assert stopped(fast(1, 1, 1, 1), [], threshold=1000) is None

    def test_the_reason_says_what_was_wanted_and_what_was_possible(self) -> None:
        required = RequiredThroughput(metric="OutputThroughput", threshold=1000)
        found = would_stop(
            fast(10, 50), StopCriteria(LADDER, {"chat": 1.0}, required_throughput=required), left(32, 128)
        )
        assert found is not None
        assert found.why == (
            "OutputThroughput would not reach 1000 tok/s less 6% any more, but 800 tok/s at most,"
            " even in proportion to the load"
        )


class TestBroken:
    def test_ends_the_ladder_when_all_that_is_left_lies_above(self) -> None:
        levels = [make_level(1), make_level(8, ttft=0.9)]
        assert stopped(levels, left(32, 128), CEILING) == "StoppedSLO"

    def test_but_other_scenarios_are_measured_up_to_there(self) -> None:
        levels = [make_level(1), make_level(8, ttft=0.9)]
        steps = [*left(32, 128), *left(1, 8, 32, scenario="doc")]
        assert stopped(levels, steps, CEILING, scenarios=("chat", "doc")) is None


@given(
    st.lists(st.tuples(st.floats(0.3, 1.0), st.floats(0.1, 0.9)), min_size=4, max_size=4),
    st.floats(1, 4000),
    st.floats(0.2, 1.0),
)
def test_a_ladder_is_never_stopped_that_would_have_been_good_enough(
    growth: list[tuple[float, float]], threshold: float, limit: float
) -> None:
    """Whatever the throughputs, as long as they grow at most in proportion, and latencies do not fall."""
    levels: list[Level] = []
    speed, latency, users = 20.0, 0.05, 1
    for at, (share, slower) in zip(LADDER, growth, strict=True):
        speed *= max(1.0, share * at / users)
        latency, users = latency + slower * 0.3, at
        levels.append(make_level(at, throughput=speed, ttft=latency))
    goal = Goal([make_scenario()], LADDER, [make_objective()], [make_slo(max=f"{limit:.6f}s")])
    best = score(levels, goal, 1).value or 0.0
    for count in range(1, 4):
        ended = stopped(
            levels[:count], left(*LADDER[count:]), SloBound(metric="TTFT", max=round(limit, 6)), threshold=threshold
        )
        if ended == "StoppedHopeless":
            assert best < threshold
        if ended == "StoppedSLO":
            assert best == (score(levels[:count], goal, 1).value or 0.0)
