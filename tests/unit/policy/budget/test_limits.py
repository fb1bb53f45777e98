"""The budget of a task: when it ends the search, what it keeps for the confirmation, and what it cancels."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from autotuner.policy.task import preview
from autotuner.policy.task.decide import decide
from tests.unit.builders import after, at, condition, make_level, merged
from tests.unit.task_builders import Ending, Story, ended, ending, make_task, observed, running, started

HOUR = 3600.0
TODAY = {"args": ["--mem-fraction-static=0.85"]}


def priced(confirm: int = 0, **more: Any) -> Object:
    """A started task whose third configuration has two accelerators, the others one."""
    search = {"maxExperiments": 3, "confirm": {"top": 2, "maxRepeats": confirm}}
    return started(**merged({"baseline": TODAY, "search": search}, more))


def gpu_hours(limit: float) -> Object:
    return {"maxGPUHours": limit}


def taking(
    hours: float = 1.0, throughput: float = 1000.0, *, measuring: float = 0.0, reason: str = "Completed"
) -> Ending:
    """It ends after so many hours on its node, of which so many were spent on the levels."""

    def end(experiment: Object) -> Object:
        accelerators = experiment["spec"]["service"]["accelerator"]["count"]
        concurrency = experiment["spec"]["benchmark"]["concurrency"]
        levels = [make_level(users, throughput=throughput) for users in concurrency] if reason == "Completed" else []
        times = {
            "created": at(0),
            "scheduled": at(0),
            "firstRequest": at((hours - measuring) * HOUR),
            "benchmarkFinished": at(hours * HOUR),
            "released": at(hours * HOUR),
        }
        return ended(experiment, reason, *levels, gpuSeconds=hours * HOUR * accelerators, times=times)

    return end


def on_a_node(seconds: float, pods_gone: float | None = None) -> Ending:
    """It has been scheduled at this time and is under way, or its pods are gone and a finalizer holds the rest."""

    def go(experiment: Object) -> Object:
        body = running(experiment)
        times = {"scheduled": at(seconds), **({} if pods_gone is None else {"podsGone": at(pods_gone)})}
        return {**body, "status": {**body["status"], "times": times}}

    return go


def release_withdrawn(story: Story) -> None:
    """The withdrawn experiment is released."""
    story.end(lambda one: ended(one, "Cancelled", withdrawn=True, gpuSeconds=HOUR))


def repeats(story: Story) -> list[Object]:
    return [one for one in story.experiments if one["spec"]["purpose"] == "Confirm"]


class TestEndOfTheSearch:
    def test_comes_before_an_experiment_that_does_not_fit(self) -> None:
        story = Story(priced(budget=gpu_hours(4.9)))
        plan = story.run_experiments(taking(), taking(), taking(throughput=1200))

        assert condition(plan.status, "Succeeded") == ("True", "BudgetExhausted")
        assert plan.status.message == (
            "best 1200 tok/s by chat-2 (+20.0% over the baseline); unconfirmed; 2 experiments;"
            " budget.maxGPUHours 4.9 has no room for another experiment: 3 used, about 2 needed"
        )

    def test_does_not_come_when_the_last_one_just_fits(self) -> None:
        plan = Story(priced(budget=gpu_hours(5))).run_experiments(*[taking()] * 4)

        assert condition(plan.status, "Succeeded") == ("True", "Completed")
        assert "budget" not in (plan.status.message or "")

    def test_keeps_back_what_can_confirm_anything(self) -> None:
        # 3 used, 2 for the next; two blocks of two accelerators, one, and one for the baseline: 8, more than half.
        enough, too_little = Story(priced(4, budget=gpu_hours(13))), Story(priced(4, budget=gpu_hours(12.9)))
        enough.run_experiments(*[taking()] * 3)
        too_little.run_experiments(*[taking()] * 3)

        assert enough.experiments[-1]["spec"]["purpose"] == "Search"
        assert too_little.experiments[-1]["spec"]["purpose"] == "Confirm"
        assert too_little.plans[-1].events[:1] == (
            (
                "Normal",
                "BudgetExhausted",
                "budget.maxGPUHours 12.9 has no room for another experiment: 3 used, about 2 needed,"
                " 8 kept for the confirmation",
            ),
        )

    @pytest.mark.parametrize(
        ("blocks", "limit", "want"),
        [
            # Four blocks of one leader and the baseline are 8, more than half: 7. 6 used, 1 for the next.
            (4, 14, 6),
            # Two blocks are 4, less than half: 10 used, 1 for the next.
            (2, 15, 10),
            # Two blocks are 4, more than half: 2 used, 1 for the next.
            (4, 7, 2),
        ],
    )
    def test_keeps_back_at_most_half(self, blocks: int, limit: float, want: int) -> None:
        many = [{"name": "max-running-requests", "values": [*range(1, 21)]}]
        search = {"maxExperiments": 30, "confirm": {"top": 1}}
        story = Story(priced(blocks, budget=gpu_hours(limit), parameters=many, search=search))
        story.step()
        while not repeats(story):
            story.end(taking())
            story.step()

        assert len(story.experiments) - len(repeats(story)) == want + 1

    @pytest.mark.parametrize("limit", [1.9, 2.9, 4.9, 5.9])
    def test_keeps_nothing_back_where_nothing_can_be_confirmed(self, limit: float) -> None:
        story = Story(priced(4, budget=gpu_hours(limit), search={"maxExperiments": 4}))
        story.step()
        while not story.over:
            story.end(taking())
            story.step()

        assert repeats(story) == []
        assert condition(story.plans[-1].status, "Succeeded") == ("True", "BudgetExhausted")
        assert "kept" not in (story.plans[-1].status.message or "")

    def test_keeps_back_what_can_confirm_one_if_not_two(self) -> None:
        # Since the second, a run takes 4: 6 used, two blocks of three are 24, of two 16.
        dear = [{"name": "tp-size", "values": [1]}, {"name": "max-running-requests", "values": [*range(1, 9)]}]
        story = Story(priced(2, budget=gpu_hours(24), parameters=dear, search={"maxExperiments": 8}))
        story.run_experiments(taking(), taking(), taking(4))

        assert [one["spec"]["purpose"] for one in story.experiments[3:]] == ["Confirm"]

    def test_keeps_nothing_back_for_several_objectives(self) -> None:
        objectives = [{"metric": "OutputThroughput"}, {"metric": "TTFT"}]
        plan = Story(priced(4, budget=gpu_hours(5), objectives=objectives)).run_experiments(*[taking()] * 4)

        assert condition(plan.status, "Succeeded") == ("True", "Completed")

    def test_counts_only_the_levels_that_are_repeated(self) -> None:
        # Half of the time is the ladder's, and one of its four levels is the best: a repeat takes 5/8 of an hour.
        ladder = {"concurrency": [1, 2, 4, 8]}

        def climbing(experiment: Object) -> Object:
            body = taking(measuring=0.5)(experiment)
            levels = [make_level(users, throughput=100.0 * users).dump() for users in ladder["concurrency"]]
            return {**body, "status": {**body["status"], "levels": levels}}

        # 2 used, 1 for the next, and two blocks of 3.
        story = Story(priced(4, budget=gpu_hours(3 + 6 * 0.625), benchmark=ladder))
        story.run_experiments(climbing, climbing)

        assert story.experiments[-1]["spec"]["purpose"] == "Search"

    def test_is_not_hastened_by_one_slow_start(self) -> None:
        story = Story(priced(budget=gpu_hours(16), search={"maxExperiments": 4}))
        story.run_experiments(taking(5), taking(0.5), taking(0.5), taking(0.5))

        # 7 used; two accelerators for as long as the first would be 10 more.
        assert story.names[-1] == "chat-4"

    def test_waits_until_something_is_known(self) -> None:
        story = Story(priced(4, budget=gpu_hours(0.5)))
        story.run_experiments(ending("OutOfMemory", gpuSeconds=360.0))

        assert story.names == ["chat-0", "chat-1"]

    def test_says_so_when_nothing_is_left(self) -> None:
        plan = Story(priced(budget=gpu_hours(0.5))).run_experiments(taking(0.6))

        assert condition(plan.status, "Succeeded") == ("True", "BudgetExhausted")
        assert (plan.status.message or "").endswith("budget.maxGPUHours 0.5 is used up: 0.6 used")

    @pytest.mark.parametrize("confirm", [0, 4])
    def test_before_anything_but_the_baseline_confirms_nothing(self, confirm: int) -> None:
        plan = Story(priced(confirm, budget=gpu_hours(0.5))).run_experiments(taking(0.6))

        assert plan.status.best is not None
        assert plan.status.best.confidence.verdict == "Unconfirmed"
        assert plan.status.message == (
            "the baseline stays: 1000 tok/s by chat-0; nothing but the baseline was measured:"
            " budget.maxGPUHours 0.5 is used up: 0.6 used"
        )

    def test_without_a_feasible_one_is_a_failure(self) -> None:
        task = priced(budget=gpu_hours(2), slos=[{"metric": "TTFT", "max": "100ms"}])
        plan = Story(task).run_experiments(taking(), taking())

        assert condition(plan.status, "Succeeded") == ("False", "BudgetExhausted")
        assert plan.status.message == (
            "no configuration keeps the SLOs; nearest is chat-0: TTFT P99 200ms at chat x 8, above 100ms by 100%;"
            " budget.maxGPUHours 2 is used up: 2 used"
        )

    def test_is_none_when_the_space_ends_first(self) -> None:
        task = priced(
            budget=gpu_hours(5.1), search={"maxExperiments": 9}, parameters=[{"name": "tp-size", "values": [1]}]
        )
        plan = Story(task).run_experiments(taking(), taking())

        assert condition(plan.status, "Succeeded") == ("True", "SpaceExhausted")


class TestHours:
    def test_end_the_search_when_the_next_would_take_too_long(self) -> None:
        story = Story(priced(budget={"maxHours": 2.5}))
        story.step()
        story.wait(HOUR)
        story.end(taking())
        story.step()
        story.wait(HOUR)
        story.end(taking())

        plan = story.step()
        assert condition(plan.status, "Succeeded") == ("True", "BudgetExhausted")
        assert (plan.status.message or "").endswith(
            "budget.maxHours 2.5 has no room for another experiment: 2.01 passed, about 1 needed"
        )

    def test_count_what_an_experiment_waits(self) -> None:
        def queued(experiment: Object) -> Object:
            body = taking(1)(experiment)
            times = {**body["status"]["times"], "scheduled": at(HOUR), "released": at(2 * HOUR)}
            return {**body, "status": {**body["status"], "times": times}}

        plan = Story(priced(budget={"maxHours": 1.9})).run_experiments(queued)

        assert "about 2 needed" in (plan.status.message or "")

    def test_are_waited_for_while_something_runs(self) -> None:
        story = Story(priced(budget={"maxHours": 2}))
        story.step()
        story.end(running)

        assert story.step().look_again == after(2 * HOUR)

    def test_cancel_what_runs_when_they_are_over(self) -> None:
        story = Story(priced(budget={"maxHours": 2}))
        story.run_experiments(taking(0.5))
        story.end(on_a_node(20))
        story.wait(2 * HOUR)

        plan = story.step()
        assert plan.withdraw == ("chat-1",)
        assert plan.status.message == "budget.maxHours 2 is used up; releasing chat-1"
        assert plan.look_again is None

        release_withdrawn(story)
        plan = story.step()
        assert condition(plan.status, "Succeeded") == ("True", "BudgetExhausted")
        assert plan.status.best is not None
        assert plan.status.experiments is not None
        assert plan.status.experiments.failed == 0, "the task cancelled it itself"

    def test_that_are_over_while_the_baseline_runs_end_the_task(self) -> None:
        story = Story(priced(budget={"maxHours": 1}))
        story.step()
        story.wait(HOUR)
        release_withdrawn(story)

        plan = story.step()
        assert not plan.create_experiments
        assert condition(plan.status, "Succeeded") == ("False", "BudgetExhausted")
        assert (plan.status.message or "").endswith("budget.maxHours 1 is used up")


class TestWhatRunsTooLong:
    def test_is_foreseen(self) -> None:
        story = Story(priced(budget=gpu_hours(3)))
        story.run_experiments(taking())
        story.end(on_a_node(20))

        assert story.step().look_again == after(20 + 2 * HOUR)

    def test_is_foreseen_for_all_accelerators_of_it(self) -> None:
        story = Story(priced(budget=gpu_hours(5)))
        story.run_experiments(taking(), taking(), taking())
        story.end(on_a_node(40))

        assert story.step().look_again == after(40 + HOUR)

    def test_is_charged_until_its_pods_are_gone_whatever_finalizer_stays(self) -> None:
        story = Story(priced(budget=gpu_hours(3)))
        story.run_experiments(taking())
        story.end(on_a_node(20, pods_gone=20 + HOUR))
        story.wait(9 * HOUR)

        plan = story.step()

        assert (plan.withdraw, plan.look_again) == ((), None)

    def test_is_cancelled_once(self) -> None:
        story = Story(priced(budget=gpu_hours(3)))
        story.run_experiments(taking())
        story.end(on_a_node(20))
        story.wait(2 * HOUR)

        first = story.step()
        assert first.withdraw == ("chat-1",)
        story.experiments[-1]["spec"]["cancel"] = True
        story.wait(60)
        second = story.step()
        assert second.withdraw == ()
        assert second.status == first.status, "nothing is written while it is released"

    def test_costs_nothing_before_it_has_a_node(self) -> None:
        story = Story(priced(budget=gpu_hours(3)))
        story.step()
        story.end(running)
        story.wait(9 * HOUR)

        plan = story.step()
        assert (plan.withdraw, plan.look_again) == ((), None)


class TestConfirmation:
    def begun(self, limit: float, hours: float = 1.0) -> Story:
        """The search has ended, with 5 GPU-hours used; a block takes another 4 at that pace."""
        story = Story(priced(4, budget=gpu_hours(100)))
        story.run_experiments(taking(hours), taking(hours), taking(hours, 1310), taking(hours, 1200))
        story.task["spec"]["budget"] = gpu_hours(limit)
        return story

    def run(self, story: Story, hours: float = 1.0) -> None:
        speeds = {None: 1000, "0.9": 1300, "0.8": 1000}
        while not story.over:
            body = story.experiments[-1]
            mem = body["spec"].get("parameters", [{"value": None}])[-1]["value"]
            wobble = 1 + 0.01 * (-1) ** body["spec"]["block"]
            story.end(taking(hours, speeds[mem] * wobble))
            story.step()

    def test_ends_with_whole_blocks(self) -> None:
        story = self.begun(5 + 2 + 1.9)
        self.run(story)

        plan = story.plans[-1]
        assert [one["spec"]["block"] for one in repeats(story)] == [1, 1]
        assert condition(plan.status, "Succeeded") == ("True", "BudgetExhausted")
        assert plan.status.best is not None
        assert plan.status.best.confidence.verdict == "Unconfirmed"
        assert plan.status.message == (
            "best 1287 tok/s by chat-2 (+30.0% over the baseline); unconfirmed: the budget left too few repeats;"
            " 3 experiments; budget.maxGPUHours 8.9 has no room for another block of repeats: 7 used, about 2 needed"
        )

    @pytest.mark.parametrize(
        ("limit", "leaders", "blocks"),
        [
            # Two blocks with the leader of two accelerators are 8.
            (5 + 8, {"0.9", "0.8"}, 2),
            # Without it they are 4, and another one fits.
            (5 + 7.9, {"0.9"}, 3),
            (5 + 4, {"0.9"}, 2),
        ],
    )
    def test_is_of_as_many_leaders_as_can_be_paid_twice(self, limit: float, leaders: set[str], blocks: int) -> None:
        story = self.begun(limit)
        while not story.over:
            fast = 1080 if story.experiments[-1]["spec"].get("parameters") else 1000
            story.end(taking(1, fast * (1 + 0.06 * (-1) ** story.experiments[-1]["spec"]["block"])))
            story.step()

        again = [one["spec"] for one in repeats(story)]
        assert {one["parameters"][-1]["value"] for one in again if one.get("parameters")} == leaders
        assert len(again) == blocks * (1 + len(leaders))
        assert story.plans[-1].status.best is not None
        assert story.plans[-1].status.best.confidence.verdict != "Unconfirmed"

    @pytest.mark.parametrize("blocks", [0, 1])
    def test_that_is_left_undone_recommends_nothing_worse_than_the_baseline(self, blocks: int) -> None:
        story = Story(priced(4, budget=gpu_hours(100)))
        story.run_experiments(taking(), taking(throughput=900), taking(throughput=950), taking(throughput=800))
        story.task["spec"]["budget"] = gpu_hours(5.5 + 2 * blocks)
        # What is created already is cut off with the budget.
        while not story.over:
            story.end(taking(throughput=950 if story.experiments[-1]["spec"].get("parameters") else 1000))
            story.step()

        best = story.plans[-1].status.best
        assert best is not None
        assert (best.experiment, best.gain, best.confidence.verdict) == ("chat-0", "+0.0%", "Unconfirmed")

    def test_is_judged_by_the_repeats_that_there_are(self) -> None:
        story = self.begun(5 + 2 * 4)
        while not story.over:
            spec = story.experiments[-1]["spec"]
            fast = 1080 if spec.get("parameters") else 1000
            story.end(taking(1, fast * (1 + 0.06 * (-1) ** spec["block"])))
            story.step()

        assert len(repeats(story)) == 6
        best = story.plans[-1].status.best
        assert best is not None
        assert best.confidence.verdict == "NoSignificantDifference"
        assert (best.confidence.low or 0) < 0 < (best.confidence.high or 0)

    def test_leaves_out_the_block_that_it_cannot_finish(self) -> None:
        story = self.begun(5 + 4 + 4)
        for hours in (1, 1, 1, 3):  # the first run of the second block is dearer than anything before it
            story.end(taking(hours, 1000))
            story.step()

        assert story.over
        assert [one["spec"]["block"] for one in repeats(story)] == [1, 1, 1, 2]
        assert condition(story.plans[-1].status, "Succeeded") == ("True", "BudgetExhausted")
        best = story.plans[-1].status.best
        assert best is not None
        assert best.confidence.repeats == 1

    def test_that_waits_for_its_name_tells_of_the_budget_once(self) -> None:
        story = Story(priced(4, budget=gpu_hours(12.9)))
        for _ in range(3):
            story.step()
            story.end(taking())
        for _ in range(3):
            story.step(obstacle="a TuningExperiment of this name belongs to nobody")
        story.step()

        reasons = [event.reason for plan in story.plans for event in plan.events]
        assert story.experiments[-1]["spec"]["purpose"] == "Confirm"
        assert reasons.count("BudgetExhausted") == 1

    def test_does_not_let_the_search_go_on(self) -> None:
        # Repeats that take next to nothing make room for what the search could not pay.
        story = Story(priced(4, budget=gpu_hours(12.9)))
        story.run_experiments(*[taking()] * 3)
        self.run(story, 0.01)

        assert {one["spec"]["purpose"] for one in story.experiments[3:]} == {"Confirm"}
        assert condition(story.plans[-1].status, "Succeeded") == ("True", "BudgetExhausted")
        assert (story.plans[-1].status.message or "").endswith(
            "budget.maxGPUHours 12.9 had no room for another experiment beside the confirmation: 3.06 used in all"
        )

    def test_gives_way_to_the_search_when_the_budget_is_raised(self) -> None:
        story = Story(priced(4, budget=gpu_hours(12.9)))
        story.run_experiments(*[taking()] * 3)
        story.task["spec"]["budget"] = gpu_hours(60)
        story.end(taking())
        story.step()

        assert [one["spec"]["purpose"] for one in story.experiments[3:]] == ["Confirm", "Search"]

    def test_that_is_cancelled_is_the_end(self) -> None:
        story = self.begun(6)
        story.end(on_a_node(50))
        story.wait(HOUR)
        assert story.step().withdraw == ("chat-4",)
        release_withdrawn(story)

        plan = story.step()
        assert condition(plan.status, "Succeeded") == ("True", "BudgetExhausted")
        assert plan.status.best is not None
        assert plan.status.best.confidence.verdict == "Unconfirmed"


class TestStatus:
    def test_says_what_is_left(self) -> None:
        story = Story(priced(budget=gpu_hours(12)))
        usage = story.run_experiments(taking(1.5)).status.usage

        assert usage is not None
        assert usage.dump() == {"gpuHours": 1.5, "remainingGPUHours": 10.5}

    def test_says_so_at_once_when_the_budget_is_changed(self) -> None:
        story = Story(priced(budget=gpu_hours(12)))
        story.run_experiments(taking(1.5))
        story.end(running)
        story.task["spec"]["budget"] = gpu_hours(1)
        usage = story.step().status.usage

        assert usage is not None
        assert usage.remaining_gpu_hours == 0

    @pytest.mark.parametrize("budget", [None, {"maxHours": 3}])
    def test_says_nothing_where_there_is_no_limit(self, budget: Object | None) -> None:
        task = priced(budget=budget) if budget else priced()
        usage = Story(task).step().status.usage

        assert usage is not None
        assert usage.dump() == {"gpuHours": 0.0}

    def test_does_not_change_while_nothing_happens(self) -> None:
        story = Story(priced(budget={"maxGPUHours": 12, "maxHours": 10}))
        story.step()
        story.end(on_a_node(10))
        first = story.step()
        story.wait(60)

        assert story.step().status == first.status


class TestBeforeTheStart:
    @pytest.mark.parametrize(
        ("budget", "words"),
        [
            # 2 minutes for the level, 5 around it; a baseline, an experiment, and four blocks of two.
            ({"maxGPUHours": 1}, "budget.maxGPUHours 1 may be too little for the baseline, one experiment and"),
            (
                {"maxHours": 1.1},
                "which can take 1.17: raise it, or lower benchmark.maxMinutesPerLevel or search.confirm",
            ),
            ({"maxGPUHours": 12, "maxHours": 10}, ""),
        ],
    )
    def test_a_small_budget_is_told_and_not_refused(self, budget: Object, words: str) -> None:
        task = make_task(budget=budget, search={"confirm": {"maxRepeats": 4}})
        plan = decide(observed(task), after(0))

        valid = next(one for one in plan.status.conditions or [] if one.type == "Valid")
        assert valid.status == "True"
        assert words in (valid.message or "")
        assert bool(words) == bool(valid.message)
        assert plan.status.start_time is not None

    def test_the_estimate_is_no_more_than_the_budget(self) -> None:
        task = make_task(suspend=True, budget=gpu_hours(0.25))

        assert preview.status(observed(task)).gpu_hours == 0.25
