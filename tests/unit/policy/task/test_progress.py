"""What a person reads while a task runs, and how it is suspended and resumed."""

from __future__ import annotations

import pytest

from autotuner.policy.conditions import find
from tests.unit.builders import at, condition, make_level, merged
from tests.unit.task_builders import (
    Story,
    conditions,
    ending,
    reaching,
    running,
)

SLOW = make_level(ttft=0.9)
BASELINE = reaching(1000)


class TestProgress:
    @pytest.mark.parametrize(
        ("phase", "words", "want"),
        [
            ("Queued", "waiting for a node", "experiment 2 of 3 queued (waiting for a node)"),
            ("Pulling", "pulling engine:1", "experiment 2 of 3 pulling (pulling engine:1)"),
            ("Starting", "engine starting on a", "experiment 2 of 3 starting"),
            ("Benchmarking", "benchmarking 1 level", "experiment 2 of 3 benchmarking"),
            ("Releasing", "1 level measured", "experiment 2 of 3 releasing"),
        ],
    )
    def test_is_told_with_the_best_so_far(self, phase: str, words: str, want: str) -> None:
        story = Story()
        story.run_experiments(BASELINE, reaching(1310))
        story.end(lambda experiment: running(experiment, phase, words))

        plan = story.step()

        assert plan.status.message == f"{want}; best 1310 tok/s by chat-1 (+31.0% over the baseline)"
        assert plan.status.best is not None
        assert condition(plan.status, "Succeeded") == ("Unknown", "Running")
        assert plan.status.phase == "Running"

    def test_of_the_baseline_has_no_best(self) -> None:
        story = Story()
        story.step()
        story.end(running)

        assert story.step().status.message == "baseline benchmarking"

    def test_of_an_experiment_that_nobody_has_looked_at(self) -> None:
        story = Story()
        story.step()

        assert story.step().status.message == "baseline pending"

    @pytest.mark.parametrize("suspend", [False, True])
    @pytest.mark.parametrize(
        ("reason", "words"),
        [
            ("TeardownStuck", "not gone after 300 s: pod p on node-a"),
            ("Releasing", "its pods are gone; still there: InferenceService chat-1 (finalizer f)"),
        ],
    )
    def test_names_what_an_experiment_cannot_get_rid_of(self, reason: str, words: str, suspend: bool) -> None:
        story = Story()
        story.run_experiments(BASELINE)
        stuck = {**conditions("Released", "False", reason), "message": words}
        story.end(lambda one: merged(running(one, "Releasing"), {"status": {"conditions": [stuck]}}))
        story.task["spec"] = {**story.task["spec"], "suspend": suspend}

        plan = story.step()

        assert (plan.status.message or "").endswith(f"; {words}")
        succeeded = find(plan.status.conditions, "Succeeded")
        assert succeeded is not None
        assert (succeeded.status, succeeded.message) == ("Unknown", words)

    def test_counts_what_is_over(self) -> None:
        story = Story()
        story.run_experiments(BASELINE, reaching(1), ending("OutOfMemory"))
        story.end(running)
        counts = story.step().status.experiments

        assert counts is not None
        assert counts.dump() == {
            "summary": "2/3",
            "nextIndex": 4,
            "running": 1,
            "succeeded": 1,
            "infeasible": 0,
            "failed": 1,
            "reasons": [{"reason": "OutOfMemory", "count": 1}],
        }

    def test_adds_up_what_was_used(self) -> None:
        story = Story()
        plan = story.run_experiments(*(ending("Completed", gpuSeconds=seconds) for seconds in (3600.0, 1800.0)))

        assert plan.status.usage is not None
        assert plan.status.usage.gpu_hours == 1.5

    def test_moves_the_time_of_the_last_progress_only_when_there_is_some(self) -> None:
        story = Story()
        story.run_experiments(BASELINE)
        created = story.plans[-1].status.last_progress_time
        story.end(lambda experiment: running(experiment, "Starting"))
        starting = story.step().status.last_progress_time
        story.end(reaching(1))
        ended_at = story.step().status.last_progress_time

        assert (created, starting, ended_at) == (at(20), at(20), at(40))


class TestSuspend:
    @staticmethod
    def suspended(story: Story, value: bool = True) -> None:
        story.task["spec"] = {**story.task["spec"], "suspend": value}

    def test_withdraws_what_runs(self) -> None:
        story = Story()
        story.run_experiments(BASELINE)
        self.suspended(story)

        plan = story.step()

        assert plan.withdraw == ("chat-1",)
        assert plan.status.phase == "Suspended"
        assert plan.status.message == "suspended; releasing chat-1"
        assert condition(plan.status, "Succeeded") == ("Unknown", "Suspended")
        assert condition(plan.status, "Finished") == ("False", "Suspended")

    def test_withdraws_once(self) -> None:
        story = Story()
        story.run_experiments(BASELINE)
        self.suspended(story)
        story.experiments[-1]["spec"]["cancel"] = True

        plan = story.step()

        assert plan.withdraw == ()
        assert plan.status.message == "suspended; releasing chat-1"

    def test_then_starts_nothing(self) -> None:
        story = Story()
        story.run_experiments(BASELINE)
        self.suspended(story)
        story.end(ending("Cancelled", withdrawn=True))

        plan = story.step()

        assert not plan.create_experiments
        assert plan.status.message == "suspended; set suspend: false to go on"

    def test_a_withdrawn_experiment_is_proposed_again_and_does_not_count(self) -> None:
        story = Story()
        story.run_experiments(BASELINE, reaching(1))
        self.suspended(story)
        story.end(ending("Cancelled", withdrawn=True))
        story.step()
        self.suspended(story, False)

        plan = story.run_experiments(reaching(2), reaching(3))

        assert story.names == ["chat-0", "chat-1", "chat-2", "chat-3", "chat-4"]
        assert story.parameters[3] == story.parameters[2]
        assert condition(plan.status, "Succeeded") == ("True", "Completed")
        assert plan.status.experiments is not None
        assert (plan.status.experiments.summary, plan.status.experiments.failed) == ("3/3", 0)

    def test_one_that_somebody_else_cancelled_counts_and_is_not_proposed_again(self) -> None:
        story = Story()
        story.run_experiments(BASELINE, ending("Cancelled"))

        assert story.parameters[2] != story.parameters[1]
        assert story.plans[-1].status.experiments is not None
        assert story.plans[-1].status.experiments.failed == 1

    def test_a_withdrawn_baseline_is_repeated(self) -> None:
        story = Story()
        story.run_experiments(ending("Cancelled", withdrawn=True))

        assert [one["spec"]["purpose"] for one in story.experiments] == ["Baseline", "Baseline"]

    def test_waits_for_what_is_being_released_before_going_on(self) -> None:
        story = Story()
        story.run_experiments(BASELINE)
        story.end(lambda experiment: running(experiment, "Releasing"))

        assert not story.step().create_experiments

    def test_is_told_by_an_event_and_so_is_going_on(self) -> None:
        story = Story()
        story.run_experiments(BASELINE)
        self.suspended(story)
        suspended = story.step()
        self.suspended(story, False)
        resumed = story.step()

        assert [event.reason for event in suspended.events] == ["Suspended"]
        assert [event.reason for event in resumed.events] == ["Running"]

    def test_cannot_wake_what_is_over(self) -> None:
        story = Story()
        over = story.run_experiments(BASELINE, reaching(1), reaching(2), reaching(3))
        self.suspended(story)

        assert story.step().status == over.status
