"""What others have measured answers for a task, where it is the same deployment under the same traffic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from autotuner.api.experiment import ExperimentSpec
from autotuner.kubernetes_object import Object
from autotuner.policy.experiment import fingerprint
from tests.unit.builders import at, condition, controller, make_level, merged
from tests.unit.task_builders import Ending, Story, conditions, ended, live_model, live_runtime, make_task, started

IMAGE = "docker.io/engine@sha256:aa"
HASHES = fingerprint.hashes(live_model(), live_runtime())
assert HASHES is not None
DEPLOYED: Object = {"hashes": HASHES.dump(), "imageID": IMAGE, "acceleratorProduct": "H100", "ladder": "Complete"}
HOUR = 3600
START = 1000 * HOUR
BY_LATENCY = [{"metric": "TTFT", "statistic": "P99"}]


def finished(throughput: float = 1000, reason: str = "Completed", *, hour: float = -1, **status: Any) -> Ending:
    """It ended in a deployment that all these tests share, so long before the other task's start."""

    def end(experiment: Object) -> Object:
        assert HASHES is not None
        product = status.get("acceleratorProduct", "H100")
        spec = ExperimentSpec.model_validate(experiment["spec"])
        mark = fingerprint.fingerprint(spec, HASHES, status.get("imageID", IMAGE), product)
        level = make_level(throughput=throughput, ttft=throughput / 1e5)
        body = ended(experiment, reason, *([level] if reason in ("Completed", "SLOViolated") else []))
        over = {**conditions("Finished", "True", reason), "lastTransitionTime": at(START + hour * HOUR)}
        return merged(body, {"status": {**DEPLOYED, "fingerprint": mark, "conditions": [over], **status}})

    return end


def others(*endings: Ending, **spec: Any) -> list[Object]:
    """What a task of another name and goal has measured: first its baseline, then the space from its beginning."""
    slow = {"args": ["--max-running-requests=1"]}
    made = make_task("first", **{"search": {"maxExperiments": len(endings)}, "baseline": slow, **spec})
    story = Story(started_at(made))
    story.run_experiments(finished(500), *endings[: len(endings)])
    return [merged(one, {"metadata": {"ownerReferences": [controller(story.task)]}}) for one in story.experiments]


def started_at(task: Object, start: float = START) -> Object:
    return {**task, "status": {**started()["status"], "startTime": at(start)}}


def reusing(foreign: Sequence[Object], **spec: Any) -> Story:
    """A task that may reuse them, and has measured its baseline."""
    wishes = {"reuse": {"maxAgeHours": 168}, "maxExperiments": 9, **spec.pop("search", {})}
    story = Story(started_at(make_task(search=wishes, **spec)), foreign=tuple(foreign))
    story.step()
    story.end(finished(500))
    return story


def reused(story: Story) -> int | None:
    counts = story.plans[-1].status.experiments
    assert counts is not None
    return counts.reused


ALL = [finished(1000), finished(1100), finished(1200), finished(1300)]


class TestAnswer:
    def test_another_goal_on_the_same_deployment_needs_no_new_experiment(self) -> None:
        story = reusing(others(*ALL), objectives=BY_LATENCY)
        plan = story.step()

        assert story.names == ["chat-0"]
        assert condition(plan.status, "Succeeded") == ("True", "SpaceExhausted")
        assert plan.status.best is not None
        assert plan.status.best.experiment == "chat-0"
        assert plan.status.best.value == pytest.approx(0.005)
        assert plan.status.experiments is not None
        assert (plan.status.experiments.summary, plan.status.experiments.reused) == ("0/0", 4)
        assert (plan.status.message or "").endswith("the whole space was measured, 4 of others reused")
        assert plan.events[0] == (
            "Normal",
            "ExperimentsReused",
            "reusing 4 finished experiments of this namespace (search.reuse)",
        )

    def test_the_best_may_be_of_another_task_in_words_of_this_one(self) -> None:
        foreign = others(*ALL, parameters=[{"name": "mem-fraction-static", "values": [0.9, 0.8]}, tp("tensor")])
        story = reusing(foreign)
        plan = story.step()

        best = plan.status.best
        assert best is not None
        assert (best.experiment, best.gain) == ("first-4", "+160.0%")
        assert {pair.name for pair in best.parameters or []} == {"tp-size", "mem-fraction-static"}

    def test_what_is_left_is_measured_and_told_as_such(self) -> None:
        story = reusing(others(*ALL[:3]))
        plan = story.step()

        assert story.parameters == [[], ["2", "0.9"]]
        assert plan.status.message == "experiment 1 of 1 starting as chat-1"
        assert reused(story) == 3

    def test_the_baseline_of_another_task_switches_nothing_off(self) -> None:
        chunk = {"name": "chunked-prefill-size", "values": [512, 768], "when": "p.enable_mixed_chunk"}
        searched = [{"name": "enable-mixed-chunk", "toggle": True}, chunk]
        story = reusing(others(finished(900), parameters=searched), parameters=searched, objectives=BY_LATENCY)
        for speed in (1000, 1100):
            story.step()
            story.end(finished(speed))
        plan = story.step()

        assert story.parameters == [[], ["true", "512"], ["true", "768"]]
        assert condition(plan.status, "Succeeded") == ("True", "SpaceExhausted")

    def test_it_is_told_once(self) -> None:
        story = reusing(others(*ALL[:2]))
        story.step()
        story.end(finished(1))
        story.step()

        reasons = [event.reason for plan in story.plans for event in plan.events]
        assert reasons.count("ExperimentsReused") == 1

    def test_start_points_are_not_measured_again(self) -> None:
        story = reusing(others(*ALL[:1]), search={"startPoints": [{"args": ["--tp-size=1"]}], "maxExperiments": 1})
        story.step()

        assert story.parameters == [[], ["1", "0.9"]]

    def test_leaders_of_others_are_confirmed_with_prompts_of_this_task(self) -> None:
        story = reusing(others(*ALL), search={"confirm": {"top": 1, "maxRepeats": 4}})
        plan = story.step()

        [body] = plan.create_experiments
        assert body["spec"]["purpose"] == "Confirm"
        assert body["spec"]["benchmark"]["seed"] == "uid-chat"
        repeated = [one["spec"]["service"]["args"] for one in story.experiments[1:]]
        assert repeated in (
            [others(*ALL)[4]["spec"]["service"]["args"]],
            [story.experiments[0]["spec"]["service"]["args"]],
        )

    def test_what_another_task_calls_its_baseline_may_be_a_point_of_this_space(self) -> None:
        story = reusing(others(*ALL[:1], baseline={"args": ["--tp-size=2"]}))
        story.step()

        assert reused(story) == 2

    def test_slos_are_those_of_this_task(self) -> None:
        story = reusing(others(*ALL), slos=[{"metric": "TTFT", "max": "11ms"}])
        plan = story.step()

        assert plan.status.best is not None
        assert plan.status.best.experiment == "first-2"

    def test_accelerator_time_of_others_is_not_this_tasks(self) -> None:
        story = reusing(others(*[finished(gpuSeconds=3600)] * 4))

        usage = story.step().status.usage
        assert usage is not None
        assert usage.gpu_hours == 0

    def test_what_runs_out_of_memory_is_not_tried_again(self) -> None:
        story = reusing(others(finished(reason="OutOfMemory", ladder=None), *ALL[1:]))
        plan = story.step()

        assert story.names == ["chat-0"]
        assert reused(story) == 4
        assert condition(plan.status, "Succeeded") == ("True", "SpaceExhausted")


def tp(kind: str) -> Object:
    """A parameter that writes --tp-size under a name of its own."""
    variants = [{"name": f"{kind}-{number}", "args": [f"--tp-size={number}"]} for number in (1, 2)]
    return {"name": kind, "variants": variants}


def labelled(body: Object) -> Object:
    return merged(body, {"metadata": {"deletionTimestamp": at(0)}})


NOT_REUSED: list[tuple[str, Ending]] = [
    ("one that is too old", finished(hour=-169)),
    ("one that ended after the task's start", finished(hour=0.1)),
    ("another image", finished(imageID="docker.io/engine@sha256:bb")),
    ("another accelerator", finished(acceleratorProduct="A100")),
    ("another spec of the runtime", finished(hashes={"model": HASHES.model, "runtime": "0" * 32})),
    ("a ladder that was stopped for another goal", finished(ladder="StoppedHopeless")),
    ("a ladder that broke", finished(ladder="Broken")),
    ("one without a fingerprint", finished(fingerprint=None)),
    ("a crash that need not come again", finished(reason="EngineCrashed")),
    ("one that is not over", finished(conditions=[])),
]


class TestRefusal:
    @pytest.mark.parametrize("how", [row[1] for row in NOT_REUSED], ids=[row[0] for row in NOT_REUSED])
    def test_of(self, how: Ending) -> None:
        story = reusing(others(finished(), how))
        story.step()

        assert reused(story) == 1
        assert story.parameters[1] == ["1", "0.9"]

    def test_of_one_that_is_being_deleted(self) -> None:
        story = reusing([labelled(one) for one in others(*ALL)])
        story.step()

        assert reused(story) == 0

    def test_of_another_benchmark(self) -> None:
        story = reusing(others(*ALL, benchmark={"maxRequestsPerLevel": 77}))
        story.step()

        assert reused(story) == 0

    def test_of_what_the_constraints_of_this_task_forbid(self) -> None:
        story = reusing(others(*ALL), constraints=[{"rule": "p.tp_size == 2"}])
        plan = story.step()

        assert reused(story) == 2
        assert condition(plan.status, "Succeeded") == ("True", "SpaceExhausted")

    def test_of_everything_while_no_baseline_counts(self) -> None:
        story = reusing(others(*ALL))
        story.experiments.clear()
        plan = story.step()

        assert plan.create_experiments
        assert plan.create_experiments[0]["spec"]["purpose"] == "Baseline"
        assert reused(story) == 0

    def test_of_everything_after_a_baseline_whose_image_is_unknown(self) -> None:
        story = reusing(others(*ALL))
        story.experiments[-1] = ended(story.experiments[-1], "OutOfMemory", hashes=DEPLOYED["hashes"])
        story.step()

        assert reused(story) == 0

    def test_of_everything_unless_the_task_says_so(self) -> None:
        story = reusing(others(*ALL), search={"reuse": None})
        story.step()

        assert reused(story) is None
        assert len(story.names) == 2

    def test_of_its_own(self) -> None:
        story = reusing([])
        story.run_experiments(finished(1), finished(2))
        own = [merged(one, {"metadata": {"ownerReferences": [controller(story.task)]}}) for one in story.experiments]
        plan = story.step(foreign=tuple(own))

        assert plan.status.experiments is not None
        assert plan.status.experiments.reused == 0


@pytest.mark.parametrize(
    "strange", [{"spec": {"purpose": "Guess"}}, {"status": {"ladder": "Bent"}}], ids=["spec", "status"]
)
def test_what_cannot_be_read_answers_nothing_and_stops_nothing(strange: Object) -> None:
    found = others(*ALL[:2])
    story = reusing([merged(found[1], strange), found[2]])
    story.step()

    assert reused(story) == 1


def test_the_newest_of_several_counts() -> None:
    older, newer = others(finished(1000, hour=-9))[1], others(finished(2000, hour=-2))[1]
    renamed = merged(newer, {"metadata": {"name": "alone"}})
    story = reusing([older, renamed])
    plan = story.step()

    assert reused(story) == 1
    assert plan.status.best is not None
    assert plan.status.best.experiment == "alone"
