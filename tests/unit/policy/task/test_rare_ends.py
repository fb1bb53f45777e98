"""What a task plans with a space of which only an estimate is known, and perhaps far too low a one."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.policy.task import experiment_counts, preview
from tests.unit.task_builders import make_task, observed

FLAGS = [f"--flag-{number}" for number in range(8)]
PARAMETERS = [{"name": name.removeprefix("--"), "values": list(range(1, 17))} for name in FLAGS]
# Some fifty thousand, of which few are found by looking.
FIXED_SUM = {"rule": f"{' + '.join(f'p.flag_{number}' for number in range(8))} == 20"}


def task(**search: Any) -> dict[str, Any]:
    return make_task(
        parameters=PARAMETERS, constraints=[FIXED_SUM], suspend=True, search={"maxExperiments": 200, **search}
    )


def test_an_estimate_below_the_limit_does_not_shorten_the_search() -> None:
    seen = observed(task())
    assert not seen.space.exact
    assert seen.space.size < 200
    assert experiment_counts.wanted(seen) == 200


def test_the_preview_prices_what_may_be_searched() -> None:
    rare = preview.status(observed(task())).gpu_hours
    plain = preview.status(observed(make_task(parameters=PARAMETERS, suspend=True, search={"maxExperiments": 200})))
    assert rare == pytest.approx(plain.gpu_hours)


def test_the_preview_counts_the_accelerators_of_configurations_that_may_be_chosen() -> None:
    wide = [{"name": "tp-size", "values": [4, 8]}, *PARAMETERS[:7]]
    limit = {"rule": f"{' + '.join(f'p.flag_{number}' for number in range(7))} + p.tp_size <= 15"}
    found = preview.status(
        observed(make_task(parameters=wide, constraints=[limit], suspend=True, search={"maxExperiments": 200}))
    )
    one = preview.status(observed(make_task(parameters=PARAMETERS, suspend=True, search={"maxExperiments": 200})))
    # 7 + 8 at least for eight accelerators, which leaves one of them; four leave hundreds.
    assert found.gpu_hours == pytest.approx(4 * one.gpu_hours, rel=0.05)
