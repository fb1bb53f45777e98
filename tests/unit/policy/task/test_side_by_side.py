"""Several experiments of a task at the same time: who starts, who waits, what a person reads, and what stops all."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from autotuner.kubernetes_object import Object
from autotuner.policy.task.decide import finished
from autotuner.policy.volume_claims import Storage
from tests.unit.builders import at, condition, make_level, merged
from tests.unit.task_builders import Ending, Story, conditions, ended, ending, reaching, running, started

BASELINE = reaching(1000)
SIZES = [{"name": "tp-size", "values": [1, 2, 4]}, {"name": "mem-fraction-static", "values": [0.8, 0.85, 0.9]}]
MANY = [{"name": "max-running-requests", "values": list(range(8, 40))}]


def timed(reason: str, start: float, end: float, *levels: Any, **more: Any) -> Ending:
    """It begins and ends at these seconds."""

    def end_it(experiment: Object) -> Object:
        over = {**conditions("Finished", "True", reason), "lastTransitionTime": at(end)}
        times = {"created": at(start), "scheduled": at(start), "podsGone": at(end), "released": at(end)}
        return ended(experiment, reason, *levels, times=times, conditions=[over], **more)

    return end_it


def story(*, baseline: Ending = BASELINE, steps: bool = True, **spec: Any) -> Story:
    """A task whose baseline is measured; four at a time unless said otherwise, the first of which have started."""
    search = {"maxExperiments": 12, "parallelExperiments": 4, **spec.pop("search", {})}
    found = Story(started(**{"parameters": MANY, "search": search, **spec}))
    found.step()
    found.end(baseline)
    if steps:
        found.step()
    return found


def names(count: int, first: int = 1) -> list[str]:
    return [f"chat-{number}" for number in range(first, first + count)]


def created(one: Story) -> list[str]:
    """The names that the last reconcile created."""
    return [body["metadata"]["name"] for body in one.plans[-1].create_experiments]


def gpus(one: Story) -> list[int]:
    return [body["spec"]["service"]["accelerator"]["count"] for body in one.plans[-1].create_experiments]


class TestStart:
    def test_the_baseline_is_alone(self) -> None:
        one = Story(started(parameters=MANY, search={"parallelExperiments": 4}))
        one.step()
        first = created(one)
        one.end(running)
        one.step()

        assert first == ["chat-0"]
        assert created(one) == []

    def test_so_many_start_at_once_as_may(self) -> None:
        one = story()
        plan = one.plans[-1]

        assert created(one) == names(4)
        assert plan.status.message == "experiments 1, 2, 3 and 4 of 12 starting as chat-1, chat-2, chat-3 and chat-4"
        assert [event.message for event in plan.events][-1] == "chat-4: experiment 4 of 12"
        assert plan.status.experiments is not None
        assert (plan.status.experiments.next_index, plan.status.experiments.running) == (5, 4)
        assert len({tuple(values) for values in one.parameters}) == 5

    def test_whoever_ends_is_followed_by_the_next(self) -> None:
        one = story()
        for number in (1, 2, 4):
            one.end(running, number)
        one.end(reaching(1200), 3)
        plan = one.step()

        assert created(one) == ["chat-5"]
        assert plan.status.message == (
            "experiment 5 of 12 starting as chat-5; experiments 1, 2 and 4 of 12 benchmarking; best 1200 tok/s by"
            " chat-3 (+20.0% over the baseline)"
        )

    def test_no_more_than_are_left(self) -> None:
        one = story(search={"maxExperiments": 5})
        one.end(reaching(1), 1)
        one.end(reaching(2), 2)
        one.step()

        assert created(one) == ["chat-5"]

    def test_the_search_is_asked_with_what_is_running(self) -> None:
        """Of a fixed order nothing is proposed twice, whoever ends first."""
        one = story(search={"maxExperiments": 32})
        for _ in range(60):
            open_ones = [place for place, body in enumerate(one.experiments) if not body["status"]]
            if not open_ones:
                break
            one.end(reaching(1100), open_ones[len(open_ones) // 2])
            one.step()

        tried = [tuple(values) for values in one.parameters[1:]]
        assert len(tried) == len(set(tried)) == 32
        assert finished(one.plans[-1].status)

    def test_start_points_are_part_of_the_batch(self) -> None:
        points = [{"args": [f"--max-running-requests={number}"]} for number in (20, 30)]
        one = story(search={"startPoints": points})

        assert [body["spec"]["purpose"] for body in one.plans[-1].create_experiments] == [
            "Start",
            "Start",
            "Search",
            "Search",
        ]

    def test_after_a_crash_between_two_creations_the_rest_follows(self) -> None:
        one = story(steps=False)
        before = one.task
        one.step()
        one.task, one.experiments = before, one.experiments[:3]
        one.step()

        assert created(one) == ["chat-3", "chat-4"]
        assert len({tuple(values) for values in one.parameters}) == 5

    def test_a_lower_limit_lets_what_runs_end(self) -> None:
        one = story()
        one.edit(search={"parallelExperiments": 2})
        assert one.step().withdraw == ()
        one.end(reaching(1), 1)
        one.end(reaching(2), 2)
        one.step()
        assert created(one) == []
        one.end(reaching(3), 3)
        one.step()
        assert created(one) == ["chat-5"]

    def test_a_claim_for_one_node_allows_one(self) -> None:
        claim = {"metadata": {}, "spec": {"accessModes": ["ReadWriteOnce"]}, "status": {"phase": "Bound"}}
        one = story(steps=False)
        one.step(storage=Storage("team", {}, "weights", claim))

        assert created(one) == ["chat-1"]

    def test_a_name_that_is_taken_stops_nothing_that_runs(self) -> None:
        one = story()
        one.end(reaching(1), 1)
        plan = one.step(obstacle="it belongs to nobody")

        assert created(one) == []
        assert plan.status.message == "waiting to create chat-5: it belongs to nobody"

    def test_a_refusal_is_told_and_ends_nothing_that_runs(self) -> None:
        one = story()
        for number in (2, 3, 4):
            one.end(running, number)
        one.end(reaching(1), 1)
        plan = one.step(rejection=("TuningExperiment", "exceeded quota"))

        assert created(one) == []
        assert not finished(plan.status)
        assert plan.status.message == (
            "experiments 2, 3 and 4 of 12 benchmarking; the baseline is best: 1000 tok/s by chat-0;"
            " the API server refused the TuningExperiment: exceeded quota"
        )

    def test_the_turn_of_others_is_waited_for(self) -> None:
        one = story(steps=False)
        plan = one.step(turn="waits for its turn: 16 of 16 GPUs are in use")

        assert created(one) == []
        assert plan.status.message == "waits for its turn: 16 of 16 GPUs are in use"


class TestGpus:
    def test_never_more_than_may_be_held(self) -> None:
        one = story(parameters=SIZES, search={"maxGPUs": 4, "maxExperiments": 9, "strategy": "Grid"})
        most = 0
        for _ in range(60):
            open_ones = [place for place, body in enumerate(one.experiments) if not body["status"]]
            held = [one.experiments[place]["spec"]["service"]["accelerator"]["count"] for place in open_ones]
            most = max(most, sum(held))
            if not open_ones:
                break
            one.end(reaching(1100), open_ones[0])
            one.step()

        assert most == 4
        assert finished(one.plans[-1].status)
        assert len(one.experiments) == 10

    def test_what_fits_nowhere_is_no_part_of_the_space(self) -> None:
        one = story(parameters=SIZES, search={"maxGPUs": 2})
        resolved = one.plans[-1].status.resolved

        assert resolved is not None
        assert resolved.configurations == 6
        gone = {"rule": "search.maxGPUs", "count": 3, "values": ["tp-size=4"]}
        assert [removed.dump() for removed in resolved.removed_by or []] == [gone]

    def test_who_is_passed_over_is_remembered_in_the_status(self) -> None:
        sizes = [{"name": "tp-size", "values": [2, 4]}, {"name": "mem-fraction-static", "values": [0.8, 0.85, 0.9]}]
        points = [{"args": [f"--tp-size={size}", "--mem-fraction-static=0.8"]} for size in (2, 4)]
        search = {"maxGPUs": 4, "maxExperiments": 2, "startPoints": points, "parallelExperiments": 2}
        one = story(parameters=sizes, search=search)

        counts = one.plans[-1].status.experiments
        assert (gpus(one), counts and counts.passed_over) == ([4], 1)
        one.end(reaching(1), 1)
        one.step()
        counts = one.plans[-1].status.experiments
        assert (gpus(one)[0], counts and counts.passed_over) == (2, None)

    def test_a_retry_that_may_not_hold_so_many_any_more_is_told(self) -> None:
        one = story(parameters=[{"name": "tp-size", "values": [4, 8]}], search={"maxGPUs": 8, "maxExperiments": 2})
        one.end(ending("Evicted"), 1)
        one.edit(search={"maxGPUs": 2})

        assert one.step().status.message == (
            "chat-1 is to be measured again and needs 8 GPUs, but search.maxGPUs is 2: raise it"
        )


class TestRetries:
    def test_go_first(self) -> None:
        one = story()
        for number in (2, 3, 4):
            one.end(running, number)
        one.end(ending("Evicted"), 1)
        plan = one.step()

        [body] = plan.create_experiments
        assert (body["metadata"]["name"], body["spec"]["retryOf"]) == ("chat-5", "chat-1")
        one.end(running)
        assert one.step().status.message == (
            "experiments 1, 2, 3 and 4 (chat-1 again) of 12 benchmarking; the baseline is best: 1000 tok/s by chat-0"
        )

    def test_do_not_lead_to_more_experiments_than_are_wanted(self) -> None:
        one = story(search={"maxExperiments": 4})
        for number in (1, 2, 3):
            one.end(ending("Evicted"), number)
        one.end(running, 4)
        one.step()

        assert [body["spec"].get("retryOf") for body in one.plans[-1].create_experiments] == names(3)


SPOILED = "BenchmarkFailed"


class TestCommonCauses:
    def spoil(self, one: Story, *places: int, start: float, end: float, reason: str = SPOILED) -> None:
        for place in places:
            one.end(timed(reason, start, end, message="the client broke"), place)

    def test_what_was_spoiled_at_one_moment_is_no_row_but_one_alone_follows(self) -> None:
        one = story()
        self.spoil(one, 1, 2, 3, 4, start=100, end=200)
        plan = one.step()

        assert not finished(plan.status)
        assert created(one) == ["chat-5"]

    def test_if_that_ends_well_all_go_on(self) -> None:
        one = story()
        self.spoil(one, 1, 2, 3, 4, start=100, end=200)
        one.step()
        one.end(timed("Completed", 201, 300, make_level()))
        one.step()

        assert len(created(one)) == 4

    def test_three_one_after_the_other_stop_the_task(self) -> None:
        one = story()
        self.spoil(one, 1, 2, 3, 4, start=100, end=200)
        one.step()
        self.spoil(one, 5, start=201, end=300)
        assert created(one) == ["chat-5"]
        one.step()
        assert created(one) == ["chat-6"]
        self.spoil(one, 6, start=301, end=400)
        plan = one.step()

        assert condition(plan.status, "Succeeded") == ("False", SPOILED)
        assert plan.status.message == (
            "chat-6: the client broke; chat-4, chat-5 ended with the same words: look at benchmark"
        )

    def test_the_order_is_that_of_the_ends(self) -> None:
        """Two that broke, one that was measured, and a third that broke: no row, whatever the indices."""
        one = story(baseline=ending("OutOfMemory"))
        self.spoil(one, 1, start=100, end=200, reason="InvalidArguments")
        self.spoil(one, 2, start=100, end=210, reason="InvalidArguments")
        one.end(timed("Completed", 100, 215, make_level()), 4)
        self.spoil(one, 3, start=100, end=220, reason="InvalidArguments")

        assert not finished(one.step().status)

    def test_while_others_run_equal_words_wait_for_them(self) -> None:
        one = story(baseline=ending("OutOfMemory"))
        for place, end in ((1, 200.0), (2, 210.0), (3, 220.0)):
            self.spoil(one, place, start=100, end=end, reason="InvalidArguments")
        one.end(running, 4)
        plan = one.step()

        assert plan.withdraw == ()
        assert created(one) == []
        assert "experiment 4 of 12 benchmarking; nothing else starts: chat-3: the client broke" in (
            plan.status.message or ""
        )
        one.end(timed("Completed", 100, 300, make_level()), 4)
        one.step()
        assert len(created(one)) == 4

    def test_what_is_everyones_fault_ends_all_others(self) -> None:
        one = story()
        for number in (2, 3):
            one.end(running, number)
        one.end(timed("Unauthorized", 100, 200, message="401"), 1)
        one.end(reaching(1500), 4)
        plan = one.step()

        assert plan.withdraw == ("chat-2", "chat-3")
        assert plan.status.message == "chat-1: 401; releasing chat-2, chat-3"
        for number in (2, 3):
            one.end(ending("Cancelled", withdrawn=True), number)
        last = one.step()
        assert condition(last.status, "Succeeded") == ("False", "Unauthorized")
        assert last.status.best is not None
        assert last.status.best.experiment == "chat-4"

    def test_an_engine_that_says_so_of_a_model_that_another_may_serve_ends_nobody(self) -> None:
        evidence = {"exitCode": 1, "logTail": "no such file"}
        one = story(baseline=ending("OutOfMemory"))
        one.end(timed("ModelNotReady", 100, 200, message="no files", evidence=evidence), 1)
        assert one.step().withdraw == ()
        one.end(timed("Completed", 100, 300, make_level()), 2)
        one.step()

        assert one.plans[-1].create_experiments[0]["spec"]["retryOf"] == "chat-1"

    def test_figures_of_two_deployments_end_all_others(self) -> None:
        one = story(baseline=ending("Completed", make_level(), acceleratorProduct="H100"))
        one.end(ending("Completed", make_level(), acceleratorProduct="A100"), 1)

        assert one.step().withdraw == ("chat-2", "chat-3", "chat-4")


class TestBudget:
    HOUR = 3600.0

    def measured(self, start: float, hours: float = 1.0, count: int = 1) -> Ending:
        """It held its accelerators for hours, all of them for a level."""
        end = start + hours * self.HOUR
        return lambda experiment: merged(
            timed("Completed", start, end, make_level(throughput=1000))(experiment),
            {
                "status": {
                    "gpuSeconds": hours * self.HOUR * count,
                    "times": {"firstRequest": at(start), "benchmarkFinished": at(end)},
                }
            },
        )

    def test_is_taken_for_all_that_run_at_once(self) -> None:
        one = story(baseline=self.measured(0), budget={"maxGPUHours": 4})

        assert len(created(one)) == 3

    def test_counts_what_is_running(self) -> None:
        one = story(baseline=self.measured(0), budget={"maxGPUHours": 4})
        one.wait(100)
        one.step()

        assert created(one) == []

    def test_one_alone_is_tried_while_nobody_knows_what_it_takes(self) -> None:
        one = story(baseline=ending("OutOfMemory"), budget={"maxGPUHours": 6})

        assert created(one) == ["chat-1"]

    def test_used_up_ends_all(self) -> None:
        one = story(baseline=self.measured(0), budget={"maxHours": 8})
        for number in range(1, 5):
            one.end(running, number)
        one.wait(8 * self.HOUR)
        plan = one.step()

        assert plan.withdraw == tuple(names(4))
        assert plan.status.message == "budget.maxHours 8 is used up; releasing chat-1, chat-2, chat-3, chat-4"

    def test_failures_that_were_running_are_awaited(self) -> None:
        one = story(budget={"maxFailedExperiments": 1})
        one.end(timed("OutOfMemory", 100, 200), 1)
        plan = one.step()
        assert created(one) == []
        assert plan.withdraw == ()
        for number in (2, 3, 4):
            one.end(reaching(1100), number)
        assert condition(one.step().status, "Succeeded") == ("True", "BudgetExhausted")


class TestConfirmation:
    CONFIRM: ClassVar[Object] = {"top": 1, "maxRepeats": 2}

    def at_the_end(self, **confirm: Any) -> Story:
        one = story(search={"maxExperiments": 4, "confirm": {**self.CONFIRM, **confirm}})
        for number in range(1, 5):
            one.end(reaching(1500), number)
        one.step()
        return one

    def test_waits_for_all_and_is_alone(self) -> None:
        one = story(search={"maxExperiments": 4, "confirm": self.CONFIRM})
        for number in range(1, 4):
            one.end(reaching(1500), number)
        one.step()
        assert created(one) == []
        one.end(reaching(1500), 4)
        one.step()
        assert created(one) == ["chat-5"]
        one.end(running)
        one.step()
        assert created(one) == []

    @pytest.mark.parametrize("same", [False, True])
    def test_of_a_block_is_on_one_node_if_wanted(self, same: bool) -> None:
        node = {"kind": "Node", "metadata": {"name": "a", "labels": {"kubernetes.io/hostname": "host-a"}}}
        one = self.at_the_end(sameNode=same)
        one.end(ending("Completed", make_level(), node="a"))
        second = one.step(nodes=(node,)).create_experiments[0]["spec"]["service"]
        one.end(ending("Completed", make_level(), node="a"))
        third = one.step(nodes=(node,)).create_experiments[0]["spec"]

        assert second.get("nodeSelector") == ({"kubernetes.io/hostname": "host-a"} if same else None)
        assert (third["block"], third["service"].get("nodeSelector")) == (2, None)

    def test_of_a_block_whose_first_run_was_spoiled_is_free_again(self) -> None:
        one = self.at_the_end(sameNode=True)
        one.end(ending("NodeLost", node="a"))

        assert "nodeSelector" not in one.step().create_experiments[0]["spec"]["service"]


def test_a_suspended_task_ends_all() -> None:
    one = story()
    one.edit(suspend=True)
    plan = one.step()

    assert plan.withdraw == tuple(names(4))
    assert plan.status.message == "suspended; releasing chat-1, chat-2, chat-3, chat-4"


def test_those_that_do_the_same_are_told_together() -> None:
    one = story()
    for number, phase in ((1, "Benchmarking"), (2, "Starting"), (3, "Benchmarking"), (4, "Queued")):
        one.end(lambda body, phase=phase: running(body, phase, "waiting for a node"), number)

    assert one.step().status.message == (
        "experiments 1 and 3 of 12 benchmarking, 2 starting, 4 queued (waiting for a node);"
        " the baseline is best: 1000 tok/s by chat-0"
    )
