"""What an experiment waits for, and what refuses its pods: quota, LimitRange, policy, taints, tokenizers."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator

import pytest

from autotuner.kubernetes_object import Object
from testbed.api import Api
from tests.e2e.mutating_policy import mutating_policy
from tests.e2e.recorder import Recorder
from tests.e2e.story import Story, condition
from tests.support.waiting import wait_for

POLICIES = "/apis/admissionregistration.k8s.io/v1"
NO_GPUS = {"requests.nvidia.com/gpu": "0"}
RESERVED = {"key": "reserved", "value": "yes", "effect": "NoSchedule"}


async def make_quota(story: Story, **hard: str) -> str:
    """A ResourceQuota that is in force; returns its path."""
    path = f"/api/v1/namespaces/{story.namespace}/resourcequotas"
    await story.api.create(path, {"metadata": {"name": "quota"}, "spec": {"hard": hard}})

    async def in_force() -> bool:
        return (await story.api.get(f"{path}/quota")).get("status", {}).get("hard") == hard

    await wait_for(in_force, "the quota is in force")
    return f"{path}/quota"


@contextlib.asynccontextmanager
async def policy(story: Story, expression: str, message: str) -> AsyncIterator[None]:
    """A policy for the pods of the namespace, in force while this is open."""
    name, namespace = f"{story.namespace}-policy", story.namespace
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": expression, "message": message}],
    }
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": here}
    paths = {"validatingadmissionpolicies": spec, "validatingadmissionpolicybindings": binding}
    for plural, body in paths.items():
        await story.api.create(f"{POLICIES}/{plural}", {"metadata": {"name": name}, "spec": body})
    probe: Object = {
        "metadata": {"name": "probe", "labels": {"batch.kubernetes.io/job-name": "probe"}},
        "spec": {"containers": [{"name": "benchmark", "image": "probe"}]},
    }

    async def refuses() -> bool:
        try:
            await story.api.create(f"/api/v1/namespaces/{namespace}/pods", probe, dryRun="All")
        except Exception as problem:
            return message in str(problem)
        return False

    try:
        await wait_for(refuses, "the policy is in force")
        yield
    finally:
        for plural in reversed(paths):
            await story.api.delete(f"{POLICIES}/{plural}/{name}")


@contextlib.asynccontextmanager
async def suspended_jobs(story: Story) -> AsyncIterator[None]:
    """Jobs of the namespace are created suspended while this is open, as queues do it that admit them later."""
    suspends = {
        "patchType": "ApplyConfiguration",
        "applyConfiguration": {"expression": "Object{spec: Object.spec{suspend: true}}"},
    }
    containers = [{"name": "probe", "image": "probe"}]
    template = {"spec": {"restartPolicy": "Never", "containers": containers}}
    probe: Object = {"metadata": {"name": "probe"}, "spec": {"template": template}}

    async def suspends_them() -> bool:
        made = await story.api.create(f"/apis/batch/v1/namespaces/{story.namespace}/jobs", probe, dryRun="All")
        return bool(made["spec"].get("suspend"))

    async with mutating_policy(story, ("batch", "jobs"), suspends):
        await wait_for(suspends_them, "Jobs are created suspended")
        yield


@contextlib.asynccontextmanager
async def tainted_nodes(api: Api) -> AsyncIterator[int]:
    """All nodes keep pods off that do not tolerate the taint RESERVED; yields how many there are."""
    names = [item["metadata"]["name"] for item in (await api.list("/api/v1/nodes"))["items"]]
    try:
        for name in names:
            await api.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": [RESERVED]}})
        yield len(names)
    finally:
        for name in names:
            await api.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": None}})


async def says(story: Story, name: str, words: str) -> Object:
    """The experiment once its message matches."""

    async def look() -> Object | None:
        body = await story.experiment(name)
        return body if body and re.search(words, body.get("status", {}).get("message", "")) else None

    return await wait_for(look, f"{name} says {words}")


async def ended(story: Story, name: str, reason: str, words: str, seconds: float = 90) -> Object:
    """The experiment once it is over, which it is for this reason, saying this, holding nothing."""
    body = await story.experiment_finished(name, seconds)
    assert (body["status"]["reason"], body["status"]["phase"]) == (reason, "Failed"), body["status"]["message"]
    assert re.search(words, body["status"]["message"]), body["status"]["message"]
    assert condition(body, "Released")["status"] == "True"
    assert await story.left() == []
    return body


def engines_of(record: Recorder) -> list[str]:
    """The names of the InferenceServices that there were."""
    return sorted(record.uids("InferenceService"))


async def test_a_quota_that_is_used_up_is_a_queue(story: Story) -> None:
    quota = await make_quota(story, **NO_GPUS)
    await story.make_runtime()
    await story.create_experiment("busy-1", {"spec.timeouts.queueSeconds": 600})
    waits = await says(story, "busy-1", "^waiting for quota: .*exceeded quota: quota, requested")
    assert waits["status"]["phase"] == "Queued"
    await story.api.patch(quota, {"spec": {"hard": {"requests.nvidia.com/gpu": "8"}}})
    body = await story.experiment_finished("busy-1", 120)
    assert body["status"]["reason"] == "Completed", body["status"]["message"]
    assert await story.left() == []


@pytest.mark.full
async def test_a_quota_that_stays_used_up_ends_on_the_queue_clock(story: Story) -> None:
    await make_quota(story, **NO_GPUS)
    await story.make_runtime()
    # Longer than the backend may be silent, which is 15 s here.
    await story.create_experiment("busy-1", {"spec.timeouts.queueSeconds": 20})
    words = "the engine's pod found no place within 20 s: waiting for quota: .*exceeded quota"
    await ended(story, "busy-1", "QueueTimeout", words)


@pytest.mark.full
async def test_a_quota_for_jobs_is_waited_for_without_an_engine(story: Story) -> None:
    quota = await make_quota(story, **{"count/jobs.batch": "0"})
    await story.make_runtime()
    await story.create_experiment("busy-1", {"spec.timeouts.queueSeconds": 600})
    await says(story, "busy-1", "^waiting for quota for the benchmark: .*exceeded quota")
    assert await story.left() == []
    await story.api.patch(quota, {"spec": {"hard": {"count/jobs.batch": "1"}}})
    body = await story.experiment_finished("busy-1", 120)
    assert body["status"]["reason"] == "Completed", body["status"]["message"]


async def test_a_queue_that_does_not_admit_is_waited_for(story: Story) -> None:
    """As Kueue holds the pods of Deployments: by gates of the scheduler, which it takes away."""
    gates = [{"name": "kueue.x-k8s.io/admission"}]
    await story.make_runtime("", {"spec.engineConfig.schedulingGates": gates})
    await story.create_experiment("gated-1", {"spec.timeouts.queueSeconds": 600})
    await says(story, "gated-1", r"^waiting for admission \(scheduling gates kueue.x-k8s.io/admission\)")
    pods = f"/api/v1/namespaces/{story.namespace}/pods"
    (pod,) = (await story.api.list(pods))["items"]
    await story.api.patch(f"{pods}/{pod['metadata']['name']}", {"spec": {"schedulingGates": None}})
    body = await story.experiment_finished("gated-1", 120)
    assert body["status"]["reason"] == "Completed", body["status"]["message"]


async def test_a_benchmark_that_is_created_suspended_waits_on_the_queue_clock(story: Story) -> None:
    await story.make_runtime()
    words = "waits for somebody to resume its Job, which is suspended"
    async with suspended_jobs(story):
        await story.create_experiment("short-1", {"spec.timeouts.queueSeconds": 8})
        await story.create_experiment("long-1", {"spec.timeouts.queueSeconds": 600})
        await says(story, "long-1", f"^engine ready; the benchmark {words}")
        words = "the benchmark's pod found no place within 8 s: waiting for somebody to resume its Job"
        body = await story.experiment_finished("short-1")
        assert (body["status"]["reason"], body["status"]["phase"]) == ("QueueTimeout", "Failed"), body["status"]
        assert body["status"]["message"].startswith(words)
        assert condition(body, "Released")["status"] == "True"
    job = f"/apis/batch/v1/namespaces/{story.namespace}/jobs/long-1"
    await story.api.patch(job, {"spec": {"suspend": False}})
    body = await story.experiment_finished("long-1", 120)
    assert body["status"]["reason"] == "Completed", body["status"]["message"]
    assert await story.left() == []


async def test_a_quota_that_demands_limits_stops_the_task_at_once(story: Story) -> None:
    await make_quota(story, **{"limits.cpu": "64"})
    await story.create_task()
    task = await story.task_finished(seconds=60)
    assert condition(task, "Finished")["reason"] in ("AdmissionRejected", "JobRefused"), task["status"]
    assert "must specify limits.cpu" in task["status"]["message"]
    assert [item["metadata"]["name"] for item in await story.experiments()] == ["chat-0"]
    assert await story.left() == []


async def test_the_benchmark_fits_a_limit_range(story: Story) -> None:
    """A default limit of half a core would refuse a request of one."""
    limit = {"type": "Container", "default": {"cpu": "500m", "memory": "8Gi"}, "defaultRequest": {"cpu": "100m"}}
    path = f"/api/v1/namespaces/{story.namespace}/limitranges"
    await story.api.create(path, {"metadata": {"name": "limits"}, "spec": {"limits": [limit]}})
    await story.make_runtime()
    await story.create_experiment("bound-1")
    pods = await wait_for(lambda: story.benchmark_pods("bound-1"), "there is a pod of the benchmark")
    resources = pods[0]["spec"]["containers"][0]["resources"]
    assert (resources["requests"]["cpu"], resources["limits"]["cpu"]) == ("1", "2")
    body = await story.experiment_finished("bound-1", 120)
    assert (body["status"]["reason"], body["status"]["message"]) == ("Completed", "1 level measured")


@pytest.mark.full
async def test_a_benchmark_with_less_than_a_core_is_told(story: Story) -> None:
    limit = {"type": "Container", "max": {"cpu": "700m"}}
    path = f"/api/v1/namespaces/{story.namespace}/limitranges"
    await story.api.create(path, {"metadata": {"name": "limits"}, "spec": {"limits": [limit]}})
    await story.make_runtime()
    await story.create_experiment("bound-1")
    body = await story.experiment_finished("bound-1", 120)
    assert body["status"]["reason"] == "Completed", body["status"]["message"]
    assert "the benchmark may use only 700m of CPU" in body["status"]["message"]


async def test_a_benchmark_that_a_policy_refuses_stops_the_task_before_an_engine(story: Story) -> None:
    async with story.recorder() as record:
        not_ours = "!object.spec.containers.exists(c, c.name == 'benchmark')"
        async with policy(story, not_ours, "no benchmarks here"):
            await story.create_task()
            task = await story.task_finished(seconds=60)
    assert condition(task, "Finished")["reason"] == "JobRefused", task["status"]
    assert re.search("chat-0: the benchmark cannot be made: .*no benchmarks here", task["status"]["message"])
    assert [item["metadata"]["name"] for item in await story.experiments()] == ["chat-0"]
    assert engines_of(record) == []


@pytest.mark.full
async def test_a_job_whose_pod_is_refused_is_told_within_a_minute(story: Story) -> None:
    """A policy for the pods of Jobs alone is not met by the trial before the engine."""
    await story.make_runtime()
    of_jobs = "!has(object.metadata.labels) || !('batch.kubernetes.io/job-name' in object.metadata.labels)"
    async with policy(story, of_jobs, "no jobs here"):
        await story.create_experiment("refused-1")
        await ended(story, "refused-1", "JobRefused", "the benchmark cannot be made: .*no jobs here", 60)


@pytest.mark.full
async def test_a_benchmark_that_finds_no_quota_beside_its_engine_ends_on_the_queue_clock(story: Story) -> None:
    """Before the engine there was room for a pod."""
    await make_quota(story, pods="1")
    await story.make_runtime()
    await story.create_experiment("beside-1", {"spec.timeouts.queueSeconds": 8})
    words = (
        "the benchmark's pod found no place within 8 s: waiting for quota: .*exceeded quota: quota, requested: pods=1"
    )
    await ended(story, "beside-1", "QueueTimeout", words)


async def test_a_benchmark_that_no_node_could_take_is_waited_for_without_an_engine(story: Story) -> None:
    await story.make_runtime()
    tolerations = [{"key": "reserved", "operator": "Exists"}]
    edits = {"spec.service.tolerations": tolerations}
    words = r"waiting for a node for the benchmark: none of \d+ nodes can take it .*the taint reserved=yes:NoSchedule"
    async with story.recorder() as record:
        async with tainted_nodes(story.api):
            await story.create_experiment("short-1", {**edits, "spec.timeouts.queueSeconds": 5})
            await story.create_experiment("long-1", {**edits, "spec.timeouts.queueSeconds": 600})
            await ended(story, "short-1", "QueueTimeout", f"no place within 5 s: {words}")
            assert (await says(story, "long-1", f"^{words}"))["status"]["phase"] == "Queued"
            assert engines_of(record) == []
        body = await story.experiment_finished("long-1", 120)
    assert body["status"]["reason"] == "Completed", body["status"]["message"]


async def test_a_tokenizer_that_cannot_be_had_stops_the_task_at_the_first(story: Story) -> None:
    tokenizer = {"source": "Hub", "id": "nobody/nothing"}
    await story.create_task({"spec.benchmark.tokenizer": tokenizer})
    task = await story.task_finished()
    assert condition(task, "Finished")["reason"] == "TokenizerUnavailable", task["status"]
    assert re.search(r"chat-0: benchmark\.tokenizer.*nobody/nothing", task["status"]["message"])
    assert [item["metadata"]["name"] for item in await story.experiments()] == ["chat-0"]
    assert await story.left() == []
