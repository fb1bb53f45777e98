"""When a search ends because going on is not worth it, and what the status tells of it until then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from autotuner.api.task_status import ExpectedGain
from autotuner.policy.task.decide import finished
from autotuner.search.experiment_record import Record
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from autotuner.search.suggest import Proposal, Strategy, suggest
from tests.unit.builders import condition, make_level
from tests.unit.task_builders import Ending, Story, ending, make_spec, reaching, started

BASELINE = reaching(1000)


class Expecting:
    """A search in the order of the grid that expects these gains, one after the other, by how much was measured."""

    def __init__(self, *gains: float | None) -> None:
        self.gains = gains

    def __call__(
        self,
        strategy: Strategy,
        space: Space,
        records: Sequence[Record],
        pending: Sequence[Configuration],
        count: int,
        seed: int,
        **more: Any,
    ) -> Proposal:
        found = suggest("Grid", space, records, pending, count, seed, **more)
        return Proposal(found.configurations, self.gains[min(len(records), len(self.gains) - 1)])


def story(least: str | None, *gains: float | None, **search: Any) -> Story:
    wanted = {"strategy": "Bayesian", "maxExperiments": 4, "minExpectedGain": least, **search}
    return Story(started(search=wanted), search=Expecting(*gains))


def lasting(throughput: float) -> Ending:
    """It is measured, and takes an accelerator for an hour."""
    return ending("Completed", make_level(throughput=throughput), gpuSeconds=3600.0)


class TestEnds:
    def test_once_too_little_is_expected(self) -> None:
        told = story("1%", None, 0.05, 0.004)
        plan = told.run_experiments(BASELINE, reaching(1100), reaching(1200))

        assert condition(plan.status, "Succeeded") == ("True", "Completed")
        words = "ended after 2 of 4 experiments: ten more were expected to gain 0.4% (search.minExpectedGain: 1%)"
        assert words in (plan.status.message or "")
        assert plan.status.search == ExpectedGain(expected_gain="0.4%", per_gpu_hour=None)
        assert plan.status.best is not None
        assert plan.status.best.experiment == "chat-2"

    def test_only_below_the_least(self) -> None:
        told = story("1%", 0.00996, 0.01)
        plan = told.run_experiments(BASELINE, *map(reaching, (1, 2, 3, 4)))

        assert condition(plan.status, "Succeeded") == ("True", "Completed")
        assert len(told.names) == 5
        assert "ended after" not in (plan.status.message or "")

    @pytest.mark.parametrize("gains", [(None,), (0.0001,)])
    def test_never_unless_the_user_says_so(self, gains: tuple[float | None, ...]) -> None:
        told = story(None, *gains)
        told.run_experiments(BASELINE, reaching(1), reaching(2))
        assert len(told.names) == 4

    def test_not_where_nothing_can_be_said(self) -> None:
        told = story("100%", None)
        told.run_experiments(BASELINE, reaching(1), reaching(2))
        assert len(told.names) == 4

    def test_with_the_baseline_alone(self) -> None:
        plan = story("1%", 0.0).run_experiments(BASELINE)
        assert condition(plan.status, "Succeeded") == ("True", "Completed")
        assert "nothing but the baseline was measured: ended after 0 of 4 experiments" in (plan.status.message or "")

    def test_after_the_start_points(self) -> None:
        told = story("1%", 0.0, startPoints=[{"args": ["--tp-size=2", "--mem-fraction-static=0.9"]}])
        plan = told.run_experiments(BASELINE, reaching(1100))
        assert [one["spec"]["purpose"] for one in told.experiments] == ["Baseline", "Start"]
        assert "ended after 1 of 4 experiments" in (plan.status.message or "")

    def test_in_a_confirmation_that_it_does_not_wake_up_from(self) -> None:
        told = story("1%", 0.0, confirm={"top": 1, "maxRepeats": 2})
        told.search = Expecting(0.05, 0.0)
        plan = told.run_experiments(BASELINE, reaching(1100))
        assert ("Normal", "SearchEnded") in [event[:2] for event in plan.events]
        told.end(reaching(1000))
        while not finished(plan.status):
            plan = told.step()
            if plan.create_experiments:
                told.end(reaching(1100))
        assert {one["spec"]["purpose"] for one in told.experiments[2:]} == {"Confirm"}
        assert "ended after 1 of 4 experiments" in (plan.status.message or "")
        assert plan.status.search == ExpectedGain(expected_gain="0%", per_gpu_hour=None)


class TestStatus:
    def test_tells_the_gain_of_each_proposal(self) -> None:
        told = story(None, 0.12345, 0.0567, None)
        plan = told.run_experiments(BASELINE)
        assert plan.status.search == ExpectedGain(expected_gain="12%")
        told.end(reaching(1000))
        assert told.step().status.search == ExpectedGain(expected_gain="5.7%")
        told.end(reaching(1000))
        assert told.step().status.search is None

    def test_tells_the_gain_for_each_gpu_hour(self) -> None:
        told = story(None, 0.08)
        plan = told.run_experiments(lasting(1000))
        assert plan.status.search == ExpectedGain(expected_gain="8%", per_gpu_hour="0.8%")

    def test_is_not_changed_while_an_experiment_runs(self) -> None:
        told = story(None, 0.08)
        before = told.run_experiments(BASELINE).status.search
        assert told.step().status.search == before

    @pytest.mark.parametrize(
        ("gain", "text"),
        [
            (0.0, "0%"),
            (1e-7, "0%"),
            (0.00012, "0.012%"),
            (0.00996, "1%"),
            (0.0994, "9.9%"),
            (1.0, "100%"),
            (3.21, "320%"),
        ],
    )
    def test_has_two_digits(self, gain: float, text: str) -> None:
        plan = story(None, gain).run_experiments(BASELINE)
        assert plan.status.search is not None
        assert plan.status.search.expected_gain == text


@pytest.mark.parametrize("text", ["1%", "0.5%", "0.05%", "10%", "99.5%", "100%", "100.0%", "20.25%", "0.01%", "0.50%"])
def test_a_least_gain_may_be(text: str) -> None:
    assert make_spec(search={"minExpectedGain": text}).search.min_expected_gain == text


@pytest.mark.parametrize(
    "text", ["0%", "0.0%", "101%", "100.1%", "1", "1 %", "-1%", "1e-2%", "0.001%", "0.00%", "01%", "500ms", ""]
)
def test_a_least_gain_may_not_be(text: str) -> None:
    with pytest.raises(ValidationError):
        make_spec(search={"minExpectedGain": text})
