"""The confirmation in the life of a task: who is measured again and where, how it ends, and what a person reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from autotuner.api.task_status import TaskStatus
from autotuner.kubernetes_object import Object
from autotuner.policy.confirmation import finalists
from autotuner.policy.task.decide import decide
from tests.unit.builders import after, condition, make_level, merged
from tests.unit.task_builders import Ending, Story, ending, observed, reaching, running, started

SLO = {"metric": "TTFT", "max": "500ms"}
# What runs today has the arguments of none of them.
TODAY = {"args": ["--mem-fraction-static=0.85"]}


def confirmed(**more: Any) -> Object:
    """A task of three configurations whose best two are measured again."""
    return started(**merged({"baseline": TODAY, "search": {"confirm": {"top": 2, "maxRepeats": 4}}}, more))


def searched(*endings: Ending, task: Object | None = None) -> Story:
    """The search is over and its best is about to be measured again."""
    story = Story(task or confirmed())
    story.run_experiments(*(endings or (reaching(1000), reaching(1100), reaching(1310), reaching(1200))))
    return story


def of(experiment: Object) -> str:
    """Whose repeat it is: its parameters; empty for the baseline."""
    return ",".join(pair["value"] for pair in experiment["spec"].get("parameters", []))


def repeats(story: Story) -> list[Object]:
    return [one for one in story.experiments if one["spec"]["purpose"] == "Confirm"]


def again(story: Story, speeds: Mapping[str, float]) -> None:
    """Let the repeats end, with small differences between the blocks."""
    while not story.over:
        body = story.experiments[-1]
        block = body["spec"]["block"]
        speed_now = speeds[of(body)] * (1 + 0.002 * (-1) ** block)
        levels = [make_level(at, throughput=speed_now) for at in body["spec"]["benchmark"]["concurrency"]]
        story.end(ending("Completed", *levels))
        story.step()


BEST, SECOND, THIRD = "1,0.9", "2,0.8", "1,0.8"
FASTER = {"": 1000, BEST: 1300, SECOND: 1200, THIRD: 1100}
EQUAL = {"": 1000, BEST: 1001, SECOND: 990, THIRD: 990}


class TestRepeats:
    def test_are_the_best_ones_and_the_baseline_in_turns(self) -> None:
        story = searched()
        again(story, FASTER)

        told = [(one["spec"]["block"], of(one)) for one in repeats(story)]
        assert sorted(told[:3]) == [(1, ""), (1, BEST), (1, SECOND)]
        assert sorted(told[3:6]) == [(2, ""), (2, BEST), (2, SECOND)]
        assert told[0][1] != told[3][1], "nobody is always first"

    def test_measure_the_very_same_engine(self) -> None:
        story = searched()
        again(story, FASTER)

        by_parameters = {of(one): one["spec"] for one in story.experiments[:4]}
        for one in repeats(story):
            spec, original = one["spec"], by_parameters[of(one)]
            assert spec["service"] == original["service"]
            assert spec["benchmark"] == original["benchmark"]
            assert spec.get("parameters") == original.get("parameters")
            assert "threshold" not in spec.get("stop", {})

    def test_measure_the_levels_that_any_of_them_has_its_value_from(self) -> None:
        task = confirmed(benchmark={"concurrency": [4, 8, 16, 32]})

        def climbing(*throughputs: float) -> Ending:
            levels = [make_level(at, throughput=one) for at, one in zip((4, 8, 16, 32), throughputs, strict=True)]
            return ending("Completed", *levels)

        story = searched(
            climbing(900, 1000, 800, 800),
            climbing(800, 1100, 900, 800),
            climbing(900, 1000, 900, 1310),
            climbing(900, 1200, 1100, 800),
            task=task,
        )

        assert repeats(story)[0]["spec"]["benchmark"]["concurrency"] == [8, 32]

    def test_of_a_number_of_users_have_no_gap_in_their_levels(self) -> None:
        ladder = [4, 8, 16, 32, 64]
        task = confirmed(benchmark={"concurrency": ladder}, objectives=[{"metric": "MaxConcurrency"}], slos=[SLO])

        def breaking(first: int) -> Ending:
            return ending("Completed", *(make_level(at, ttft=0.9 if at >= first else 0.2) for at in ladder))

        story = searched(breaking(8), breaking(8), breaking(64), breaking(8), task=task)

        assert repeats(story)[0]["spec"]["benchmark"]["concurrency"] == [4, 8, 16, 32, 64]

    def test_keep_the_hard_slos_in_sight(self) -> None:
        story = searched(task=confirmed(slos=[SLO]))

        stop = repeats(story)[0]["spec"]["stop"]
        assert [slo["max"] for slo in stop["slos"]] == ["500ms", "1%"]

    def test_are_no_experiments_of_the_search(self) -> None:
        story = searched()
        before = story.plans[-1].status.experiments
        again(story, FASTER)

        after_all = story.plans[-1].status.experiments
        assert before is not None
        assert after_all is not None
        assert (after_all.summary, after_all.succeeded) == (before.summary, before.succeeded) == ("3/3", 3)

    def test_cost_gpu_time(self) -> None:
        story = searched()
        story.end(ending("Completed", gpuSeconds=3600.0))

        usage = story.step().status.usage
        assert usage is not None
        assert usage.gpu_hours == 1

    @pytest.mark.parametrize("most", [0, 1])
    def test_too_few_are_none(self, most: int) -> None:
        story = searched(task=confirmed(search={"confirm": {"maxRepeats": most}}))

        assert story.over
        assert repeats(story) == []

    def test_several_objectives_have_no_winner_to_confirm(self) -> None:
        story = searched(task=confirmed(objectives=[{"metric": "OutputThroughput"}, {"metric": "TTFT"}]))

        assert story.over
        assert repeats(story) == []

    @pytest.mark.parametrize(
        "args", [["--tp-size=1", "--mem-fraction-static=0.9"], ["--mem-fraction-static=0.9", "--tp", "1"]]
    )
    def test_what_runs_today_is_not_its_own_rival(self, args: list[str]) -> None:
        today = {"args": args}
        story = searched(task=confirmed(baseline=today, search={"confirm": {"top": 1}}))

        assert {of(one) for one in repeats(story)} <= {"", SECOND}
        again(story, FASTER)
        assert {of(one) for one in repeats(story)} == {"", SECOND}


class TestSpoiled:
    def test_by_the_environment_is_done_again(self) -> None:
        story = searched()
        first = story.experiments[-1]
        story.end(ending("QueueTimeout"))
        story.step()

        second = story.experiments[-1]
        assert second["metadata"]["name"] != first["metadata"]["name"]
        assert (of(second), second["spec"]["block"]) == (of(first), 1)

    def test_three_times_in_a_row_ends_the_task_with_what_it_has(self) -> None:
        story = searched()
        for _ in range(3):
            story.end(ending("QueueTimeout", message="no node is free"))
            plan = story.step()

        assert condition(plan.status, "Succeeded") == ("False", "QueueTimeout")
        assert plan.status.best is not None
        assert plan.status.best.confidence.dump() == {"verdict": "Unconfirmed"}

    def test_in_the_middle_by_a_suspension_is_done_again_afterwards(self) -> None:
        story = searched()
        first = story.experiments[-1]
        story.task["spec"]["suspend"] = True
        plan = story.step()
        assert plan.withdraw == (first["metadata"]["name"],)
        assert plan.status.phase == "Suspended"
        story.end(ending("Cancelled", withdrawn=True))
        assert not story.step().create_experiments

        story.task["spec"]["suspend"] = False
        plan = story.step()

        assert plan.status.phase == "Confirming"
        assert (of(story.experiments[-1]), story.experiments[-1]["spec"]["block"]) == (of(first), 1)

    def test_a_leader_that_breaks_the_slos_again_and_again_makes_room_for_the_next(self) -> None:
        story = searched(task=confirmed(slos=[SLO]))
        while not story.over:
            slow = of(story.experiments[-1]) == BEST
            level = make_level(throughput=FASTER[of(story.experiments[-1])], ttft=0.9 if slow else 0.2)
            story.end(ending("SLOViolated" if slow else "Completed", level))
            plan = story.step()

        assert plan.status.best is not None
        assert plan.status.best.experiment == "chat-3"
        assert THIRD in {of(one) for one in repeats(story)}

    @pytest.mark.parametrize("reason", ["OutOfMemory", "EngineCrashed"])
    def test_a_baseline_that_cannot_be_repeated_leaves_no_gain(self, reason: str) -> None:
        story = searched()
        while not story.over:
            level = make_level(throughput=FASTER[of(story.experiments[-1])])
            story.end(ending("Completed", level) if of(story.experiments[-1]) else ending(reason))
            plan = story.step()

        assert plan.status.best is not None
        assert (plan.status.best.gain, plan.status.best.confidence.verdict) == (None, "BaselineFailed")


class TestAnswer:
    def test_of_a_clear_gain(self) -> None:
        story = searched()
        again(story, FASTER)

        status = story.plans[-1].status
        assert condition(status, "Succeeded") == ("True", "Completed")
        best, baseline = status.best, status.baseline
        assert best is not None
        assert baseline is not None
        assert (best.experiment, best.args) == ("chat-2", ["--tp-size=1", "--mem-fraction-static=0.9"])
        assert best.value == pytest.approx(1300, rel=0.01), "of the repeats, not the lucky 1310"
        assert baseline.value == pytest.approx(1000, rel=0.01)
        assert best.gain == "+30.0%"
        assert best.gain_percent == pytest.approx(100 * (best.value / (baseline.value or 1) - 1), abs=0.01)
        confidence = best.confidence
        assert (confidence.verdict, confidence.repeats) == ("Improved", 2)
        assert confidence.low is not None
        assert confidence.high is not None
        assert 20 < confidence.low < 30 < confidence.high < 40
        told = r"best 1300 tok/s by chat-2 \(\+30.0% over the baseline\); improved \(95% sure: (.*) to (.*)\); 3 exp.*"
        found = re.fullmatch(told, status.message or "")
        assert found
        assert [float(one.rstrip("%")) for one in found.groups()] == pytest.approx(
            [confidence.low, confidence.high], abs=0.06
        )

    def test_shows_the_metrics_of_a_run_that_was_measured(self) -> None:
        story = searched()
        again(story, FASTER)

        best = story.plans[-1].status.best
        assert best is not None
        shown = best.metrics.dump()
        assert shown in [level for one in repeats(story) if of(one) == BEST for level in one["status"]["levels"]]

    def test_mixes_no_levels(self) -> None:
        """A run that is better at another level than its sisters counts at theirs all the same."""
        task = confirmed(benchmark={"concurrency": [4, 16]}, search={"confirm": {"top": 1}})

        def at(low: float, high: float) -> Ending:
            return ending("Completed", make_level(4, throughput=low), make_level(16, throughput=high))

        story = searched(at(200, 300), at(200, 250), at(200, 660), at(400, 250), task=task)
        while not story.over:
            block, who = story.experiments[-1]["spec"]["block"], of(story.experiments[-1])
            odd = at(205, 190) if block == 2 else at(205, 650 + block)
            story.end(odd if who else at(200, 300 + block))
            story.step()

        best = story.plans[-1].status.best
        assert best is not None
        assert best.level.concurrency == 16
        assert best.value == pytest.approx((651 * 190 * 653 * 654) ** (1 / 4))
        assert best.metrics.output_tokens_per_second in (190, 651, 653, 654)

    def test_keeps_what_runs_today_where_the_gain_was_luck(self) -> None:
        story = searched()
        again(story, EQUAL)

        status = story.plans[-1].status
        best = status.best
        assert best is not None
        assert (best.experiment, best.gain, best.gain_percent) == ("chat-0", "+0.0%", 0)
        assert best.confidence.verdict == "NoSignificantDifference"
        assert "the baseline stays: 1000 tok/s by chat-0; chat-2 is no significant improvement (95% sure: " in (
            status.message or ""
        )

    @pytest.mark.parametrize(
        ("baseline", "verdict"), [("infeasible", "BaselineInfeasible"), ("crash", "BaselineFailed")]
    )
    def test_without_a_baseline_to_gain_over_says_so(self, baseline: str, verdict: str) -> None:
        first = ending("SLOViolated", make_level(ttft=0.9)) if baseline == "infeasible" else ending("OutOfMemory")
        story = searched(first, reaching(1100), reaching(1310), reaching(1200), task=confirmed(slos=[SLO]))
        again(story, FASTER)

        best = story.plans[-1].status.best
        assert best is not None
        assert (best.experiment, best.gain, best.confidence.verdict) == ("chat-2", None, verdict)
        assert (best.confidence.repeats, best.confidence.low) == (2, None)
        assert {of(one) for one in repeats(story)} == {BEST, SECOND}

    def test_one_bad_run_does_not_make_the_baseline_infeasible(self) -> None:
        first = ending("SLOViolated", make_level(ttft=0.55))
        story = searched(first, reaching(1100), reaching(1310), reaching(1200), task=confirmed(slos=[SLO]))
        again(story, FASTER)

        status = story.plans[-1].status
        assert status.best is not None
        assert (status.best.gain, status.best.confidence.verdict) == ("+30.0%", "Improved")
        assert status.baseline is not None
        assert status.baseline.value == pytest.approx(1000, rel=0.01)

    def test_a_baseline_that_breaks_the_slos_again_and_again_is_infeasible(self) -> None:
        broken = ending("SLOViolated", make_level(ttft=0.55))
        story = searched(broken, reaching(1100), reaching(1310), reaching(1200), task=confirmed(slos=[SLO]))
        while not story.over:
            name = of(story.experiments[-1])
            story.end(reaching(FASTER[name]) if name else broken)
            story.step()

        status = story.plans[-1].status
        assert status.best is not None
        assert (status.best.experiment, status.best.confidence.verdict) == ("chat-2", "BaselineInfeasible")
        assert (status.best.gain, status.best.confidence.repeats) == (None, 2)

    def test_a_baseline_that_was_not_measured_again_is_what_it_was_in_the_search(self) -> None:
        first = ending("SLOViolated", make_level(ttft=0.55))
        story = searched(first, reaching(1100), reaching(1310), reaching(1200), task=confirmed(slos=[SLO]))
        while not story.over:
            story.end(ending("OutOfMemory") if of(story.experiments[-1]) else first)
            story.step()

        status = story.plans[-1].status
        assert (status.best, status.baseline and status.baseline.value) == (None, None)
        assert condition(status, "Succeeded") == ("False", "NoFeasibleConfiguration")

    @pytest.mark.parametrize(("slos", "words"), [([SLO], "keeps the SLOs"), ([], "gave a result")])
    def test_without_any_rival_the_baseline_stays_at_no_cost(self, slos: list[Object], words: str) -> None:
        task = confirmed(slos=slos) if slos else confirmed()
        story = searched(reaching(1000), *[ending("OutOfMemory")] * 3, task=task)

        assert story.over
        status = story.plans[-1].status
        assert status.best is not None
        assert (status.best.experiment, status.best.confidence.verdict) == ("chat-0", "Unconfirmed")
        assert f"the baseline stays: 1000 tok/s by chat-0; nothing else that was measured {words};" in (
            status.message or ""
        )

    @pytest.mark.parametrize(("slos", "words"), [([SLO], "kept the SLOs"), ([], "gave a result")])
    def test_of_leaders_that_all_break_down_is_unconfirmed(self, slos: list[Object], words: str) -> None:
        story = searched(task=confirmed(slos=slos) if slos else confirmed())
        while not story.over:
            story.end(ending("OutOfMemory") if of(story.experiments[-1]) else reaching(1000))
            story.step()

        status = story.plans[-1].status
        assert status.best is not None
        assert (status.best.experiment, status.best.confidence.verdict) == ("chat-0", "Unconfirmed")
        assert f"unconfirmed: too few repeats {words};" in (status.message or "")

    def test_is_no_configuration_that_broke_the_slos_when_measured_again(self) -> None:
        first = ending("SLOViolated", make_level(ttft=1.5))
        story = searched(first, reaching(1100), reaching(1310), reaching(1200), task=confirmed(slos=[SLO]))
        slow = {BEST: 0.6, SECOND: 0.9, THIRD: 0.75}
        while not story.over:
            story.end(ending("SLOViolated", make_level(ttft=slow[of(story.experiments[-1])])))
            story.step()

        status = story.plans[-1].status
        assert condition(status, "Succeeded") == ("False", "NoFeasibleConfiguration")
        assert status.best is None
        assert story.plans[-1].write_recommendation is None
        message = status.message or ""
        assert message.startswith("no configuration keeps the SLOs; nearest is chat-2: TTFT P99")
        assert "500ms by 20%" in message
        assert message.endswith("; measured again, none of the best 3 still kept the SLOs")

    def test_is_nothing_where_the_baseline_and_all_others_break_down_again(self) -> None:
        task = confirmed(parameters=[{"name": "tp-size", "values": [1]}], slos=[SLO])
        story = searched(reaching(1000), reaching(1100), task=task)
        while not story.over:
            story.end(ending("OutOfMemory", message="out of memory"))
            story.step()

        status = story.plans[-1].status
        assert (status.best, status.baseline and status.baseline.value) == (None, None)
        assert status.message == (
            "no configuration could be measured; last, chat-0: out of memory;"
            " measured again, the best no longer kept the SLOs"
        )

    def test_of_engines_that_did_nothing_says_so(self) -> None:
        story = searched(*[reaching(0)] * 4)

        message = story.task["status"]["message"]
        assert story.over
        assert message.startswith("no configuration gave any output; last, chat-3")

    def test_without_anything_feasible_there_is_nothing_to_confirm(self) -> None:
        broken = ending("SLOViolated", make_level(ttft=0.9))
        story = searched(*[broken] * 4, task=confirmed(slos=[SLO]))

        assert condition(story.plans[-1].status, "Succeeded") == ("False", "NoFeasibleConfiguration")
        assert repeats(story) == []

    def test_of_a_latency_is_a_gain_where_it_is_lower(self) -> None:
        task = confirmed(objectives=[{"metric": "TTFT"}])
        story = searched(*(ending("Completed", make_level(ttft=one)) for one in (0.4, 0.5, 0.2, 0.35)), task=task)
        seconds = {"": 0.4, BEST: 0.2, SECOND: 0.35}
        while not story.over:
            story.end(ending("Completed", make_level(ttft=seconds[of(story.experiments[-1])])))
            story.step()

        best = story.plans[-1].status.best
        assert best is not None
        assert (best.experiment, best.gain, best.confidence.verdict) == ("chat-2", "+50.0%", "Improved")

    @pytest.mark.parametrize("metric", ["OutputThroughput", "E2ELatency"])
    def test_fits_into_the_status_however_dear_a_soft_slo_is(self, metric: str) -> None:
        dear = {"metric": "TTFT", "max": "100ms", "enforcement": "Soft", "weight": 100, "steepness": 0.02}
        task = confirmed(slos=[dear], objectives=[{"metric": metric}])
        broken, kept = (ending("Completed", make_level(ttft=one)) for one in (0.9, 0.05))
        story = searched(broken, kept, broken, broken, task=task)
        while not story.over:
            TaskStatus.model_validate(story.plans[-1].status.dump())
            story.end(kept if of(story.experiments[-1]) == "1,0.8" else broken)
            story.step()

        status = TaskStatus.model_validate(story.plans[-1].status.dump())
        assert status.best is not None
        assert status.best.confidence.verdict == "Improved"


class TestProgress:
    def test_says_how_it_stands(self) -> None:
        story = searched()
        created = story.plans[-1]
        assert created.status.phase == "Confirming"
        assert condition(created.status, "Succeeded") == ("Unknown", "Confirming")
        assert created.status.message == "confirming chat-2 against the baseline: block 1 of at most 4"
        assert created.events[-2].message in ("chat-4: chat-2 again, block 1", "chat-4: chat-3 again, block 1")

        while repeats(story)[-1]["spec"]["block"] == 1:
            story.end(reaching(FASTER[of(story.experiments[-1])]))
            story.step()
        story.end(running)
        message = story.step().status.message

        assert message == "confirming chat-2 against the baseline: block 2 of at most 4; +30.0% so far"

    def test_shows_the_searchs_best_as_unconfirmed(self) -> None:
        story = searched()
        story.end(reaching(1.0))
        status = story.step().status

        assert status.best is not None
        assert (status.best.experiment, status.best.value) == ("chat-2", 1310)
        assert status.best.confidence.dump() == {"verdict": "Unconfirmed"}

    def test_depends_on_nothing_but_the_experiments(self) -> None:
        story = searched()
        again(story, FASTER)
        for count in range(4, len(story.experiments)):
            seen = observed(confirmed(), story.experiments[:count])
            [created] = decide(seen, after(1)).create_experiments
            assert (of(created), created["spec"]["block"]) == (
                of(story.experiments[count]),
                story.experiments[count]["spec"]["block"],
            )

    def test_more_experiments_may_still_be_wanted(self) -> None:
        story = searched()
        story.end(reaching(FASTER[of(story.experiments[-1])]))
        story.task["spec"]["search"]["maxExperiments"] = 4
        plan = story.step()

        assert plan.status.phase == "Running"
        assert story.experiments[-1]["spec"]["purpose"] == "Search"
        story.end(reaching(500))
        again_plan = story.step()
        assert again_plan.status.phase == "Confirming"
        assert len(repeats(story)) == 2, "what was measured still counts"

    def test_fewer_experiments_than_were_made_count_as_all(self) -> None:
        story = searched()
        story.end(reaching(FASTER[of(story.experiments[-1])]))
        story.task["spec"]["search"]["maxExperiments"] = 2
        plan = story.step()

        assert plan.status.phase == "Confirming"
        assert plan.status.experiments is not None
        assert plan.status.experiments.summary == "3/3"


class TestRace:
    def test_equal_engines_are_one_leader(self) -> None:
        story = searched()
        doubled = {**story.experiments[2], "metadata": {**story.experiments[2]["metadata"], "name": "chat-9"}}
        seen = observed(story.task, [*story.experiments[:4], doubled])
        assert seen.baseline is not None

        race = finalists.race(seen.spec, seen.measured, seen.baseline, 2)

        assert race is not None
        assert [one.name for one in race.leaders] == ["chat-2", "chat-3", "chat-1"]

    def test_of_many_equal_ones_are_repeated_those_that_cost_least(self) -> None:
        sizes = {"name": "tp-size", "values": [8, 4, 2, 1]}
        task = confirmed(
            parameters=[sizes, {"name": "mem-fraction-static", "values": [0.8, 0.9]}], search={"maxExperiments": 8}
        )
        story = searched(reaching(1000), *[reaching(1300)] * 8, task=task)
        again(story, {"": 1000, "1,0.8": 1300, "1,0.9": 1300})

        assert story.task["status"]["best"]["parameters"][0] == {"name": "tp-size", "value": "1"}

    def test_of_equal_ones_wins_the_one_that_leaves_out_less_of_what_runs_today(self) -> None:
        policy = {"name": "schedule-policy", "choices": ["lpm"], "allowUnset": True}
        task = confirmed(
            parameters=[policy, {"name": "enable-mixed-chunk", "toggle": True}],
            baseline={"args": ["--schedule-policy=lpm", "--enable-mixed-chunk"]},
        )
        story = searched(reaching(1000), reaching(1305), reaching(900), reaching(1300), task=task)
        again(story, {"": 1000, "false": 1300, "lpm,false": 1300})

        assert story.task["status"]["best"]["parameters"] == [
            {"name": "schedule-policy", "value": "lpm"},
            {"name": "enable-mixed-chunk", "value": "false"},
        ]

    def test_repeats_at_other_levels_do_not_count(self) -> None:
        story = searched()
        story.end(reaching(1000))
        spec = story.experiments[-1]["spec"]
        story.experiments[-1] = {
            **story.experiments[-1],
            "spec": {**spec, "benchmark": {**spec["benchmark"], "concurrency": [4]}},
        }
        seen = observed(story.task, story.experiments)
        assert seen.baseline is not None

        race = finalists.race(seen.spec, seen.measured, seen.baseline, 2)

        assert race is not None
        assert race.measured == ()
