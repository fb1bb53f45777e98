"""The loop of a task: the baseline, one experiment after the other, what stops it, and what a person reads."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from autotuner.policy.task.decide import decide, finished
from tests.unit.builders import after, at, condition, make_level, written
from tests.unit.task_builders import (
    Ending,
    Story,
    ending,
    live_model,
    live_runtime,
    observed,
    reaching,
    running,
    started,
)

SLOW = make_level(ttft=0.9)
BASELINE = reaching(1000)


class TestOrder:
    def test_the_baseline_comes_first(self) -> None:
        plan = Story().step()

        [body] = plan.create_experiments
        assert body["metadata"]["name"] == "chat-0"
        assert body["spec"]["purpose"] == "Baseline"
        assert plan.status.message == "the baseline starting as chat-0"
        assert plan.events == (("Normal", "ExperimentCreated", "chat-0: the baseline"),)

    def test_then_one_after_the_other_until_enough_are_measured(self) -> None:
        story = Story()
        plan = story.run_experiments(BASELINE, reaching(1), reaching(2), reaching(3))

        assert story.names == ["chat-0", "chat-1", "chat-2", "chat-3"]
        assert story.parameters == [[], ["1", "0.8"], ["1", "0.9"], ["2", "0.8"]]
        assert finished(plan.status)
        assert condition(plan.status, "Succeeded") == ("True", "Completed")

    def test_each_is_announced_by_its_number(self) -> None:
        story = Story()
        story.run_experiments(BASELINE)

        assert story.plans[-1].status.message == "experiment 1 of 3 starting as chat-1"
        assert story.plans[-1].events == (("Normal", "ExperimentCreated", "chat-1: experiment 1 of 3"),)

    def test_a_small_space_is_exhausted(self) -> None:
        story = Story(started(search={"maxExperiments": 9}))
        plan = story.run_experiments(BASELINE, reaching(1), reaching(2), reaching(3), reaching(4))

        assert condition(plan.status, "Succeeded") == ("True", "SpaceExhausted")
        assert plan.status.experiments is not None
        assert plan.status.experiments.summary == "4/4"

    def test_start_points_come_before_what_the_search_likes(self) -> None:
        points = [{"args": ["--tp=2", "--mem-fraction-static=0.9"]}, {"args": ["--mem-fraction-static=0.9"]}]
        story = Story(started(search={"maxExperiments": 4, "startPoints": points}))
        story.run_experiments(*[reaching(1000.0)] * 5)

        purposes = [experiment["spec"]["purpose"] for experiment in story.experiments]
        assert purposes == ["Baseline", "Start", "Start", "Search", "Search"]
        assert story.parameters[1:] == [["2", "0.9"], ["1", "0.9"], ["1", "0.8"], ["2", "0.8"]]

    def test_nothing_is_created_while_one_runs(self) -> None:
        story = Story()
        story.step()
        story.end(running)

        assert not story.step().create_experiments

    def test_more_experiments_may_be_wanted_later(self) -> None:
        story = Story()
        story.run_experiments(BASELINE, reaching(1))
        story.task["spec"]["search"] = {**story.task["spec"]["search"], "maxExperiments": 1}
        story.end(reaching(2))

        assert condition(story.step().status, "Succeeded") == ("True", "Completed")

    def test_a_second_pass_over_the_same_changes_nothing(self) -> None:
        story = Story()
        story.step()
        first = story.step()

        assert story.step().status == first.status


class TestIndices:
    def test_are_used_up_by_what_exists_even_if_the_status_was_not_written(self) -> None:
        story = Story()
        before = story.task
        story.run_experiments(BASELINE)
        story.end(reaching(5))
        story.task = before

        assert story.step().create_experiments
        assert story.names[-1] == "chat-2"

    def test_are_never_used_again_although_an_experiment_was_deleted(self) -> None:
        story = Story()
        story.run_experiments(BASELINE, reaching(1))
        del story.experiments[1:]

        story.step()

        assert story.names == ["chat-0", "chat-3"]

    def test_advance_with_the_creation(self) -> None:
        plan = Story().step()

        assert plan.status.experiments is not None
        assert (plan.status.experiments.next_index, plan.status.experiments.running) == (1, 1)

    def test_wait_for_a_name_that_is_taken(self) -> None:
        story = Story()
        taken = "a TuningExperiment of this name belongs to TuningTask chat (uid uid-old); it is being deleted"

        plan = story.step(obstacle=taken)

        assert not plan.create_experiments
        assert plan.status.message == f"waiting to create chat-0: {taken}"
        assert plan.status.experiments is not None
        assert plan.status.experiments.next_index == 0
        assert plan.look_again == after(10.5)
        assert story.step().create_experiments

    def test_a_refused_experiment_ends_the_task(self) -> None:
        plan = Story().step(rejection=("TuningExperiment", "exceeded quota"))

        assert condition(plan.status, "Succeeded") == ("False", "AdmissionRejected")
        assert plan.status.message == "the API server refused the TuningExperiment: exceeded quota"


class TestBaseline:
    @pytest.mark.parametrize("reason", ["OutOfMemory", "InvalidArguments", "EngineCrashed", "StartupTimeout"])
    def test_that_crashes_does_not_stop_the_search(self, reason: str) -> None:
        story = Story()
        plan = story.run_experiments(ending(reason, reproducible=True), reaching(1), reaching(3), reaching(2))

        assert condition(plan.status, "Succeeded") == ("True", "Completed")
        assert plan.status.best is not None
        assert plan.status.best.confidence.verdict == "BaselineFailed"
        assert (plan.status.best.gain, plan.status.best.gain_percent) == (None, None)
        assert plan.status.baseline is not None
        assert plan.status.baseline.dump() == {"experiment": "chat-0"}
        assert (
            plan.status.message
            == f"best 3.00 tok/s by chat-2; the baseline gave no result ({reason}), so that there is no gain over it;"
            " 3 experiments"
        )

    def test_that_breaks_the_slos_leaves_no_gain(self) -> None:
        story = Story(started(slos=[{"metric": "TTFT", "max": "500ms"}]))
        plan = story.run_experiments(ending("Completed", SLOW), reaching(1), reaching(3), reaching(2))

        assert plan.status.best is not None
        assert plan.status.best.confidence.verdict == "BaselineInfeasible"
        assert plan.status.best.gain is None

    @pytest.mark.parametrize("reason", ["ImagePullFailed", "QueueTimeout", "BenchmarkFailed", "Cancelled"])
    def test_that_says_nothing_is_repeated(self, reason: str) -> None:
        story = Story()
        story.run_experiments(ending(reason))
        story.end(BASELINE)
        plan = story.step()

        assert story.names == ["chat-0", "chat-1", "chat-2"]
        assert [one["spec"]["purpose"] for one in story.experiments] == ["Baseline", "Baseline", "Search"]
        assert plan.status.baseline is not None
        assert plan.status.baseline.experiment == "chat-1"

    def test_fixes_the_accelerator(self) -> None:
        story = Story()
        story.run_experiments(ending("Completed", acceleratorProduct="H100"))

        product = story.experiments[1]["spec"]["service"]["accelerator"]["product"]
        assert product == "H100"
        assert "product" not in story.experiments[0]["spec"]["service"]["accelerator"]
        assert story.plans[-1].status.resolved is not None
        assert story.plans[-1].status.resolved.accelerator == "H100"


class TestStops:
    @pytest.mark.parametrize("reason", ["ModelNotReady", "RuntimeIncompatible", "AdmissionRejected"])
    def test_at_once_for_a_cause_that_is_common_to_all(self, reason: str) -> None:
        story = Story()
        plan = story.run_experiments(BASELINE, reaching(1), ending(reason, message="gone"))

        assert finished(plan.status)
        assert condition(plan.status, "Succeeded") == ("False", reason)
        assert condition(plan.status, "Finished") == ("True", reason)
        assert plan.status.phase == "Failed"
        assert plan.status.message == "chat-2: gone"
        assert plan.status.best is not None  # what was found stays


class TestAnswer:
    def test_names_the_best_and_its_gain(self) -> None:
        story = Story()
        plan = story.run_experiments(BASELINE, reaching(900), reaching(1310), reaching(1100))
        best = plan.status.best

        assert best is not None
        assert (best.experiment, best.value) == ("chat-2", 1310.0)
        assert (best.gain, best.gain_percent) == ("+31.0%", 31.0)
        assert best.confidence.verdict == "Unconfirmed"
        assert [pair.dump() for pair in best.parameters or []] == [
            {"name": "tp-size", "value": "1"},
            {"name": "mem-fraction-static", "value": "0.9"},
        ]
        assert best.args == ["--tp-size=1", "--mem-fraction-static=0.9"]
        assert best.level.dump() == {"scenario": "chat", "concurrency": 8}
        assert best.metrics.output_tokens_per_second == 1310
        assert plan.status.message == "best 1310 tok/s by chat-2 (+31.0% over the baseline); unconfirmed; 3 experiments"
        assert plan.status.phase == "Succeeded"
        assert plan.status.completion_time == at(50)
        assert plan.events == (("Normal", "Completed", plan.status.message),)

    @pytest.mark.parametrize(
        ("ttfts", "want"),
        [
            ((0.4, 0.4), "best 1100 tok/s by chat-1 (+10.0% over the baseline); "),
            (
                (0.75, 0.4),
                "best 1100 tok/s by chat-1 (+81.4% over the baseline, soft SLOs counted: the baseline breaks TTFT P99"
                " 500ms by 50%); ",
            ),
            (
                (0.75, 0.6),
                "best 1100 tok/s by chat-1 (+48.5% over the baseline, soft SLOs counted: it breaks TTFT P99 500ms by"
                " 20%, the baseline breaks TTFT P99 500ms by 50%); ",
            ),
            ((0.4, 0.6), "the baseline stays: 1000 tok/s by chat-0; "),
            ((0.6, 9.0), "the baseline stays: 1000 tok/s by chat-0 (it breaks TTFT P99 500ms by 20%); "),
        ],
    )
    def test_says_where_the_gain_is_not_that_of_the_values(self, ttfts: tuple[float, float], want: str) -> None:
        soft = {"metric": "TTFT", "max": "500ms", "enforcement": "Soft", "weight": 1, "steepness": 1}
        before, after_it = (
            ending("Completed", make_level(throughput=reaching, ttft=ttft))
            for reaching, ttft in zip((1000, 1100), ttfts, strict=True)
        )
        plan = Story(started(slos=[soft], search={"maxExperiments": 1})).run_experiments(before, after_it)

        assert (plan.status.message or "").startswith(want)

    def test_names_broken_soft_slos(self) -> None:
        soft = {"metric": "TTFT", "max": "10ms", "enforcement": "Soft"}
        late = ending("Completed", make_level(throughput=1100, ttft=0.08))
        later = ending("Completed", make_level(throughput=1000, ttft=0.3))
        status = Story(started(slos=[soft], search={"maxExperiments": 1})).run_experiments(later, late).status

        assert status.best is not None
        assert status.baseline is not None
        assert status.best.breaks == ["TTFT P99 10ms by 700%"]
        assert status.baseline.breaks == ["TTFT P99 10ms 30 times over"]

    @pytest.mark.parametrize(
        ("second", "want"),
        [
            (0.9, "the ladder ends there: add higher concurrencies to benchmark.concurrency"),
            (
                0.2,
                "the ladder ends there, and 2 of 2 configurations reach it: add higher concurrencies to"
                " benchmark.concurrency",
            ),
        ],
    )
    def test_says_where_the_ladder_ends_too_early(self, second: float, want: str) -> None:
        task = started(
            objectives=[{"metric": "MaxConcurrency"}],
            slos=[{"metric": "TTFT", "max": "500ms"}],
            benchmark={"concurrency": [8, 32]},
            search={"maxExperiments": 1},
        )
        plan = Story(task).run_experiments(
            *(ending("Completed", make_level(8), make_level(32, ttft=ttft)) for ttft in (0.2, second))
        )

        assert plan.status.message == (
            f"the baseline stays: 32 users or more by chat-0; {want}; unconfirmed; 1 experiment"
        )

    def test_has_figures_for_people(self) -> None:
        status = Story().run_experiments(reaching(1000 / 3), *[reaching(2000 / 3)] * 3).status

        assert status.best is not None
        assert status.baseline is not None
        assert (status.best.value, status.baseline.value) == (666.667, 333.333)

    def test_is_the_baseline_when_nothing_is_better(self) -> None:
        plan = Story().run_experiments(BASELINE, reaching(900), reaching(1000), reaching(1))

        assert plan.status.best is not None
        assert (plan.status.best.experiment, plan.status.best.gain) == ("chat-0", "+0.0%")
        assert plan.status.best.parameters is None

    def test_speaks_of_one_experiment_as_one(self) -> None:
        plan = Story(started(search={"maxExperiments": 1})).run_experiments(BASELINE, reaching(1100))

        assert plan.status.message == "best 1100 tok/s by chat-1 (+10.0% over the baseline); unconfirmed; 1 experiment"

    def test_says_when_the_whole_space_was_measured(self) -> None:
        story = Story(started(search={"maxExperiments": 9}))
        plan = story.run_experiments(BASELINE, reaching(1), reaching(2), reaching(3), reaching(2000))

        assert plan.status.message == (
            "best 2000 tok/s by chat-4 (+100.0% over the baseline); unconfirmed; the whole space was measured"
        )

    def test_of_a_latency_is_the_lowest(self) -> None:
        story = Story(started(objectives=[{"metric": "TTFT"}]))
        plan = story.run_experiments(*(ending("Completed", make_level(ttft=ttft)) for ttft in (0.4, 0.5, 0.3, 0.35)))

        assert plan.status.best is not None
        assert (plan.status.best.experiment, plan.status.best.gain) == ("chat-2", "+25.0%")
        assert plan.status.message == "best 300 ms by chat-2 (+25.0% over the baseline); unconfirmed; 3 experiments"

    def test_leaves_out_what_breaks_the_slos(self) -> None:
        story = Story(started(slos=[{"metric": "TTFT", "max": "500ms"}]))
        fast_but_late = ending("SLOViolated", make_level(throughput=9000, ttft=0.9))
        plan = story.run_experiments(BASELINE, fast_but_late, reaching(1200), reaching(1100))

        assert plan.status.best is not None
        assert plan.status.best.experiment == "chat-2"
        assert plan.status.experiments is not None
        assert (plan.status.experiments.succeeded, plan.status.experiments.infeasible) == (2, 1)
        assert plan.status.experiments.failed == 0

    def test_without_a_feasible_one_names_the_nearest(self) -> None:
        story = Story(started(slos=[{"metric": "TTFT", "max": "500ms"}]))
        plan = story.run_experiments(*(ending("SLOViolated", make_level(ttft=ttft)) for ttft in (2.0, 0.9, 0.55, 0.7)))

        assert condition(plan.status, "Succeeded") == ("False", "NoFeasibleConfiguration")
        assert plan.status.phase == "Failed"
        assert plan.status.best is None
        assert plan.status.message == (
            "no configuration keeps the SLOs; nearest is chat-2: TTFT P99 550ms at chat x 8, above 500ms by 10%"
        )

    def test_without_any_figures_says_why(self) -> None:
        crashes = [ending("OutOfMemory", message=f"the engine said: no {size} GiB") for size in (1, 2, 3, 4)]
        plan = Story().run_experiments(*crashes)

        assert condition(plan.status, "Succeeded") == ("False", "NoFeasibleConfiguration")
        assert plan.status.message == "no configuration could be measured; last, chat-3: the engine said: no 4 GiB"

    def test_of_several_objectives_is_a_front(self) -> None:
        objectives = [{"metric": "OutputThroughput"}, {"metric": "TTFT", "concurrency": 8}]
        story = Story(started(objectives=objectives, search={"maxExperiments": 4}))
        levels = [(1000, 0.4), (900, 0.2), (800, 0.3), (1200, 0.5), (1100, 0.6)]
        plan = story.run_experiments(
            *(ending("Completed", make_level(throughput=fast, ttft=late)) for fast, late in levels)
        )

        assert plan.status.best is None
        assert plan.status.front is not None
        assert [one.experiment for one in plan.status.front] == ["chat-0", "chat-1", "chat-3"]
        assert [one.value for one in plan.status.front[1].values] == [900.0, 0.2]
        assert [one.concurrency for one in plan.status.front[1].values] == [8, 8]
        assert plan.status.message == (
            "none beats these in every objective: chat-0, chat-1, chat-3 (status.front); 4 experiments"
        )

    def test_of_several_objectives_needs_a_feasible_one_too(self) -> None:
        objectives = [{"metric": "OutputThroughput"}, {"metric": "TTFT"}]
        story = Story(started(objectives=objectives, slos=[{"metric": "TTFT", "max": "100ms"}]))
        plan = story.run_experiments(*[ending("SLOViolated", make_level(ttft=0.5))] * 4)

        assert condition(plan.status, "Succeeded") == ("False", "NoFeasibleConfiguration")

    def test_stays(self) -> None:
        story = Story()
        over = story.run_experiments(BASELINE, reaching(1), reaching(2), reaching(3))
        task = story.task
        task["spec"]["search"] = {**task["spec"]["search"], "maxExperiments": 99}

        plan = decide(observed(task, story.experiments, model=None), after(9999))

        assert plan.status == over.status
        assert not plan.create_experiments
        assert plan.events == ()


def test_experiments_of_a_model_that_went_away_wait_for_it() -> None:
    story = Story()
    story.step()
    story.end(BASELINE)

    plan = story.step(model=live_model("In_Transit"))

    assert not plan.create_experiments
    assert condition(plan.status, "ModelReady") == ("False", "Waiting")
    assert story.step().create_experiments


def test_the_same_world_gives_the_same_answer_after_a_restart() -> None:
    """Status and experiments are all there is: a story told from what was written goes on alike."""
    story = Story(started(search={"strategy": "Random", "seed": 5}))
    story.run_experiments(BASELINE, reaching(1))
    story.end(reaching(2))
    body: Object = written(story.task, story.plans[-1].status)

    once = decide(observed(body, story.experiments, runtime=live_runtime()), after(99))
    twice = decide(observed(body, list(reversed(story.experiments)), runtime=live_runtime()), after(99))

    assert once == twice
    assert once.create_experiments


class TestHopelessLadders:
    def stops(self, *endings: Ending, **spec: Any) -> list[Object]:
        """What each experiment is told about when to end early."""
        story = Story(started(**spec))
        story.run_experiments(*endings)
        return [one["spec"]["stop"] for one in story.experiments]

    def test_are_those_that_cannot_reach_the_best_so_far(self) -> None:
        stops = self.stops(BASELINE, reaching(900), reaching(1310), reaching(1200))

        assert [stop.get("threshold") for stop in stops] == [None, 1000, 1000, 1310]

    def test_go_by_start_points_too(self) -> None:
        points = [{"args": ["--tp=2", "--mem-fraction-static=0.9"]}]
        stops = self.stops(
            ending("OutOfMemory"), reaching(900), reaching(5), reaching(7), search={"startPoints": points}
        )

        assert [stop.get("threshold") for stop in stops] == [None, None, 900, 900]

    def test_are_climbed_to_the_end_while_nothing_keeps_the_slos(self) -> None:
        slos = [{"metric": "TTFT", "max": "500ms"}]
        stops = self.stops(*[ending("SLOViolated", SLOW)] * 4, slos=slos)

        assert [set(stop) for stop in stops] == [{"slos", "noiseMargin"}] * 4

    def test_are_not_for_what_the_field_cannot_hold(self) -> None:
        stops = self.stops(*[reaching(1e-5)] * 4)

        assert [set(stop) for stop in stops] == [{"slos", "noiseMargin"}] * 4
