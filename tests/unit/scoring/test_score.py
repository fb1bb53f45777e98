from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from autotuner import scoring
from autotuner.api.experiment import Level
from autotuner.api.goals import Slo
from autotuner.api.traffic_scenarios import Scenario
from autotuner.scoring import Goal, Score, score
from autotuner.scoring.slos import violations
from tests.unit.builders import make_level, make_objective, make_scenario, make_slo

CHAT = [make_scenario("chat")]
MIX = [make_scenario("chat", weight=3), make_scenario("doc", weight=1)]


def near(value: float) -> Any:
    """Typed loosely: mypy holds tuples with and without it for incomparable."""
    return pytest.approx(value)


def scored(
    levels: Sequence[Level],
    *,
    metric: str = "OutputThroughput",
    concurrency: int | None = None,
    scenarios: Sequence[Scenario] = CHAT,
    ladder: Sequence[int] = (8, 32, 64),
    slos: Sequence[Slo] = (),
    gpus: int = 1,
) -> Score:
    objective = make_objective(metric, concurrency=concurrency)  # type: ignore[arg-type]
    return score(levels, Goal(scenarios, ladder, [objective], slos), gpus)


class TestThroughput:
    def test_is_that_of_the_best_level(self) -> None:
        result = scored([make_level(8, throughput=500), make_level(32, throughput=900), make_level(64, throughput=800)])
        assert (result.value, result.feasible, result.level, result.shortfall) == (900, True, ("chat", 32), 0.0)
        assert result.metrics is not None
        assert result.metrics.concurrency == 32
        assert result.explanation == ""

    def test_of_equal_levels_the_lowest_concurrency_wins(self) -> None:
        assert scored([make_level(32), make_level(8), make_level(64)]).level == ("chat", 8)

    @pytest.mark.parametrize(
        ("metric", "want"),
        [
            ("OutputThroughput", 1000.0),
            ("OutputThroughputPerGPU", 250.0),
            ("TotalThroughput", 5000.0),
            ("RequestThroughput", 4.0),
        ],
    )
    def test_metrics(self, metric: str, want: float) -> None:
        assert scored([make_level(8)], metric=metric, ladder=[8], gpus=4).value == near(want)

    def test_levels_that_break_an_slo_do_not_count(self) -> None:
        levels = [make_level(8, throughput=500, ttft=0.2), make_level(32, throughput=900, ttft=0.6)]
        assert scored(levels, slos=[make_slo("TTFT", max="500ms")]).value == 500

    def test_a_limit_that_is_just_reached_is_kept(self) -> None:
        assert scored([make_level(8, ttft=0.5)], slos=[make_slo("TTFT", max="500ms")]).feasible

    def test_levels_off_the_ladder_do_not_count(self) -> None:
        assert scored([make_level(8, throughput=1), make_level(128, throughput=999)]).value == 1

    def test_of_zero_is_zero_and_not_an_error(self) -> None:
        levels = [make_level(8, throughput=0), make_level(8, scenario="doc")]
        assert scored(levels, scenarios=MIX).value == 0.0


class TestSeveralScenarios:
    def test_throughputs_are_averaged_harmonically_by_weight(self) -> None:
        levels = [make_level(8, throughput=300), make_level(8, scenario="doc", throughput=100)]
        assert scored(levels, scenarios=MIX).value == near(4 / (3 / 300 + 1 / 100))

    def test_latencies_are_averaged_arithmetically_by_weight(self) -> None:
        levels = [make_level(8, ttft=0.1), make_level(8, scenario="doc", ttft=0.5)]
        assert scored(levels, metric="TTFT", scenarios=MIX, ladder=[8]).value == near(0.2)

    def test_share_one_concurrency(self) -> None:
        levels = [
            make_level(8, throughput=100),
            make_level(8, scenario="doc", throughput=100),
            make_level(32, throughput=900),
            make_level(32, scenario="doc", throughput=50, ttft=2.0),
        ]
        result = scored(levels, scenarios=MIX, slos=[make_slo("TTFT", max="1s")])
        assert (result.value, result.level) == (near(100), ("chat", 8))

    def test_a_level_that_one_of_them_lacks_does_not_count(self) -> None:
        levels = [make_level(8), make_level(8, scenario="doc"), make_level(32, throughput=9000)]
        assert scored(levels, scenarios=MIX).value == near(1000)

    def test_without_a_complete_level_there_is_no_value_but_a_reason(self) -> None:
        result = scored([make_level(8)], scenarios=MIX, ladder=[8])
        assert (result.value, result.feasible, result.level, result.shortfall) == (None, False, None, 0.0)
        assert result.explanation == "doc x 8 was not measured"

    def test_a_broken_slo_says_infeasible_even_if_the_other_was_not_measured(self) -> None:
        result = scored([make_level(8, ttft=1.0)], scenarios=MIX, ladder=[8], slos=[make_slo("TTFT", max="500ms")])
        assert (result.level, result.shortfall) == (("chat", 8), near(1.0))


class TestLatency:
    def test_is_judged_at_the_highest_concurrency(self) -> None:
        result = scored([make_level(8, ttft=0.1), make_level(64, ttft=0.4)], metric="TTFT", ladder=[64, 8])
        assert (result.value, result.level) == (near(0.4), ("chat", 64))

    def test_or_at_the_one_asked_for(self) -> None:
        result = scored([make_level(8, ttft=0.1), make_level(64, ttft=0.4)], metric="TTFT", concurrency=8)
        assert (result.value, result.level) == (near(0.1), ("chat", 8))

    def test_statistic_defaults_to_p99(self) -> None:
        level = make_level(8, e2e=2.0)
        mean = score([level], Goal(CHAT, [8], [make_objective("E2ELatency", "Mean")]), 1)
        default = score([level], Goal(CHAT, [8], [make_objective("E2ELatency")]), 1)
        assert (mean.value, default.value) == (near(1.0), near(2.0))

    def test_its_level_must_keep_the_slos_whatever_lower_levels_do(self) -> None:
        levels = [make_level(8, tpot=0.01), make_level(64, tpot=0.03)]
        result = scored(levels, metric="TTFT", ladder=[8, 64], slos=[make_slo("TPOT", max="20ms")])
        assert (result.value, result.feasible, result.shortfall) == (None, False, near(0.5))

    def test_broken_slos_of_lower_levels_do_not_matter_when_its_own_level_keeps_them(self) -> None:
        levels = [make_level(8, tpot=0.03), make_level(64, tpot=0.01)]
        assert scored(levels, metric="TTFT", ladder=[8, 64], slos=[make_slo("TPOT", max="20ms")]).feasible

    def test_a_ladder_that_an_slo_ended_below_its_level_is_infeasible(self) -> None:
        levels = [make_level(8, ttft=0.2), make_level(32, ttft=0.75)]
        result = scored(levels, metric="TTFT", slos=[make_slo("TTFT", max="500ms")])
        assert (result.value, result.level, result.shortfall) == (None, ("chat", 32), near(0.5))

    def test_a_missing_level_is_no_value(self) -> None:
        result = scored([make_level(8)], metric="TTFT")
        assert (result.value, result.explanation) == (None, "chat x 64 was not measured")

    def test_a_missing_figure_is_no_value(self) -> None:
        result = scored([make_level(8, tpot=None)], metric="TPOT", ladder=[8])
        assert (result.value, result.explanation) == (None, "TPOT P99 was not measured at chat x 8")

    @pytest.mark.parametrize("figure", [math.nan, math.inf, -math.inf])
    def test_a_figure_that_is_no_number_is_missing(self, figure: float) -> None:
        level = make_level(8).model_copy(update={"output_tokens_per_second": figure})
        result = scored([level, make_level(32, throughput=900)])
        assert (result.value, result.level) == (900, ("chat", 32))

        result = scored([level], slos=[make_slo("OutputThroughput", min="1tok/s")], ladder=[8])
        assert (result.outcome, result.explanation) == ("unknown", "OutputThroughput was not measured at chat x 8")

    @pytest.mark.parametrize("figure", [math.nan, math.inf, -math.inf])
    def test_a_figure_that_is_no_number_bounds_nothing(self, figure: float) -> None:
        level = make_level(8).model_copy(update={"output_tokens_per_second": figure})
        goal = Goal(CHAT, [8, 32], [make_objective("OutputThroughput")], [])
        assert score([level], goal, 1, "StoppedHopeless").outcome == "unknown"

    def test_a_concurrency_off_the_ladder_says_so(self) -> None:
        assert (
            scored([make_level(8)], metric="TTFT", concurrency=48).explanation == "concurrency 48 is not on the ladder"
        )


class TestInfeasible:
    def test_the_nearest_level_and_its_worst_violation_are_told(self) -> None:
        levels = [make_level(8, ttft=0.9), make_level(32, ttft=0.612, tpot=0.021), make_level(64, ttft=2.0)]
        result = scored(levels, slos=[make_slo("TTFT", max="500ms"), make_slo("TPOT", max="20ms")])
        assert result.explanation == (
            "TTFT P99 612ms at chat x 32, above 500ms by 22% (also: TPOT P99 21.0ms at chat x 32, above 20ms by 5%)"
        )
        assert (result.value, result.level, result.shortfall) == (None, ("chat", 32), near(0.224))
        assert result.metrics == levels[1]

    @pytest.mark.parametrize("metric", ["OutputThroughput", "MaxConcurrency"])
    def test_a_level_that_only_lacks_a_figure_may_keep_what_those_above_break(self, metric: str) -> None:
        levels = [make_level(8, tpot=None), make_level(32, ttft=1.0), make_level(64, ttft=2.0)]
        slos = [make_slo("TTFT", max="500ms"), make_slo("TPOT", max="20ms")]
        result = scored(levels, metric=metric, slos=slos)
        assert (result.outcome, result.shortfall, result.level) == ("unknown", 0.0, None)
        assert result.explanation == "TPOT P99 was not measured at chat x 8"

    def test_a_level_that_breaks_an_slo_and_lacks_a_figure_is_broken(self) -> None:
        slos = [make_slo("TTFT", max="500ms"), make_slo("TPOT", max="20ms")]
        result = scored([make_level(8, ttft=0.6, tpot=None), make_level(32, ttft=1.0)], slos=slos)
        assert (result.outcome, result.shortfall, result.level) == ("infeasible", near(0.2), ("chat", 8))

    def test_a_lower_level_that_lacks_a_figure_does_not_save_the_one_that_counts(self) -> None:
        levels = [make_level(8, tpot=None), make_level(32, ttft=1.0)]
        slos = [make_slo("TTFT", max="500ms"), make_slo("TPOT", max="20ms")]
        assert scored(levels, metric="TTFT", slos=slos).outcome == "infeasible"

    def test_an_slo_that_cannot_be_judged_is_not_kept(self) -> None:
        result = scored([make_level(8, tpot=None)], ladder=[8], slos=[make_slo("TPOT", max="20ms")])
        assert (result.value, result.feasible, result.level) == (None, False, None)
        assert result.explanation == "TPOT P99 was not measured at chat x 8"

    def test_nothing_measured(self) -> None:
        assert scored([], ladder=[8, 32]).explanation == "chat x 8 was not measured; chat x 32 was not measured"


def test_all_broken_slos_of_the_nearest_level_are_told() -> None:
    levels = [make_level(8, throughput=824, ttft=0.084), make_level(8, throughput=900, ttft=0.08, scenario="doc")]
    promises = [
        make_slo("OutputThroughput", min="1000tok/s"),
        make_slo("OutputThroughput", max="800tok/s"),
        make_slo("TTFT", max="55ms"),
    ]
    assert scored(levels, scenarios=MIX, ladder=[8], slos=promises).explanation == (
        "TTFT P99 84.0ms at chat x 8, above 55ms by 53% (also: OutputThroughput 824tok/s at chat x 8, below 1000tok/s"
        " by 18%; OutputThroughput 900tok/s at doc x 8, above 800tok/s by 12%)"
    )


@pytest.mark.parametrize(
    ("slo", "level", "gpus", "want"),
    [
        (make_slo("TTFT", max="500ms"), make_level(ttft=0.5), 1, None),
        (make_slo("TTFT", max="500ms"), make_level(ttft=1.0), 1, "TTFT P99 1.00s at chat x 8, above 500ms by 100%"),
        (make_slo("TTFT", "Mean", max="0.5s"), make_level(ttft=0.9), 1, None),
        (make_slo("TPOT", max="20ms"), make_level(tpot=0.025), 1, "TPOT P99 25.0ms at chat x 8, above 20ms by 25%"),
        (
            make_slo("TTFT", max="1ms"),
            make_level(ttft=0.0423),
            1,
            "TTFT P99 42.3ms at chat x 8, above 1ms 42 times over",
        ),
        (make_slo("ErrorRate", max="1%"), make_level(requests=99, errors=1), 1, None),
        (
            make_slo("ErrorRate", max="1%"),
            make_level(requests=98, errors=2),
            1,
            "ErrorRate 2.00% at chat x 8, above 1% by 100%",
        ),
        (
            make_slo("ErrorRate", max="0%"),
            make_level(requests=98, errors=2),
            1,
            "ErrorRate 2.00% at chat x 8, above 0%",
        ),
        (make_slo("ErrorRate", max="1%"), make_level(requests=0, errors=0), 1, None),
        (
            make_slo("OutputThroughputPerGPU", min="900tok/s"),
            make_level(throughput=1000),
            2,
            "OutputThroughputPerGPU 500tok/s at chat x 8, below 900tok/s by 44%",
        ),
        (make_slo("OutputThroughputPerGPU", min="500tok/s"), make_level(throughput=1000), 2, None),
        (
            make_slo("RequestThroughput", min="8req/s"),
            make_level(throughput=1000),
            1,
            "RequestThroughput 4.00req/s at chat x 8, below 8req/s by 50%",
        ),
        (make_slo("TotalThroughput", min="5000tok/s"), make_level(throughput=1000), 1, None),
    ],
)
def test_violations(slo: Slo, level: Level, gpus: int, want: str | None) -> None:
    assert [violation.text for violation in violations(level, [slo], gpus)] == ([want] if want else [])


def test_a_limit_of_zero_is_missed_by_a_finite_amount() -> None:
    [violation] = violations(make_level(errors=3), [make_slo("ErrorRate", max="0%")], 1)
    assert (violation.relative, violation.limit, violation.statistic) == (1.0, 0.0, None)


@pytest.mark.parametrize(
    ("value", "baseline", "metric", "want"),
    [
        (131.0, 100.0, "OutputThroughput", 31.0),
        (80.0, 100.0, "TotalThroughput", -20.0),
        (0.1, 0.2, "TTFT", 50.0),
        (0.3, 0.2, "E2ELatency", -50.0),
        (None, 100.0, "OutputThroughput", None),
        (100.0, None, "OutputThroughput", None),
        (100.0, 0.0, "OutputThroughput", None),
    ],
)
def test_gain(value: float | None, baseline: float | None, metric: str, want: float | None) -> None:
    got = scoring.gain_percent(value, baseline, metric)
    assert got == (None if want is None else near(want))


@pytest.mark.parametrize(
    ("percent", "want"),
    [
        (31.0, "+31.0%"),
        (-4.26, "-4.3%"),
        (0.0, "+0.0%"),
        (-0.04, "+0.0%"),
        (130.55, "+130.6%"),
        (999.94, "+999.9%"),
        (7705.9, "x78"),
        (1e12, "over x1000000"),
        (-999.94, "-999.9%"),
        (-1e12, "below -1000%"),
    ],
)
def test_format_gain(percent: float, want: str) -> None:
    assert scoring.format_gain(percent) == want


@pytest.mark.parametrize(
    ("percent", "want"),
    [
        (31.0, "+31.0% over the baseline"),
        (7705.9, "78 times the baseline"),
        (1e12, "over 1000000 times the baseline"),
        (-1e12, "below -1000% over the baseline"),
    ],
)
def test_gain_in_words(percent: float, want: str) -> None:
    assert scoring.over(percent, "the baseline") == want


@pytest.mark.parametrize(
    ("value", "metric", "want"),
    [
        (1893.2, "OutputThroughputPerGPU", "1893 tok/s/GPU"),
        (87.65, "OutputThroughput", "87.7 tok/s"),
        (7.4, "RequestThroughput", "7.40 req/s"),
        (0.21, "TTFT", "210 ms"),
        (0.0123, "TPOT", "12.3 ms"),
        (1.25, "E2ELatency", "1.25 s"),
        (0.005, "ErrorRate", "0.50%"),
    ],
)
def test_format_value(value: float, metric: str, want: str) -> None:
    assert scoring.format_value(value, metric) == want


@pytest.mark.parametrize(
    ("value", "metric", "ladder", "want"),
    [
        (32.0, "MaxConcurrency", (8, 32), "32 users or more"),
        (31.4, "MaxConcurrency", (8, 32), "31.4 users"),
        (32.0, "OutputThroughput", (8, 32), "32.0 tok/s"),
        (32.0, "MaxConcurrency", (), "32.0 users"),
    ],
)
def test_users_at_the_end_of_the_ladder_are_a_lower_bound(
    value: float, metric: str, ladder: Sequence[int], want: str
) -> None:
    assert scoring.format_value(value, metric, ladder) == want


def test_better_is_lower_for_latencies_and_higher_for_throughputs() -> None:
    assert scoring.better(2, 1, "OutputThroughput")
    assert scoring.better(1, 2, "TPOT")
    assert not scoring.better(1, 1, "TPOT")
    assert not scoring.better(1, 1, "RequestThroughput")


@pytest.mark.parametrize(
    ("baseline", "want"),
    [
        (None, "BaselineFailed"),
        (scored([]), "BaselineFailed"),
        (scored([make_level(8, ttft=9.0)], slos=[make_slo("TTFT", max="500ms")]), "BaselineInfeasible"),
        (scored([make_level(8)]), "Unconfirmed"),
    ],
)
def test_verdict(baseline: Score | None, want: str) -> None:
    assert scoring.verdict(baseline) == want
