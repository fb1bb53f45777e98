"""The benchmark of disturbances still plays tasks to their end; its bars take a hundred of them."""

from __future__ import annotations

from autotuner.api.task import Search
from tests.benchmarks.disturbances import Luck, play
from tests.benchmarks.honesty.play import run
from tests.benchmarks.honesty.tasks import draw


def test_a_disturbed_task_is_held_against_the_same_task_undisturbed() -> None:
    pair = play(3)

    assert pair.baseline
    assert pair.loss is not None
    assert 0 < pair.retries <= 2 * pair.allowed


def test_disturbances_happen_and_are_counted() -> None:
    luck = Luck(draw(3, Search(max_experiments=1).strategy), disturbed=True)
    _, experiments = run(luck.task, luck.end)

    disturbed = [one for one in experiments if one["status"]["reason"] == "Evicted"]
    assert disturbed
    assert luck.happened >= len(disturbed)
