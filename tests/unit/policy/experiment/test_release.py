"""The end of an experiment: results first, then the release of everything, then for good."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from autotuner.policy.conditions import find
from autotuner.policy.experiment import fingerprint
from autotuner.policy.experiment.decide import Plan, decide, finished
from autotuner.policy.experiment.observed import ObservedExperiment
from tests.unit.builders import (
    after,
    at,
    condition,
    make_experiment,
    make_isvc,
    make_job,
    make_level,
    make_model,
    make_pod,
    make_result,
    make_runtime,
    merged,
    seen,
    terminated,
    written,
)
from tests.unit.policy.experiment.measured_states import EXPERIMENT, MEASURED, MEASURING, OURS, READY, SERVICE, measured

FINALIZERS = ["inferenceservice.finalizers", "foregroundDeletion"]
HELD = (
    "InferenceService chat-1 (finalizer inferenceservice.finalizers); OME's controller has not removed its finalizer"
    " inferenceservice.finalizers: is Deployment ome-controller-manager in namespace ome running?"
)


def later(before: Plan, **state: Any) -> ObservedExperiment:
    """What is seen once the plan's status was written."""
    return seen(written(EXPERIMENT, before.status), **state)


def measured_at(plan: Plan) -> list[int]:
    """The concurrencies of the levels that were written down."""
    return [level.concurrency for level in plan.status.levels or []]


def test_a_cancellation_after_the_end_is_acknowledged_and_without_effect() -> None:
    over = written(EXPERIMENT, decide(later(measured()), after(103)).status)
    over = {**over, "metadata": {**over["metadata"], "generation": 2}, "spec": {**over["spec"], "cancel": True}}
    before = seen(over).status

    plan = decide(seen(over), after(500))

    assert plan.status.observed_generation == 2
    assert {one.observed_generation for one in plan.status.conditions or []} == {2}
    assert (plan.status.reason, plan.status.phase, plan.release) == (before.reason, before.phase, False)
    assert [(event.kind, event.reason) for event in plan.events] == [("Warning", "AlreadyFinished")]
    assert decide(seen(written(over, plan.status)), after(510)) == Plan(plan.status, mark_finished=plan.mark_finished)


class TestRelease:
    def test_results_are_written_before_anything_is_said_to_be_over(self) -> None:
        plan = measured()

        assert plan.release
        assert not plan.mark_finished
        assert not finished(plan.status)
        assert (plan.status.phase, plan.status.reason, plan.status.ladder) == ("Releasing", "Completed", "Complete")
        assert measured_at(plan) == [8]
        assert plan.status.times is not None
        assert (plan.status.times.first_request, plan.status.times.benchmark_finished) == (at(31), at(61))
        assert plan.status.fingerprint is not None
        assert plan.status.evidence is None
        assert condition(plan.status, "Benchmarked") == ("True", "Completed")
        assert condition(plan.status, "Released") == ("False", "Releasing")
        assert condition(plan.status, "Succeeded") == ("Unknown", "Releasing")
        assert plan.events == (("Normal", "Completed", "1 level measured"),)
        assert plan.look_again == after(66)

    def test_what_was_measured_before_a_failure_is_kept(self) -> None:
        result = make_result(make_level(4), failure="Acceptance", message="too many errors")
        broken = make_pod("benchmark", ended=result)
        state: Object = {**OURS, "engine": [READY], "benchmark": [broken]}
        first = decide(seen(EXPERIMENT, **state), after(61))
        plan = decide(later(first, **state), after(64))

        assert plan.status.reason == "BenchmarkFailed"
        assert measured_at(plan) == [4]
        assert plan.status.fingerprint is None
        assert plan.events == (("Warning", "BenchmarkFailed", "too many errors"),)

    def test_a_crash_leaves_evidence(self) -> None:
        plan = decide(
            seen(EXPERIMENT, **OURS, engine=[make_pod(ended=terminated(139))], engine_log="segfault at 0"), after(20)
        )

        assert plan.status.evidence is not None
        assert plan.status.evidence.dump() == {"exitCode": 139, "logTail": "segfault at 0"}
        assert condition(plan.status, "Benchmarked") == ("False", plan.status.reason)

    @pytest.mark.parametrize(
        ("log", "reason", "known"),
        [
            ("torch.OutOfMemoryError: CUDA out of memory", "OutOfMemory", True),
            ("launch_server.py: error: unrecognized arguments: --nonsense", "InvalidArguments", True),
            ("segfault at 0", "EngineCrashed", False),
            ("Subprocess scheduler_0 (pid=88) crashed with exit code -9.", "OutOfMemory", False),
        ],
    )
    def test_only_failures_that_would_come_again_are_comparable(self, log: str, reason: str, known: bool) -> None:
        died = make_pod(ended=terminated(1))
        plan = decide(seen(EXPERIMENT, **OURS, engine=[died], engine_log=log), after(20))

        assert plan.status.reason == reason
        assert (plan.status.fingerprint is not None) == known

    def test_what_the_engine_did_otherwise_is_noted(self) -> None:
        log = "[2025-11-20 10:00:00] FlashMLA is not supported here, falling back to Triton.\n"
        plan = decide(seen(EXPERIMENT, **OURS, engine=[READY], benchmark=[MEASURED], engine_log=log), after(61))

        assert plan.status.reason == "Completed"
        assert plan.status.notes == ["FlashMLA is not supported here, falling back to Triton."]

    VERSION_LOG = "(APIServer pid=1) INFO 11-20 10:00:00 [utils.py:283]  ▄▄ ▄█ █     █     █ ▀▄▀ █  version 0.32.0\n"

    @pytest.mark.parametrize("engine", ["VLLM", "SGLang"])
    def test_an_engine_that_died_says_its_version_in_its_log(self, engine: str) -> None:
        experiment = make_experiment(service={"engine": engine})
        ours: Object = {"root": make_isvc(experiment), "job": make_job(experiment)}
        log = f"{self.VERSION_LOG}api_server.py: error: unrecognized arguments: --nonsense\n"
        plan = decide(seen(experiment, **ours, engine=[make_pod(ended=terminated(2))], engine_log=log), after(20))

        assert plan.status.reason == "InvalidArguments"
        assert plan.status.engine_version == ("0.32.0" if engine == "VLLM" else None)

    def test_what_an_engine_answered_counts_more_than_its_log(self) -> None:
        experiment = make_experiment(service={"engine": "VLLM"})
        ours: Object = {"root": make_isvc(experiment), "job": make_job(experiment)}
        answered = make_pod("benchmark", ended=make_result(make_level(), engine_version="0.33.0"))
        around: Object = {"engine": [READY], "benchmark": [answered], "engine_log": self.VERSION_LOG}
        plan = decide(seen(experiment, **ours, **around), after(61))

        assert plan.status.engine_version == "0.33.0"

    def test_nothing_is_comparable_that_was_edited_while_it_was_measured(self) -> None:
        before = decide(seen(EXPERIMENT), after(1))
        assert before.create_root
        assert before.status.hashes == fingerprint.hashes(make_model(), make_runtime())
        pods: Object = {"engine": [READY], "benchmark": [MEASURED]}

        plan = decide(later(before, **OURS, **pods, runtime=make_runtime(args=["--x"])), after(61))

        assert plan.status.reason == "Completed"
        assert plan.status.hashes == before.status.hashes
        assert plan.status.fingerprint is None

    def test_cancelling_is_no_warning(self) -> None:
        plan = decide(seen({**EXPERIMENT, "spec": EXPERIMENT["spec"] | {"cancel": True}}), after(5))

        assert plan.events == (("Normal", "Cancelled", "cancelled on request"),)

    def test_cancelling_after_the_results_changes_nothing(self) -> None:
        body = written(EXPERIMENT, measured().status)
        plan = decide(seen({**body, "spec": body["spec"] | {"cancel": True}}), after(63))

        assert (plan.status.reason, plan.status.phase) == ("Completed", "Succeeded")

    IN_THE_WAY: tuple[tuple[str, Object], ...] = (
        ("the InferenceService", {"root": make_isvc(EXPERIMENT, deleting=True)}),
        ("the Job", {"job": make_job(EXPERIMENT, deleting=True)}),
        ("the engine's pod", {"engine": [make_pod(deleting=True)]}),
        ("the benchmark's pod", {"benchmark": [make_pod("benchmark", deleting=True)]}),
        ("a pod that never had a node", {"engine": [make_pod(node=None, deleting=True)]}),
        (
            "one of two pods, the other being on a lost node",
            {
                "engine": [make_pod(deleting=True), make_pod(node="node-b", deleting=True)],
                "lost_nodes": frozenset({"node-a"}),
            },
        ),
        (
            "an InferenceService whose deletion has not begun",
            {**SERVICE, "engine": [make_pod(deleting=True)], "lost_nodes": frozenset({"node-a"})},
        ),
        (
            "an InferenceService that no lost node explains",
            {"root": make_isvc(EXPERIMENT, deleting=True), "lost_nodes": frozenset({"node-a"})},
        ),
    )

    @pytest.mark.parametrize("left", [row[1] for row in IN_THE_WAY], ids=[row[0] for row in IN_THE_WAY])
    def test_the_slot_is_held_by(self, left: Object) -> None:
        body = written(EXPERIMENT, measured().status)
        plan = decide(seen(body, **left), after(70))

        assert plan.release
        assert (plan.status.phase, plan.events) == ("Releasing", ())
        assert condition(plan.status, "Released") == ("False", "Releasing")
        assert plan.look_again == after(75)

    @pytest.mark.parametrize("left", [row[1] for row in IN_THE_WAY], ids=[row[0] for row in IN_THE_WAY])
    def test_accelerators_are_free_once_everything_goes_and_no_pod_is_left(self, left: Object) -> None:
        plan = decide(later(measured(), **left), after(70))

        assert plan.status.times is not None
        free = "engine" not in left and "benchmark" not in left
        assert plan.status.times.pods_gone == (at(70) if free else None)

    GONE: tuple[tuple[str, Object], ...] = (
        ("nothing is left", {}),
        ("what is left is another's", {"root": make_isvc(), "job": make_job()}),
        (
            "the last pod is on a node that is lost",
            {"engine": [make_pod(deleting=True)], "lost_nodes": frozenset({"node-a"})},
        ),
        (
            "what is left only waits for a pod on a lost node",
            {
                "root": make_isvc(EXPERIMENT, deleting=True),
                "job": make_job(EXPERIMENT, deleting=True),
                "engine": [make_pod(deleting=True)],
                "lost_nodes": frozenset({"node-a"}),
            },
        ),
    )

    @pytest.mark.parametrize("left", [row[1] for row in GONE], ids=[row[0] for row in GONE])
    def test_is_over_when(self, left: Object) -> None:
        plan = decide(later(measured(), **left), after(103))

        assert finished(plan.status)
        assert plan.mark_finished
        assert (plan.status.phase, plan.status.reason) == ("Succeeded", "Completed")
        assert condition(plan.status, "Released") == ("True", "Released")
        assert condition(plan.status, "Succeeded") == ("True", "Completed")
        assert condition(plan.status, "Finished") == ("True", "Completed")
        assert plan.status.gpu_seconds == 200.0  # two accelerators from second 3 to second 103
        assert plan.status.times is not None
        assert (plan.status.times.pods_gone, plan.status.times.released) == (at(103), at(103))
        assert plan.events == (("Normal", "Released", "everything is deleted; it held its node for 100 s"),)

    def test_an_engine_without_accelerators_used_none(self) -> None:
        without = merged(EXPERIMENT, {"spec": {"service": {"accelerator": {"resource": ""}}}})
        state = seen(without | {"status": MEASURING["status"]}, **OURS, engine=[READY], benchmark=[MEASURED])
        plan = decide(seen(written(without, decide(state, after(61)).status)), after(103))

        assert (finished(plan.status), plan.status.accelerators, plan.status.gpu_seconds) == (True, 0, None)

    SILENT = make_result(failure="EngineNotServing", message="the engine stopped answering")
    SHED = make_result(make_level(8), make_level(16, errors=5))

    @pytest.mark.parametrize(
        ("result", "reason"), [(SILENT, "EngineNotServing"), (SHED, "Completed")], ids=["silent", "sheds load"]
    )
    @pytest.mark.parametrize("node", ["node-a", "node-b"])
    def test_an_engine_that_fails_before_its_node_is_missed_is_not_to_blame(
        self, result: Object, reason: str, node: str
    ) -> None:
        benchmark = [make_pod("benchmark", ended=result)]
        over = merged(MEASURING, {"status": {"times": {"benchmarkFinished": at(60)}}})
        ending = decide(seen(over, **OURS, engine=[READY], benchmark=benchmark), after(70))
        assert (ending.status.reason, ending.release) == (reason, True)
        left = {"engine": [make_pod(deleting=True)], "lost_nodes": frozenset({"node-a"})}
        plan = decide(later(ending, **(left if node == "node-a" else {})), after(120))

        assert finished(plan.status)
        if node != "node-a":
            assert plan.status.reason == reason
            return
        said = f"the engine's node node-a is lost; before that was known: {ending.status.message}"
        assert (plan.status.phase, plan.status.reason, plan.status.message) == ("Failed", "NodeLost", said)
        assert (plan.status.reproducible, plan.status.fingerprint) == (False, None)
        for kind in ("Benchmarked", "Succeeded"):
            assert condition(plan.status, kind) == ("False", "NodeLost")
        assert condition(plan.status, "Finished") == ("True", "NodeLost")
        assert [(event.kind, event.reason) for event in plan.events] == [
            ("Warning", "NodeLost"),
            ("Normal", "Released"),
        ]

    def test_a_failure_ends_as_failed(self) -> None:
        ending = decide(seen(EXPERIMENT, model=None), after(5))
        plan = decide(later(ending, model=None), after(6))

        assert (plan.status.phase, plan.status.reason) == ("Failed", "ModelNotReady")
        assert condition(plan.status, "Succeeded") == ("False", "ModelNotReady")
        assert plan.status.gpu_seconds == 0.0
        assert plan.status.message == "ClusterBaseModel llama does not exist; create it"

    def test_the_teardown_clock_starts_with_the_release(self) -> None:
        started = decide(seen(EXPERIMENT, **SERVICE), after(2))
        body = written(EXPERIMENT, started.status)
        ended = decide(seen(body, **OURS, engine=[READY], benchmark=[MEASURED]), after(1000))

        plan = decide(later(ended, engine=[make_pod(deleting=True)]), after(1049))

        assert condition(plan.status, "Released") == ("False", "Releasing")
        assert plan.events == ()
        assert plan.look_again == after(1050)

    def test_a_webhook_that_keeps_the_finalizers_in_place_is_named(self) -> None:
        body = written(EXPERIMENT, measured().status)
        words = (
            'failed calling webhook "mjob.kb.io": Post "https://kueue-webhook-service.kueue-system.svc:443/": refused'
        )

        plan = decide(seen(body, job=make_job(EXPERIMENT, deleting=True), failing_webhook=words), after(111))

        released = find(plan.status.conditions, "Released")
        assert released is not None
        assert released.message.startswith("not gone after 50 s: Job chat-1; Kueue's webhook mjob.kb.io does")

    def test_a_release_that_takes_too_long_names_what_is_in_the_way(self) -> None:
        body = written(EXPERIMENT, measured().status)
        left: Object = {
            "root": make_isvc(EXPERIMENT, deleting=True),
            "engine": [merged(make_pod(deleting=True), {"metadata": {"finalizers": ["example.com/billing"]}})],
            "benchmark": [make_pod("benchmark", node=None, deleting=True)],
        }

        plan = decide(seen(body, **left), after(111))

        message = (
            "not gone after 50 s: InferenceService chat-1, pod engine-pod on node-a (finalizer example.com/billing),"
            " pod benchmark-pod without a node"
        )
        assert condition(plan.status, "Released") == ("False", "TeardownStuck")
        assert plan.events == (("Warning", "TeardownStuck", message),)
        assert plan.release
        assert plan.look_again == after(116)

        again = decide(later(plan, **left), after(120))
        assert again.status == plan.status
        assert again.events == ()

    def test_a_release_that_was_stuck_ends_like_any_other(self) -> None:
        stuck = decide(later(measured(), engine=[make_pod(deleting=True)]), after(111))

        assert finished(decide(later(stuck), after(130)).status)

    def test_a_finalizer_is_named_and_costs_no_accelerator_seconds(self) -> None:
        held = merged(make_isvc(EXPERIMENT, deleting=True), {"metadata": {"finalizers": FINALIZERS}})
        free = decide(later(measured(), root=held), after(63))
        waiting = decide(later(free, root=held), after(100))
        stuck = decide(later(waiting, root=held), after(112))
        over = decide(later(stuck, root=held), after(113))

        assert condition(free.status, "Released") == ("False", "Releasing")
        released = find(waiting.status.conditions, "Released")
        assert released is not None
        assert (released.reason, released.message) == ("Releasing", f"its pods are gone; still there: {HELD}")
        assert stuck.events == (("Warning", "TeardownStuck", f"not gone after 50 s: {HELD}"),)
        assert stuck.look_again == after(113), "teardownSeconds after the last pod"
        assert finished(over.status)
        assert over.mark_finished and not over.release
        assert condition(over.status, "Released") == ("True", "Released")
        assert over.events == (("Warning", "Released", f"its pods are gone; still there: {HELD}"),)
        assert over.status.gpu_seconds == 120.0  # two accelerators from second 3 to second 63
        assert over.status.times is not None
        assert (over.status.times.pods_gone, over.status.times.released) == (at(63), at(113))

    def test_pods_that_come_back_hold_their_accelerators_again(self) -> None:
        going: Object = {"root": make_isvc(EXPERIMENT, deleting=True)}
        free = decide(later(measured(), **going), after(63))
        back = decide(later(free, **going, engine=[make_pod(deleting=True)]), after(64))

        assert back.status.times is not None
        assert back.status.times.pods_gone is None

    def test_a_pod_is_waited_for_whatever_finalizers_there_are(self) -> None:
        held = merged(make_isvc(EXPERIMENT, deleting=True), {"metadata": {"finalizers": FINALIZERS}})
        stuck = decide(later(measured(), root=held, engine=[make_pod(deleting=True)]), after(9999))

        assert not finished(stuck.status)
        assert condition(stuck.status, "Released") == ("False", "TeardownStuck")

    def test_a_model_that_was_deleted_is_named_as_the_cause(self) -> None:
        held = merged(make_isvc(EXPERIMENT, deleting=True), {"metadata": {"finalizers": FINALIZERS}})
        stuck = decide(later(measured(), root=held, model=None), after(111))

        assert "ClusterBaseModel llama was deleted" in stuck.events[0].message


class TestFinished:
    BODY = written(EXPERIMENT, decide(later(measured()), after(70)).status)

    def test_nothing_brings_it_back(self) -> None:
        plan = decide(seen({**self.BODY, "spec": self.BODY["spec"] | {"cancel": True}}, **OURS), after(9999))

        assert plan.status.dump() == self.BODY["status"]
        assert not (plan.create_root or plan.create_job or plan.release or plan.events)

    @pytest.mark.parametrize(("label", "want"), [(None, True), ("false", True), ("true", False)])
    def test_the_label_is_set_until_it_is_there(self, label: str | None, want: bool) -> None:
        labels = {"autotuner.io/finished": label} if label else {}
        body = {**self.BODY, "metadata": {**self.BODY["metadata"], "labels": labels}}

        assert decide(seen(body), after(80)).mark_finished is want
