"""When a task may go on comparing: what it measures is still what experiment 0 measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autotuner import backend_choice
from autotuner.api.experiment import ExperimentStatus
from autotuner.kubernetes_object import Object
from autotuner.policy.evidence import drift
from autotuner.policy.experiment import fingerprint
from autotuner.policy.task.decide import decide, finished
from tests.unit.builders import after, condition, make_level, make_model, make_runtime, merged
from tests.unit.task_builders import Ending, Story, ended, ending, live_model, live_runtime, observed, reaching, started

HASHES = {"model": "0" * 32, "runtime": "1" * 32}
TRACE = {"scenario": "day", "requests": 9, "outputTokensMean": 2.5, "outputTokensMax": 4, "digest": "3" * 32}
FIRST = {
    "traces": [TRACE],
    "hashes": HASHES,
    "imageID": "docker.io/engine@sha256:aa",
    "acceleratorProduct": "H100",
    "node": "node-a",
}
DEPLOYED = fingerprint.hashes(live_model(), live_runtime())


def status(**changes: Any) -> ExperimentStatus:
    return ExperimentStatus.model_validate(merged(FIRST, changes))


DIFFERENCES: list[tuple[str, Object, str]] = [
    ("nothing", {}, ""),
    ("another model", {"hashes": {"model": "2" * 32}}, "was deployed from another spec of the model"),
    ("another runtime", {"hashes": {"runtime": "2" * 32}}, "was deployed from another spec of the runtime"),
    (
        "another image",
        {"imageID": "docker.io/engine@sha256:bb"},
        "ran the image docker.io/engine@sha256:bb instead of docker.io/engine@sha256:aa",
    ),
    ("the same image by way of a mirror", {"imageID": "mirror.local/engine@sha256:aa"}, ""),
    ("another accelerator", {"acceleratorProduct": "A100"}, "ran on A100 instead of H100"),
    (
        "accelerators that others may use too",
        {"acceleratorSharing": "mps, 4 clients"},
        "ran on shared accelerators (mps, 4 clients) instead of accelerators of its own",
    ),
    ("the same trace", {"traces": [TRACE]}, ""),
    (
        "a trace that was edited",
        {"traces": [{**TRACE, "digest": "4" * 32}]},
        "read other requests from the trace of scenario day than those",
    ),
    ("no trace yet", {"traces": None}, ""),
    ("an engine that never started", {"imageID": None, "acceleratorProduct": None}, ""),
    ("an experiment of an older operator", {"hashes": None}, ""),
]


@pytest.mark.parametrize(
    ("changes", "difference"), [row[1:] for row in DIFFERENCES], ids=[row[0] for row in DIFFERENCES]
)
def test_difference_to_the_baseline(changes: Object, difference: str) -> None:
    assert drift.difference(status(), status(**changes)) == difference


def test_a_baseline_without_a_result_fixes_what_it_knows() -> None:
    crashed = status(imageID=None, acceleratorProduct=None)

    assert drift.difference(crashed, status()) == ""
    assert drift.difference(crashed, status(hashes={"model": "2" * 32})) != ""


def test_hashes_are_of_specs_alone() -> None:
    assert fingerprint.hashes(make_model(), make_runtime()) == fingerprint.hashes(
        make_model("Failed", name="other"), make_runtime()
    )
    assert fingerprint.hashes(make_model(path="/elsewhere"), make_runtime()) != fingerprint.hashes(
        make_model(), make_runtime()
    )
    assert fingerprint.hashes(None, make_runtime()) is None


def ran(throughput: float, **changes: Any) -> Ending:
    """It is measured, deployed as the world of these tests is."""
    assert DEPLOYED is not None
    known = {**FIRST, "hashes": DEPLOYED.dump(), **changes}
    return lambda experiment: ended(experiment, "Completed", make_level(throughput=throughput), **known)


def edited(body: Object) -> Object:
    return {**body, "spec": {**body["spec"], "vendor": "somebody else"}}


LIVE: list[tuple[str, Object, str]] = [
    ("model", edited(live_model()), "ClusterBaseModel llama-3-2-1b-instruct was changed since the baseline chat-0"),
    ("runtime", edited(live_runtime()), "was changed since the baseline chat-0 was deployed"),
]


class TestTask:
    @pytest.mark.parametrize(("kind", "live", "words"), LIVE, ids=[row[0] for row in LIVE])
    def test_stops_when_somebody_edits_what_it_measures(self, kind: str, live: Object, words: str) -> None:
        story = Story()
        story.run_experiments(ran(1000), ran(1100))

        story.end(ran(1200))
        plan = story.step(**{kind: live})

        assert not plan.create_experiments
        assert condition(plan.status, "Succeeded") == ("False", "RuntimeChanged")
        assert words in (plan.status.message or "")
        assert (plan.status.message or "").endswith("create a new TuningTask")
        assert finished(plan.status)

    @pytest.mark.parametrize(("backend", "stops"), [("OMEInferenceService", True), ("Deployment", False)])
    def test_of_a_target_minds_edits_of_a_model_that_is_an_object(self, backend: str, stops: bool) -> None:
        story = Story()
        story.run_experiments(ran(1000))
        story.end(ran(1200))
        seen = observed(story.task, story.experiments, model=edited(live_model()))

        plan = decide(replace(seen, backend=backend_choice.BACKENDS[backend]), after(100))

        assert (condition(plan.status, "Succeeded") == ("False", "RuntimeChanged")) == stops

    def test_lets_a_running_experiment_end_first(self) -> None:
        story = Story()
        story.run_experiments(ran(1000))

        plan = story.step(runtime=edited(live_runtime()))

        assert not finished(plan.status)
        assert plan.withdraw == ()

    def test_does_not_mind_edits_before_a_baseline_counts(self) -> None:
        story = Story()
        story.step()
        story.end(ending("QueueTimeout", hashes=HASHES))

        plan = story.step(runtime=edited(live_runtime()))

        assert plan.create_experiments
        assert plan.create_experiments[0]["spec"]["purpose"] == "Baseline"

    def test_holds_a_crashed_baseline_against_the_runtime_too(self) -> None:
        story = Story()
        story.step()
        story.end(ending("OutOfMemory", hashes=HASHES))

        assert condition(story.step().status, "Succeeded") == ("False", "RuntimeChanged")

    def test_does_not_mix_an_experiment_that_ran_another_image(self) -> None:
        story = Story()
        plan = story.run_experiments(ran(1000), ran(1100), ran(9999, imageID="docker.io/engine@sha256:bb"))

        assert condition(plan.status, "Succeeded") == ("False", "RuntimeChanged")
        assert plan.status.message == (
            "chat-2 ran the image docker.io/engine@sha256:bb instead of docker.io/engine@sha256:aa, which the baseline"
            " chat-0 measured: figures of two deployments cannot be compared; name the image by its digest, which never"
            " changes, and create a new TuningTask"
        )
        assert plan.status.best is not None
        assert plan.status.best.experiment == "chat-1"
        counts = plan.status.experiments
        assert counts is not None
        assert [reason.dump() for reason in counts.reasons or []] == [{"reason": "RuntimeChanged", "count": 1}]

    def test_goes_on_after_experiments_that_know_nothing_of_it(self) -> None:
        story = Story(started())
        plan = story.run_experiments(reaching(1), reaching(2))

        assert plan.create_experiments
