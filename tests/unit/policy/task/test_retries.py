"""What is measured again because its end is not believed, and what stops a task for good."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from autotuner.policy.task import common_cause
from autotuner.policy.task.decide import finished
from tests.unit.builders import condition, make_level
from tests.unit.task_builders import Ending, Story, ending, observed, reaching, running, started

BASELINE = reaching(1000)
MANY = [{"name": "max-running-requests", "values": [8, 16, 32, 48, 64, 96, 128]}]
LOG = {"exitCode": 1, "logTail": "no such file"}


def crash(message: str = "the engine's container ended with exit code 1", **more: Any) -> Ending:
    return ending("EngineCrashed", message=message, **more)


def retries(story: Story) -> list[str]:
    """The experiment that each of the story's measures again; empty for none."""
    return [one["spec"].get("retryOf", "") for one in story.experiments]


def played(*endings: Ending, **task: Any) -> Story:
    story = Story(started(**{"search": {"maxExperiments": 3}, **task}))
    story.run_experiments(*endings)
    return story


AGAIN: list[tuple[str, list[Ending], list[str]]] = [
    ("a configuration that died, once", [BASELINE, crash(), reaching(1)], ["", "", "chat-1", ""]),
    ("one that died twice, no more", [BASELINE, crash("a"), crash("b")], ["", "", "chat-1", ""]),
    ("one that named its cause at the start, not at all", [BASELINE, crash(reproducible=True)], ["", "", ""]),
    ("one that is out of memory, not at all", [BASELINE, ending("OutOfMemory")], ["", "", ""]),
    ("one that breaks the SLOs, not at all", [BASELINE, ending("SLOViolated", make_level(ttft=9))], ["", "", ""]),
    ("one that somebody cancelled, not at all", [BASELINE, ending("Cancelled")], ["", "", ""]),
    (
        "one that was evicted, three times",
        [BASELINE, *[ending("Evicted")] * 4],
        ["", "", "chat-1", "chat-1", "chat-1", ""],
    ),
    ("one that waited for a node in vain, once", [BASELINE, *[ending("QueueTimeout")] * 2], ["", "", "chat-1", ""]),
    (
        "one that was evicted and then died, each by its own count",
        [BASELINE, ending("Evicted"), crash(), ending("Evicted")],
        ["", "", "chat-1", "chat-1", "chat-1"],
    ),
    ("a baseline that died, before anything else", [crash(), BASELINE], ["", "chat-0", ""]),
    (
        "a baseline that died, again once others ran",
        [crash("a"), crash("b"), reaching(1), BASELINE],
        ["", "chat-0", "", "chat-0", ""],
    ),
    (
        "a baseline that always dies, five times",
        [*[crash("a"), crash("b")], *[end for word in "cdef" for end in (reaching(1), crash(word))], reaching(2)],
        ["", "chat-0", *["", "chat-0"] * 4, "", ""],
    ),
    (
        "weights that one node lacks, as what the surroundings spoiled",
        [BASELINE, ending("ModelNotReady", evidence=LOG), reaching(1)],
        ["", "", "chat-1", ""],
    ),
    (
        "flags that make the model unknown to an engine that served it, not at all",
        [BASELINE, ending("ModelUnsupported", evidence=LOG)],
        ["", "", ""],
    ),
]


@pytest.mark.parametrize(("endings", "expected"), [row[1:] for row in AGAIN], ids=[row[0] for row in AGAIN])
def test_measures_again(endings: list[Ending], expected: list[str]) -> None:
    story = played(*endings, parameters=MANY, search={"maxExperiments": 9})

    assert retries(story) == expected


def test_a_retry_measures_the_very_same() -> None:
    story = played(ending("Completed", acceleratorProduct="H100"), crash(), reaching(1))
    first, again = story.experiments[1]["spec"], story.experiments[2]["spec"]

    assert again == {**first, "retryOf": "chat-1"}
    assert story.plans[2].status.message is not None
    event = ("Normal", "ExperimentCreated", "chat-2: chat-1 again: chat-1 ended with EngineCrashed: the engine's")
    assert any(kind_and_words(one) == event for one in story.plans[2].events)


def kind_and_words(event: Any) -> tuple[str, str, str]:
    kind, reason, message = event
    return kind, reason, message.partition(" container")[0]


def test_what_the_surroundings_spoiled_costs_no_experiment() -> None:
    lost = [ending("Evicted")] * 4
    story = played(BASELINE, reaching(1), *lost, reaching(2), reaching(3))
    status = story.plans[-1].status

    assert condition(status, "Succeeded") == ("True", "Completed")
    assert status.experiments is not None
    assert status.experiments.summary == "3/3"
    assert (status.experiments.succeeded, status.experiments.failed) == (3, 1)
    assert [one.dump() for one in status.experiments.reasons or []] == [{"reason": "Evicted", "count": 4}]


def test_counts_the_ends_of_baselines_and_repeats_too() -> None:
    confirm = {"top": 1, "maxRepeats": 2}
    story = played(
        *[ending("Evicted"), BASELINE, ending("OutOfMemory"), reaching(1500), ending("NodeLost")],
        search={"maxExperiments": 2, "confirm": confirm},
    )
    counts = story.plans[-1].status.experiments

    assert counts is not None
    assert (counts.succeeded, counts.failed) == (1, 1)
    expected = [{"reason": reason, "count": 1} for reason in ("Evicted", "NodeLost", "OutOfMemory")]
    assert [one.dump() for one in counts.reasons or []] == expected


def test_a_death_that_a_retry_disproved_is_told_to_nobody() -> None:
    story = played(BASELINE, crash(), reaching(5000), reaching(1), reaching(2))
    status = story.plans[-1].status

    assert finished(status)
    assert status.best is not None
    assert status.best.experiment == "chat-2"
    assert status.experiments is not None
    assert (status.experiments.summary, status.experiments.failed) == ("3/3", 0)


def test_a_running_retry_says_what_it_repeats() -> None:
    story = played(BASELINE, crash())
    story.end(running)

    assert story.step().status.message == (
        "experiment 1 of 3, chat-1 again, benchmarking; the baseline is best: 1000 tok/s by chat-0"
    )


def test_a_baseline_that_was_evicted_is_the_baseline_after_its_retry() -> None:
    story = played(ending("Evicted"), BASELINE, reaching(1100), reaching(1), reaching(2))
    status = story.plans[-1].status

    assert status.baseline is not None
    assert status.baseline.experiment == "chat-1"
    assert status.best is not None
    assert status.best.gain == "+10.0%"


def by_purpose(experiment: Object) -> Object:
    """It is measured: the baseline at 1000, all others at 1500."""
    return reaching(1500 if experiment["spec"].get("parameters") else 1000)(experiment)


class TestConfirmation:
    def story(self, *repeats: Ending) -> Story:
        confirm = {"top": 1, "maxRepeats": 2}
        return played(BASELINE, reaching(1500), *repeats, search={"maxExperiments": 1, "confirm": confirm})

    def test_a_repeat_that_was_spoiled_is_measured_again_in_its_block(self) -> None:
        story = self.story(reaching(1500), ending("Evicted"))

        assert retries(story) == ["", "", "", "", "chat-3"]
        assert [one["spec"]["block"] for one in story.experiments[2:]] == [1, 1, 1]

    def test_a_repeat_that_died_by_chance_does_not_decide(self) -> None:
        story = self.story(crash(), *[by_purpose] * 4)
        status = story.plans[-1].status

        assert retries(story)[2:4] == ["", "chat-2"]
        assert finished(status)
        assert status.best is not None
        assert (status.best.experiment, status.best.confidence.verdict) == ("chat-1", "Improved")


STOPS: list[tuple[str, list[Ending], str, str]] = [
    (
        "whatever would end all others",
        [BASELINE, reaching(1), ending("AdmissionRejected", message="no")],
        "AdmissionRejected",
        "chat-2: no",
    ),
    (
        "a baseline whose program is not in the image",
        [crash("no such file", reproducible=True, evidence={"exitCode": 128, "neverRan": True})],
        "EngineCrashed",
        "chat-0: no such file; so would every other configuration end",
    ),
    (
        "the baseline and a configuration that die with the same words",
        [crash(f"m of chat-{number}-engine-x{number}") for number in range(4)],
        "EngineCrashed",
        "chat-3: m of chat-3-engine-x3; chat-1, the baseline, ended with the same words: look at runtime (its image and"
        " extraArgs) and model",
    ),
    (
        "the baseline and a configuration that do not serve, with the same words",
        [ending("EngineNotServing", message="no model list: HTTP 404")] * 3,
        "EngineNotServing",
        "chat-2: no model list: HTTP 404; chat-1, the baseline, ended with the same words: look at runtime.extraArgs"
        " and what the runtime's command adds to them",
    ),
    (
        "three causes with the same words before anything was measured",
        [ending("InvalidArguments", message="HTTP 422: no such parameter", reproducible=True)] * 3,
        "InvalidArguments",
        "chat-2: HTTP 422: no such parameter; chat-0, chat-1 ended with the same words: look at runtime.extraArgs,"
        " benchmark.requestParams and benchmark.scenarios",
    ),
    (
        "surroundings that spoil the baseline and its retry",
        [ending("QueueTimeout", message="no node")] * 2,
        "QueueTimeout",
        "chat-1: no node; the baseline ended like this again, and without it nothing is a gain: look at placement,"
        " timeouts.queueSeconds and the namespace's quota",
    ),
    (
        "surroundings that say the same three times in a row, later",
        [BASELINE, *[ending("BenchmarkFailed", message="no disk")] * 3],
        "BenchmarkFailed",
        "chat-3: no disk; chat-1, chat-2 ended with the same words: look at benchmark",
    ),
    (
        "a clock of Kueue's that no configuration keeps",
        [
            BASELINE,
            *[
                ending("PodsReadyTimeout", message=f"Exceeded the PodsReady timeout n/pod-chat-{one}-engine-5d-x{one}")
                for one in (1, 2, 3)
            ],
        ],
        "PodsReadyTimeout",
        "chat-3: Exceeded the PodsReady timeout n/pod-chat-3-engine-5d-x3; chat-1, chat-2 ended with the same words:"
        " look at Kueue's setting waitForPodsReady.timeout, which an engine's start and pull must fit into",
    ),
    (
        "three configurations in a row that the surroundings spoiled with all retries, whatever they say",
        [
            BASELINE,
            *[ending(reason, message=word) for word in "abc" for reason in ("QueueTimeout", "BenchmarkFailed")],
        ],
        "BenchmarkFailed",
        "chat-6: c; so did the surroundings spoil chat-2, chat-4: look at benchmark",
    ),
]


@pytest.mark.parametrize(("endings", "reason", "message"), [row[1:] for row in STOPS], ids=[row[0] for row in STOPS])
def test_a_task_stops_for(endings: list[Ending], reason: str, message: str) -> None:
    status = played(*endings).plans[-1].status

    assert condition(status, "Succeeded") == ("False", reason)
    assert status.message == message


@pytest.mark.parametrize(
    ("endings", "field"),
    [
        ([crash("m")] * 4, "target (its image and extraArgs)"),
        ([ending("OutOfMemory", message="m", reproducible=True)] * 3, "the memory limit of the target and placement"),
        (
            [ending("ImagePullFailed", message="m")] * 2,
            "target.image, benchmark.pod.image (absent: the operator's), and the Secrets to pull both",
        ),
        ([ending("QueueTimeout", message="m")] * 2, "placement, timeouts.queueSeconds and the namespace's quota"),
    ],
)
def test_a_task_of_a_target_is_told_its_own_fields(endings: list[Ending], field: str) -> None:
    story = played(*endings)
    found = common_cause.find(observed(story.task, story.experiments).measured, target=True)

    assert found is not None
    assert found.message.endswith(f": look at {field}")


GOES_ON: list[tuple[str, list[Ending]]] = [
    ("a baseline that a person cancels again and again", [ending("Cancelled", message="cancelled on request")] * 3),
    ("one eviction after the other", [BASELINE, *[ending("Evicted", message="drained")] * 3]),
    ("refused configurations once one was measured", [BASELINE, *[ending("InvalidArguments", message="no")] * 2]),
    ("two causes with the same words", [ending("OutOfMemory", message="no", reproducible=True)] * 2),
    ("a baseline that named a cause of its own", [crash("no kernel", reproducible=True, evidence=LOG)]),
    ("deaths that say different things", [crash("a"), crash("b"), crash("c"), crash("d")]),
    (
        "spoiled ones with something learned between them",
        [
            BASELINE,
            *[ending("QueueTimeout", message="a")] * 2,
            ending("OutOfMemory"),
            *[ending("QueueTimeout", message="a")] * 2,
        ],
    ),
]


@pytest.mark.parametrize("endings", [row[1] for row in GOES_ON], ids=[row[0] for row in GOES_ON])
def test_a_task_goes_on_after(endings: list[Ending]) -> None:
    assert not finished(played(*endings).plans[-1].status)


def test_failed_experiments_have_a_budget() -> None:
    budget: Object = {"maxFailedExperiments": 2}
    story = played(BASELINE, reaching(1500), ending("OutOfMemory"), crash(), budget=budget)
    status = story.plans[-1].status

    assert condition(status, "Succeeded") == ("True", "BudgetExhausted")
    assert status.best is not None
    assert status.best.experiment == "chat-1"
    assert status.message is not None
    assert status.message.endswith("budget.maxFailedExperiments 2 is used up: 2 failed, last chat-3: EngineCrashed")


def test_a_budget_of_failures_without_anything_measured_fails_the_task() -> None:
    status = played(crash("a"), crash("b"), budget={"maxFailedExperiments": 2}).plans[-1].status

    assert condition(status, "Succeeded") == ("False", "BudgetExhausted")
