"""What plots are made of: scales, stages, the best so far, shown texts."""

from __future__ import annotations

import pytest

from autotuner.html_report import best_over_time, scales, stages
from autotuner.html_report.shown_text import shown
from autotuner.kubernetes_object import Object
from autotuner.policy.evidence import measurements
from autotuner.policy.evidence.measurements import Measured
from tests.unit.builders import after, at, merged
from tests.unit.html_report import searched_task
from tests.unit.task_builders import make_spec


@pytest.mark.parametrize(
    ("figures", "from_zero", "ticks"),
    [
        ([0.0, 10.0], False, (0.0, 2.0, 4.0, 6.0, 8.0, 10.0)),
        ([970.0, 1030.0], False, (980.0, 1000.0, 1020.0)),
        ([0.2, 0.9], True, (0.0, 0.2, 0.4, 0.6, 0.8)),
        ([5.0], False, (4.6, 4.8, 5.0, 5.2, 5.4)),
        ([0.0], True, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        ([], False, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
    ],
)
def test_linear_scales_are_marked_at_round_figures(
    figures: list[float], from_zero: bool, ticks: tuple[float, ...]
) -> None:
    scale = scales.linear(figures, 0, 100, from_zero=from_zero)

    assert scale.ticks == pytest.approx(ticks)
    assert all(0 <= scale.at(figure) <= 100 for figure in figures)


@pytest.mark.parametrize(
    ("figures", "ticks"),
    [
        ([0.1, 0.8], (0.1, 0.15, 0.2, 0.3, 0.5, 0.7)),
        ([0.01, 1.0], (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)),
        ([0.001, 10.0, 0.0], (0.001, 0.01, 0.1, 1.0, 10.0)),
        ([0.2], (0.2,)),
    ],
)
def test_logarithmic_scales_too(figures: list[float], ticks: tuple[float, ...]) -> None:
    assert scales.logarithmic(figures, 0, 100).ticks == pytest.approx(ticks)


def test_equal_factors_take_equal_room() -> None:
    scale = scales.logarithmic([1.0, 100.0], 0, 100)

    assert scale.at(10) == pytest.approx(50)
    assert scale.at(100) - scale.at(10) == pytest.approx(scale.at(10) - scale.at(1), abs=0.11)
    assert scale.at(1e9) == 100


def run(**status: object) -> Measured:
    experiment = searched_task.finished_story().experiments[1]
    held: Object = {"spec": {"service": {"accelerator": {"count": 2}}}}
    changed = {**merged(experiment, held), "status": {**experiment["status"], **status}}
    (found,) = measurements.unplaced([changed], make_spec())
    return found


def spent(one: Measured) -> list[tuple[str, float]]:
    return [(span.stage, span.seconds) for span in stages.spans(one, after(500))]


RUNNING = [{"type": "Finished", "status": "False", "reason": "Starting", "message": "", "lastTransitionTime": at(0)}]
OVER = [{"type": "Finished", "status": "True", "reason": "x", "message": "", "lastTransitionTime": at(90)}]
ALL = {
    "created": at(0),
    "scheduled": at(10),
    "containerStarted": at(12),
    "engineReady": at(50),
    "benchmarkFinished": at(80),
    "podsGone": at(86),
}


@pytest.mark.parametrize(
    ("times", "conditions", "found"),
    [
        (ALL, OVER, [("queue", 10), ("pull", 2), ("start", 38), ("benchmark", 30), ("release", 6)]),
        ({"created": at(0)}, RUNNING, [("queue", 500)]),
        ({"created": at(0), "scheduled": at(10), "containerStarted": at(12)}, RUNNING, [
            ("queue", 10), ("pull", 2), ("start", 488)]),
        ({"created": at(0), "scheduled": at(10), "containerStarted": at(12), "podsGone": at(40)}, OVER, [
            ("queue", 10), ("pull", 2), ("start", 28)]),
        ({"created": at(0)}, OVER, [("queue", 90)]),
        ({**ALL, "engineReady": at(11)}, OVER, [("queue", 10), ("pull", 2), ("benchmark", 68), ("release", 6)]),
        ({}, RUNNING, []),
    ],
    ids=["whole", "waiting", "starting", "crashed", "never placed", "steps out of order", "new"],
)  # fmt: skip
def test_stages_leave_no_gap(times: Object, conditions: list[Object], found: list[tuple[str, float]]) -> None:
    assert spent(run(times=times, conditions=conditions)) == found


def test_accelerators_are_held_from_the_node_on() -> None:
    one = run(times=ALL, conditions=OVER)
    assert one.held == 2

    held = stages.accelerator_seconds([(one, stages.spans(one, after(500)))])

    assert held == {"queue": 0, "pull": 4, "start": 76, "benchmark": 60, "release": 12}


def test_the_best_so_far_never_falls_and_repeats_only_cost() -> None:
    steps = best_over_time.steps(searched_task.finished())
    best = [step.best for step in steps if step.best is not None]

    assert [step.number for step in steps] == list(range(1, 26))
    assert best == sorted(best)
    assert [step.hours for step in steps] == sorted(step.hours for step in steps)
    assert not [step.run.name for step in steps if step.run.is_repeat]


def test_the_interval_is_that_of_the_gain_over_the_baseline() -> None:
    data = searched_task.finished()
    best, baseline = data.status.best, data.status.baseline
    found = best_over_time.interval(data)
    assert found is not None
    assert best is not None
    assert baseline is not None
    assert baseline.value is not None

    low, high = ((end / baseline.value - 1) * 100 for end in found)
    assert (low, high) == pytest.approx((best.confidence.low, best.confidence.high))
    assert found[0] < best.value < found[1]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain <b> & ü 漢字", "plain <b> & ü 漢字"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mred\x00", "U+001B[31mredU+0000"),
        ("abc\u202edcba", "abcU+202Edcba"),
        ("a\u200bb\r", "aU+200BbU+000D"),
        ("\ud800", "U+D800"),
    ],
)
def test_what_nobody_sees_is_written_out(text: str, seen: str) -> None:
    assert shown(text) == seen
