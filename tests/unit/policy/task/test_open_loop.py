"""A whole task over a ladder of rates: what it measures, repeats and tells."""

from __future__ import annotations

import csv
import io

from autotuner.kubernetes_object import Object
from autotuner.scoring.share_interval import attainment
from tests.unit.builders import make_level
from tests.unit.task_builders import Ending, Story, ending, started

SPEC: Object = {
    "baseline": {"args": ["--mem-fraction-static=0.85"]},
    "benchmark": {"concurrency": None, "rates": [1, 2.5]},
    "objectives": [{"metric": "Goodput"}],
    "slos": [
        {"metric": "TTFT", "max": "500ms", "perRequest": True},
        {"metric": "TTFT", "max": "400ms", "perRequest": True},
        {"metric": "Attainment", "min": "80%"},
    ],
    "search": {"maxExperiments": 1, "confirm": {"top": 1, "maxRepeats": 2}},
}


def attaining(*shares: float) -> Ending:
    """Its levels at the two rates, with these shares of requests that keep their limits."""
    return ending("Completed", *(rung(rate, share) for rate, share in zip((1.0, 2.5), shares, strict=False)))


def rung(rate: float, share: float) -> object:
    level = make_level(1, throughput=250 * rate, requests=400)
    return level.model_copy(
        update={
            "concurrency": None,
            "rate": rate,
            "sent_per_second": rate,
            "lateness_p99_seconds": 0.001,
            "attainment": attainment(share, 400),
            "good_requests_per_second": share * rate,
        }
    )


def finished_story() -> Story:
    story = Story(started(**SPEC))
    story.run_experiments(attaining(1.0, 0.82), attaining(1.0, 0.98))
    while not story.over:
        repeat = story.experiments[-1]["spec"]
        share = 0.82 if "parameters" not in repeat else 0.98
        story.end(ending("Completed", rung(2.5, share)))
        story.step()
    return story


def test_every_experiment_is_told_rates_and_what_a_request_must_keep() -> None:
    benchmark = finished_story().experiments[0]["spec"]["benchmark"]
    assert (benchmark["rates"], "concurrency" in benchmark) == ([1, 2.5], False)
    assert benchmark["requestLimits"] == [{"metric": "TTFT", "max": "400ms"}], "the smallest of several"


def test_ladders_end_for_promises_of_levels_only() -> None:
    stop = finished_story().experiments[0]["spec"]["stop"]
    assert [slo["metric"] for slo in stop["slos"]] == ["Attainment", "ErrorRate"]


def test_repeats_are_measured_at_the_rate_that_the_value_came_from() -> None:
    repeats = [one for one in finished_story().experiments if one["spec"]["purpose"] == "Confirm"]
    assert len(repeats) == 4
    assert all(one["spec"]["benchmark"]["rates"] == [2.5] for one in repeats)


def test_the_best_is_told_with_its_rate() -> None:
    status = finished_story().plans[-1].status
    assert status.best is not None
    assert status.best.level.dump() == {"scenario": "chat", "rate": 2.5}
    assert status.best.metrics.attainment is not None
    assert status.columns is not None and status.columns.best == "2.45 req/s"


def test_the_report_and_the_table_speak_of_rates() -> None:
    written = finished_story().plans[-1].write_recommendation
    assert written is not None
    assert "at scenario chat, 2.5 req/s." in written["data"]["report.md"]
    rows = list(csv.DictReader(io.StringIO(written["data"]["experiments.csv"])))
    assert "concurrency" not in rows[0]
    assert (rows[1]["rate"], rows[1]["sentPerSecond"], rows[1]["attainment.share"]) == ("2.5", "2.5", "0.98")


def test_a_front_is_told_with_rates() -> None:
    both: Object = {"objectives": [{"metric": "Goodput"}, {"metric": "TTFT", "rate": 1}]}
    story = Story(started(**{**SPEC, **both}))
    status = story.run_experiments(attaining(1.0, 0.82), attaining(1.0, 0.98)).status
    assert status.front is not None
    assert [(one.rate, one.concurrency) for one in status.front[0].values] == [(2.5, None), (1, None)]
    assert status.columns is not None and status.columns.objectives == "Goodput, TTFT P99 at 1 req/s"
