"""The probe of a task's image: after the start, before anything that costs."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from autotuner.ownership import owner_reference
from autotuner.policy.evidence.probe import ObservedProbe
from autotuner.policy.task.decide import decide
from autotuner.policy.task.plan import TaskPlan
from autotuner.serving import pods
from autotuner.serving.ome.wanted_objects import runtime_object
from autotuner.serving.pods import PodView
from tests.unit.builders import after, at, condition, controller, make_job, make_pod, terminated, written
from tests.unit.engines.probed import FLAGS, logged, printed
from tests.unit.task_builders import live_model, make_task, observed, shipped

IMAGE = "docker.io/vllm/vllm-openai:v0.33.0"
RUNTIME = "vllm-llama-small"
UID = "uid-chat"
NEW_FLAG = [{"name": "new-flag", "choices": ["a", "b"]}]


def task(parameters: list[Object] | None = None, **spec: Any) -> Object:
    """A task of vLLM that wants its image probed; by default over a flag that no known release has."""
    return make_task(
        **{
            "runtime": {"preset": RUNTIME, "probe": True},
            "parameters": parameters or NEW_FLAG,
            "baseline": None,
            "benchmark": {"tokenizer": {"source": "Hub", "id": "meta-llama/Llama-3.2-1B-Instruct"}},
            **spec,
        }
    )


def step(body: Object, seconds: float, **around: Any) -> TaskPlan:
    """A reconcile of the task, for which no runtime exists yet."""
    wanted = runtime_object(shipped().runtimes[RUNTIME], live_model())
    return decide(observed(body, **{"runtime": None, "wanted_runtime": wanted, **around}), after(seconds))


def begun(**spec: Any) -> Object:
    """The task once it has started and wants its probe."""
    body = task(**spec)
    body = written(body, step(body, 0).status)
    return written(body, step(body, 1).status)


def pod(**state: Any) -> PodView:
    return pods.view(make_pod("probe", **state), "probe")


def probe(pod: PodView | None = None, log: str = "", **more: Any) -> ObservedProbe:
    body = task()
    job = make_job(body, "chat-flags")
    return ObservedProbe(UID, **{"job": job, "pod": pod, "log": log, **more})


def ended(log: str, exit_code: int = 0) -> ObservedProbe:
    failed = ("BackoffLimitExceeded", "Job has reached the specified backoff limit") if exit_code else None
    job = make_job(task(), "chat-flags", failed=failed)
    return probe(pod(ended=terminated(exit_code)), log, job=job)


def kept(text: str | None = None, owner: Object | None = None) -> ObservedProbe:
    """The probe once its answer is in the ConfigMap."""
    meta = {"name": "chat-flags", "ownerReferences": [controller(owner or task())]}
    return ObservedProbe(UID, {"metadata": meta, "data": {"flags.json": printed() if text is None else text}})


def told(**spec: Any) -> Object:
    """The task once the answer is in its status."""
    body = begun(**spec)
    return written(body, step(body, 10, probe=ended(logged())).status)


class TestBeforeTheStart:
    def test_what_no_known_release_has_is_doubted_only(self) -> None:
        plan = step(task(), 0)

        valid = next(one for one in plan.status.conditions or [] if one.type == "Valid")
        assert (valid.status, plan.status.start_time) == ("True", at(0))
        assert "parameters[new-flag]: the probe will decide: vLLM 0.33.0 has no such flag" in valid.message
        assert valid.message.endswith(f"{IMAGE}'s own parser will be asked for its flags (probe)")

    def test_nothing_is_created(self) -> None:
        plan = step(task(), 0)

        assert plan.create_probe is plan.write_probe is plan.create_model is None

    @pytest.mark.parametrize(
        ("runtime", "engine"),
        [
            ({"preset": "simulated-vllm"}, "the simulated engine"),
            ({"preset": None, "name": "own", "engine": "Custom"}, "an engine other than SGLang and VLLM"),
        ],
    )
    def test_what_has_no_parser_cannot_be_probed(self, runtime: Object, engine: str) -> None:
        own = {"kind": "ClusterServingRuntime", "metadata": {"name": "own"}, "spec": {"engineConfig": {}}}
        around = {"runtime": own} if "name" in runtime else {}
        plan = step(task(runtime={**runtime, "probe": True}, parameters=[{"name": "x", "values": [1]}]), 0, **around)

        assert plan.status.start_time is None
        assert f"runtime.probe: {engine} has no argument parser" in (plan.status.message or "")


class TestTheJob:
    def test_is_created_first(self) -> None:
        body = task()
        plan = step(written(body, step(body, 0).status), 1, model=None)

        assert plan.create_probe is not None
        assert plan.create_probe["metadata"]["name"] == "chat-flags"
        assert plan.create_probe["metadata"]["ownerReferences"] == [owner_reference(body)]
        assert plan.create_model is plan.create_runtime is None
        assert not plan.create_experiments
        assert plan.status.probe is not None
        assert (plan.status.probe.image, plan.status.probe.started_at) == (IMAGE, at(1))
        assert plan.status.message == f"Job chat-flags asks {IMAGE} for its engine's flags"
        assert plan.look_again == after(3)

    def test_is_created_once(self) -> None:
        assert step(begun(), 5, probe=probe()).create_probe is None

    def test_goes_where_the_engines_go(self) -> None:
        place = {"nodeSelector": {"pool": "gpu"}, "tolerations": [{"key": "gpu", "operator": "Exists"}]}
        body = task(placement={**place, "queueName": "gpus"})
        plan = step(written(body, step(body, 0).status), 1)

        assert plan.create_probe is not None
        spec = plan.create_probe["spec"]["template"]["spec"]
        assert spec["nodeSelector"] == place["nodeSelector"]
        assert plan.create_probe["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
        assert [one["key"] for one in spec["tolerations"]] == ["nvidia.com/gpu", "gpu"], "the runtime's and the task's"

    def test_is_as_the_cluster_demands(self) -> None:
        own = {"labels": {"cost-centre": "4711"}, "annotations": {"note": "x"}, "priorityClassName": "low"}
        pod = {"imagePullSecrets": [{"name": "registry"}], "securityContext": "Platform"}
        hub = {"source": "Hub", "id": "meta-llama/Llama-3.2-1B-Instruct"}
        body = task(placement=own, benchmark={"pod": pod, "tokenizer": hub})
        plan = step(written(body, step(body, 0).status), 1)

        assert plan.create_probe is not None
        template = plan.create_probe["spec"]["template"]
        assert template["metadata"]["labels"] == {"cost-centre": "4711", "autotuner.io/task": "chat"}
        assert template["metadata"]["annotations"] == plan.create_probe["metadata"]["annotations"] == {"note": "x"}
        assert template["spec"]["priorityClassName"] == "low"
        assert template["spec"]["imagePullSecrets"] == [{"name": "registry"}]
        assert template["spec"]["securityContext"] == {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }

    def test_says_what_it_waits_for(self) -> None:
        plan = step(begun(), 5, probe=probe(pod(node=None, unschedulable="0/3 nodes are available")))

        assert plan.status.message == (f"Job chat-flags asks {IMAGE} for its engine's flags: 0/3 nodes are available")

    def test_of_somebody_else_is_waited_for(self) -> None:
        foreign = probe(job={"metadata": {"name": "chat-flags"}})
        plan = step(begun(), 5, probe=foreign)

        assert plan.create_probe is None
        assert (plan.status.message or "").endswith("Job chat-flags belongs to somebody else; delete it")

    def test_replaces_a_pod_that_was_evicted(self) -> None:
        plan = step(begun(), 5, probe=probe(pod(ended=terminated(137)), "INFO hello\n"))

        assert plan.status.probe is not None
        assert plan.status.probe.failure is None

    def test_is_not_made_while_suspended(self) -> None:
        body = begun()
        body["spec"]["suspend"] = True

        assert step(body, 5).create_probe is None


class TestTheAnswer:
    def test_is_kept_before_it_is_used(self) -> None:
        plan = step(begun(), 10, probe=ended(logged()))

        assert plan.write_probe is not None
        assert plan.write_probe["data"] == {"flags.json": printed()}
        assert plan.write_probe["metadata"]["ownerReferences"] == [owner_reference(task())]
        found = plan.status.probe
        assert found is not None
        assert (found.config_map, found.version, found.flags) == ("chat-flags", "0.33.1", len(FLAGS))
        assert [event.reason for event in plan.events] == ["ImageProbed"]
        assert plan.look_again == after(10)

    def test_decides(self) -> None:
        plan = step(told(), 11, probe=kept())

        valid = next(one for one in plan.status.conditions or [] if one.type == "Valid")
        assert (valid.status, valid.message) == (
            "True",
            f"flags as {IMAGE}'s own parser told (probe; vLLM 0.33.1)",
        )
        assert condition(plan.status, "Finished") == ("False", "Running")
        assert plan.create_probe is None

    def test_refuses_what_the_image_does_not_have(self) -> None:
        parameters = [{"name": "gpu-memory-utilization", "values": [0.8, 0.9]}]
        plan = step(told(parameters=parameters), 11, probe=kept())

        assert condition(plan.status, "Valid") == ("False", "UnknownFlag")
        assert condition(plan.status, "Succeeded") == ("False", "UnknownFlag")
        assert condition(plan.status, "Finished") == ("True", "UnknownFlag")
        assert "parameters[gpu-memory-utilization]: vLLM 0.33.1 has no such flag any more" in (
            plan.status.message or ""
        )
        assert plan.create_runtime is None
        assert not plan.create_experiments

    def test_refuses_a_value_that_the_image_does_not_take(self) -> None:
        plan = step(told(parameters=[{"name": "new-flag", "choices": ["a", "c"]}]), 11, probe=kept())

        assert condition(plan.status, "Succeeded") == ("False", "InvalidSpec")
        assert "c is none of its values; choose one of a, b" in (plan.status.message or "")

    def test_of_another_content_is_asked_for_again(self) -> None:
        edited = kept(printed(FLAGS[:1]))
        plan = step(told(), 100, probe=edited)
        again = step(written(told(), plan.status), 105, probe=edited)

        assert plan.create_probe is not None
        assert plan.status.probe is not None
        assert plan.status.probe.started_at == at(100)
        assert (again.create_runtime, again.write_probe) == (None, None)
        assert again.create_probe is not None

    def test_of_another_task_is_none(self) -> None:
        other = {**task(), "metadata": {**task()["metadata"], "uid": "uid-old"}}
        plan = step(begun(), 5, probe=kept(owner=other))

        assert (plan.status.message or "").endswith("ConfigMap chat-flags belongs to somebody else; delete it")

    def test_does_not_take_somebody_elses_place(self) -> None:
        foreign = {"metadata": {"name": "chat-flags"}}
        plan = step(begun(), 5, probe=probe(pod(ended=terminated(0)), logged(), record=foreign))

        assert plan.write_probe is None
        assert (plan.status.message or "").endswith("ConfigMap chat-flags belongs to somebody else; delete it")

    def test_that_cannot_be_read_yet_is_waited_for(self) -> None:
        plan = step(begun(), 10, probe=ended(""))

        assert plan.status.probe is not None
        assert (plan.status.probe.failure, plan.write_probe) == (None, None)


PULL = ("ImagePullBackOff", 'Back-off pulling image "x"')
FAILURES: list[tuple[ObservedProbe, str]] = [
    (probe(pod(waiting=PULL)), f"probe:1 cannot be pulled: {PULL[0]}: {PULL[1]}"),
    (
        ended("Traceback\nModuleNotFoundError: No module named 'vllm'\n\n", 1),
        "the parser ended with exit code 1; its last line: ModuleNotFoundError: No module named 'vllm'",
    ),
    (
        probe(
            pod(ended=terminated(137, "OOMKilled")),
            job=make_job(task(), "chat-flags", failed=("BackoffLimitExceeded", "Job has reached its limit")),
        ),
        "the parser ended with exit code 137 OOMKilled",
    ),
    (
        probe(
            pod(ended=terminated(143)),
            "INFO hello\n",
            job=make_job(task(), "chat-flags", failed=("DeadlineExceeded", "Job was active longer")),
        ),
        "DeadlineExceeded: Job was active longer",
    ),
    (ended("hello\n"), "the log has no line that begins with autotuner-flags"),
    (ended(logged(printed(engine="sglang"))), "the flags told are those of sglang, not of vllm"),
    (
        probe(job=make_job(task(), "chat-flags", failed=("DeadlineExceeded", "Job was active longer"))),
        "DeadlineExceeded: Job was active longer",
    ),
]


class TestAProbeThatFails:
    @pytest.mark.parametrize(("seen", "why"), FAILURES)
    def test_is_told_once(self, seen: ObservedProbe, why: str) -> None:
        plan = step(begun(), 10, probe=seen)

        assert plan.status.probe is not None
        assert plan.status.probe.failure == why
        assert [(event.kind, event.reason) for event in plan.events] == [("Warning", "ProbeFailed")]
        known = begun(parameters=[{"name": "max-num-seqs", "values": [64, 128]}])
        assert step(written(known, plan.status), 11).events == ()

    @pytest.mark.parametrize("kind", ["Job", "ConfigMap"])
    def test_by_the_api_servers_refusal(self, kind: str) -> None:
        plan = step(begun(), 10, rejection=(kind, "exceeded quota"))

        assert plan.status.probe is not None
        assert plan.status.probe.failure == f"the API server refused its {kind}: exceeded quota"

    def test_is_given_up_by_the_operators_own_clock(self) -> None:
        suspended = probe()
        before, late = (step(begun(), seconds, probe=suspended) for seconds in (2160, 2162))

        assert before.status.probe is not None
        assert before.status.probe.failure is None
        assert late.status.probe is not None
        assert late.status.probe.failure == "not done within 2100 s (timeouts.pullSeconds): its Job has no pod"

    def test_leaves_the_judgement_to_the_flags_that_are_known(self) -> None:
        body = begun(parameters=[{"name": "max-num-seqs", "values": [64, 128]}])
        body = written(body, step(body, 10, probe=FAILURES[0][0]).status)
        plan = step(body, 11)

        valid = next(one for one in plan.status.conditions or [] if one.type == "Valid")
        assert valid.status == "True"
        assert valid.message.startswith("runtime.probe: the image's own parser could not be asked for its flags: ")
        assert plan.create_probe is None

    def test_ends_a_task_that_they_refuse(self) -> None:
        body = begun()
        plan = step(written(body, step(body, 10, probe=FAILURES[0][0]).status), 11)

        assert condition(plan.status, "Succeeded") == ("False", "UnknownFlag")
        assert (plan.status.message or "").startswith(
            "runtime.probe: the image's own parser could not be asked for its flags: probe:1 cannot be pulled: "
        )
        assert "; parameters[new-flag]: vLLM 0.33.0 has no such flag" in (plan.status.message or "")
