"""What requests that failed are worth: nothing, and beyond every percentile."""

from __future__ import annotations

import math

import pytest

from autotuner.api.experiment import Distribution, Level
from autotuner.api.goals import Slo
from autotuner.scoring import Goal, score, slos
from autotuner.scoring.figures import failed_beyond
from tests.unit.builders import make_level, make_objective, make_scenario, make_slo, make_soft_slo


def lossy(concurrency: int, *, requests: int, errors: int, p99: float | None = None) -> Level:
    """A level of which so many requests failed."""
    level = make_level(concurrency, throughput=100.0 * concurrency, requests=requests, errors=errors)
    return level.model_copy(update={"ttft_seconds": Distribution(mean=0.1, p50=0.1, p90=0.1, p95=0.1, p99=p99)})


def goal(*given: Slo, metric: str = "OutputThroughput", ladder: tuple[int, ...] = (8, 32)) -> Goal:
    objective = make_objective(metric)  # type: ignore[arg-type]
    return Goal([make_scenario()], ladder, [objective], slos.counted(given))


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ((), [slos.FEW_ERRORS]),
        ((make_slo("TTFT"),), [make_slo("TTFT"), slos.FEW_ERRORS]),
        ((make_slo("ErrorRate", max="5%"),), [make_slo("ErrorRate", max="5%")]),
        ((make_soft_slo("ErrorRate", max="5%"),), [make_soft_slo("ErrorRate", max="5%")]),
    ],
)
def test_few_errors_are_promised_unless_the_user_says_how_many(given: tuple[Slo, ...], want: list[Slo]) -> None:
    assert list(slos.counted(given)) == want


@pytest.mark.parametrize(
    ("errors", "given", "value"),
    [
        (1, (), 3200),
        (2, (), 800),
        (4, (make_slo("ErrorRate", max="5%"),), 3200),
        (9, (make_slo("ErrorRate", max="5%"),), 800),
    ],
)
def test_a_level_that_loses_more_does_not_count(errors: int, given: tuple[Slo, ...], value: float) -> None:
    levels = [make_level(8, throughput=800), lossy(32, requests=100, errors=errors)]
    assert score(levels, goal(*given), 1).value == value


def test_nothing_left_says_how_many_failed() -> None:
    found = score([lossy(8, requests=146, errors=7)], goal(ladder=(8,)), 1)
    assert found.outcome == "infeasible"
    assert found.explanation == "ErrorRate 4.58% at chat x 8, above 1% by 358%"
    (rung,) = found.rungs
    assert rung.distances == (pytest.approx(math.log(4.575), abs=0.001),)


def test_a_promise_that_nearly_all_keep_is_not_told_to_the_search() -> None:
    found = score([make_level(8), lossy(32, requests=100, errors=9)], goal(make_slo("TTFT")), 1)
    assert [len(rung.distances) for rung in found.rungs] == [1, 2]


@pytest.mark.parametrize(
    ("statistic", "requests", "errors", "p99", "times"),
    [
        ("P99", 146, 7, None, 4.575),
        (None, 146, 7, None, 4.575),
        ("P99", 146, 7, 0.2, None),
        ("P99", 999, 1, None, 1.01),  # the errors were in the ramp
        ("P95", 146, 7, None, None),
        ("Mean", 146, 7, None, None),
        ("P99", 100, 0, None, None),
    ],
)
def test_how_many_times_too_many_failed(
    statistic: str | None, requests: int, errors: int, p99: float | None, times: float | None
) -> None:
    found = failed_beyond(lossy(8, requests=requests, errors=errors, p99=p99), "TTFT", statistic)  # type: ignore[arg-type]
    assert found == (None if times is None else pytest.approx(times, rel=0.001))


def test_a_level_without_answers_is_beyond_every_limit() -> None:
    silent = make_level(8, throughput=0, requests=0, errors=20).model_copy(update={"ttft_seconds": None})
    assert failed_beyond(silent, "TTFT", "P99") == pytest.approx(100)
    assert failed_beyond(silent, "TTFT", "Mean") == pytest.approx(2)


def test_a_percentile_among_failed_requests_breaks_every_limit() -> None:
    level = lossy(8, requests=146, errors=7)
    (broken,) = slos.violations(level, [make_slo("TTFT", max="500ms")], 1)
    assert broken.text == "TTFT P99 at chat x 8 is beyond 500ms: 7 of 153 requests failed"
    assert (broken.relative, broken.actual) == (pytest.approx(3.575, rel=0.001), pytest.approx(2.2876, rel=0.001))
    allowed = goal(make_slo("TTFT", max="500ms"), make_slo("ErrorRate", max="5%"), ladder=(8,))
    found = score([level], allowed, 1)
    assert (found.outcome, found.explanation) == ("infeasible", broken.text)
    assert found.rungs[0].distances[0] == pytest.approx(math.log(4.575), abs=0.001)


def test_who_refuses_the_longest_requests_does_not_lead_on_latency() -> None:
    refusing = lossy(32, requests=140, errors=7)
    wanted = goal(make_slo("ErrorRate", max="10%"), metric="TTFT", ladder=(32,))
    assert score([refusing], wanted, 1).value is None
