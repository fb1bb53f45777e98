"""The benchmark of honesty still plays tasks to their end; its bars take thousands of them."""

from __future__ import annotations

import pytest

from autotuner.api.task import Search
from tests.benchmarks.honesty.play import play
from tests.benchmarks.honesty.tasks import draw

STRATEGY = Search(max_experiments=1).strategy


@pytest.mark.parametrize("number", [0, 5])
def test_a_task_ends_the_same_way_each_time(number: int) -> None:
    found = play(draw(number, STRATEGY))

    assert found == play(draw(number, STRATEGY))
    assert found.verdict in ("Improved", "NoSignificantDifference")
    assert found.repeats >= 2
    assert found.runs >= 2 * found.repeats
