"""Small builders with defaults, so that a test states only what it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from autotuner import backend_choice, clock
from autotuner.api.common import DerivedMetric, LatencyMetric, Statistic, ThroughputMetric
from autotuner.api.experiment import Distribution, ExperimentSpec, ExperimentStatus, Level
from autotuner.api.goals import Objective, Slo
from autotuner.api.parameters import SearchParameter
from autotuner.api.task_status import TaskStatus
from autotuner.api.traffic_scenarios import Scenario
from autotuner.benchmark.contract.result import Result, encode
from autotuner.kubernetes_object import Object
from autotuner.ownership import controlled_by
from autotuner.policy.conditions import find
from autotuner.policy.experiment.observed import ObservedExperiment
from autotuner.serving import pods


def make_distribution(p99: float, mean: float | None = None) -> Distribution:
    """A latency in seconds of which only P99, and perhaps the mean, matter."""
    mean = p99 / 2 if mean is None else mean
    return Distribution(mean=mean, p50=mean, p90=(mean + p99) / 2, p95=(mean + 3 * p99) / 4, p99=p99)


def make_level(
    concurrency: int = 8,
    *,
    scenario: str = "chat",
    throughput: float = 1000.0,
    ttft: float = 0.2,
    tpot: float | None = 0.01,
    e2e: float = 2.0,
    requests: int = 100,
    errors: int = 0,
) -> Level:
    """A level; latencies are P99 in seconds."""
    return Level(
        scenario=scenario,
        concurrency=concurrency,
        requests=requests,
        errors=errors,
        duration_seconds=60.0,
        output_tokens_per_second=throughput,
        total_tokens_per_second=throughput * 5,
        requests_per_second=throughput / 250,
        ttft_seconds=make_distribution(ttft),
        tpot_seconds=None if tpot is None else make_distribution(tpot),
        e2e_latency_seconds=make_distribution(e2e),
        output_tokens_mean=250.0,
    )


def make_scenario(name: str = "chat", weight: float = 1.0) -> Scenario:
    return Scenario(name=name, load="D(100,250)", weight=weight)


def make_slo(metric: str = "TTFT", statistic: Statistic | None = None, **limit: str) -> Slo:
    """An SLO, for example make_slo("TTFT", max="500ms")."""
    return Slo.model_validate({"metric": metric, "statistic": statistic, **(limit or {"max": "500ms"})})


def make_soft_slo(
    metric: str = "TTFT", *, weight: float | None = None, steepness: float | None = None, **limit: str
) -> Slo:
    """An SLO that costs when it is broken."""
    given = {"metric": metric, "enforcement": "Soft", "weight": weight, "steepness": steepness, **limit}
    return Slo.model_validate(given)


def make_objective(
    metric: ThroughputMetric | LatencyMetric | DerivedMetric = "OutputThroughput",
    statistic: Statistic | None = None,
    concurrency: int | None = None,
) -> Objective:
    return Objective(metric=metric, statistic=statistic, concurrency=concurrency)


def make_parameters(**values: list[int] | list[float] | list[str] | bool) -> list[SearchParameter]:
    """Search parameters: numbers, strings, or True for a toggle; `tp_size=[1, 2]` is called tp-size."""
    return [_parameter(name.replace("_", "-"), given) for name, given in values.items()]


def _parameter(name: str, given: list[int] | list[float] | list[str] | bool) -> SearchParameter:
    if isinstance(given, bool):
        return SearchParameter(name=name, toggle=True)
    kind = "choices" if isinstance(given[0], str) else "values"
    return SearchParameter.model_validate({"name": name, kind: given})


T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)  # when the world of a test begins


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def at(seconds: float) -> str:
    """A Kubernetes timestamp, seconds after the world began."""
    return clock.stamp(after(seconds))


def merged(base: Object, changes: Mapping[str, Any]) -> Object:
    """Deep merge; None removes."""
    result = dict(base)
    for key, value in changes.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def make_model(state: str = "Ready", name: str = "llama", path: str = "/models/llama", **status: Any) -> Object:
    return {
        "apiVersion": "ome.io/v1beta1",
        "kind": "ClusterBaseModel",
        "metadata": {"name": name, "uid": f"uid-{name}"},
        "spec": {
            "modelFormat": {"name": "safetensors", "version": "1.0.0"},
            "modelArchitecture": "LlamaForCausalLM",
            "storage": {"path": path},
        },
        "status": {"state": state, **status} if state else {},
    }


def make_runtime(name: str = "engine-runtime", args: Sequence[str] = (), **engine_config: Any) -> Object:
    runner = {"name": "ome-container", "image": "engine:1", "command": ["serve"], "args": list(args)}
    return {
        "apiVersion": "ome.io/v1beta1",
        "kind": "ClusterServingRuntime",
        "metadata": {"name": name, "uid": f"uid-{name}"},
        "spec": {"engineConfig": {"runner": runner, **engine_config}},
    }


_EXPERIMENT_SPEC: Object = {
    "service": {
        "model": {"name": "llama"},
        "runtime": {"name": "engine-runtime"},
        "engine": "SGLang",
        "args": ["--tp-size=2"],
        "accelerator": {"count": 2},
    },
    "benchmark": {
        "scenarios": [{"name": "chat", "load": "D(100,250)"}],
        "concurrency": [8],
        "tokenizer": {"source": "Builtin"},
        "pod": {"image": "benchmark:1"},
    },
}


def make_experiment(name: str = "chat-1", *, status: Object | None = None, **spec: Any) -> Object:
    """A TuningExperiment; its uid is `uid-NAME`, its spec a small one changed by what is given."""
    return {
        "apiVersion": "autotuner.io/v1alpha1",
        "kind": "TuningExperiment",
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": f"uid-{name}",
            "resourceVersion": "7",
            "generation": 1,
            "creationTimestamp": at(0),
            "labels": {"autotuner.io/task": "chat"},
        },
        "spec": merged(_EXPERIMENT_SPEC, spec),
        "status": status or {},
    }


def controller(owner: Object) -> Object:
    """The owner reference by which an object belongs to another."""
    return {
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }


def _child(kind: str, owner: Object | None, name: str, created: float, *, deleting: bool) -> Object:
    meta: Object = {"name": name, "namespace": "team", "uid": f"uid-{kind}-{name}", "creationTimestamp": at(created)}
    if owner:
        meta["ownerReferences"] = [controller(owner)]
    if deleting:
        meta["deletionTimestamp"] = at(created)
    return {"kind": kind, "metadata": meta}


def make_isvc(
    owner: Object | None = None, name: str = "chat-1", created: float = 1, *, deleting: bool = False
) -> Object:
    """An InferenceService; without an owner somebody made it by hand."""
    return _child("InferenceService", owner, name, created, deleting=deleting)


def make_job(
    owner: Object | None = None,
    name: str = "chat-1",
    created: float = 3,
    *,
    failed: tuple[str, str] | None = None,
    limits: Mapping[str, str] | None = None,
    suspend: bool = False,
    deleting: bool = False,
) -> Object:
    """A Job; `failed` is the reason and message of its Failed condition, `limits` are of its container."""
    job = _child("Job", owner, name, created, deleting=deleting)
    container = {"name": "benchmark", "resources": {"limits": dict(limits or {})}}
    job["spec"] = {"suspend": suspend, "template": {"spec": {"containers": [container]}}}
    if failed:
        job["status"] = {
            "conditions": [{"type": "Failed", "status": "True", "reason": failed[0], "message": failed[1]}]
        }
    return job


def make_deployment(*, failure: tuple[str, str] | None = None) -> Object:
    """A Deployment; `failure` is the reason and message of its ReplicaFailure condition."""
    conditions = [{"type": "Progressing", "status": "True"}]
    if failure:
        conditions.append({"type": "ReplicaFailure", "status": "True", "reason": failure[0], "message": failure[1]})
    return {
        "kind": "Deployment",
        "metadata": {"name": "chat-1-engine", "namespace": "team"},
        "status": {"conditions": conditions},
    }


def terminated(exit_code: int, reason: str = "Error", message: str = "", finished: float = 60) -> Object:
    """The end of a container, as its status holds it."""
    return {
        "exitCode": exit_code,
        "reason": reason,
        "message": message,
        "startedAt": at(5),
        "finishedAt": at(finished),
    }


def make_pod(
    role: str = "engine",
    *,
    uid: str | None = None,
    created: float = 2,
    node: str | None = "node-a",
    scheduled: float = 3,
    unschedulable: str = "",
    gates: Sequence[str] = (),
    waiting: tuple[str, str] | None = None,
    started: float | None = None,
    ready: float | None = None,
    ended: Object | None = None,
    restarted: Object | None = None,
    deleting: bool = False,
    disrupted: tuple[str, str, str] | None = None,
) -> Object:
    """A core/v1 Pod of an engine, a benchmark or a probe.

    `restarted` is how its container ended the time before, `disrupted` a condition with its reason and message.
    """
    state: Object = {}
    if waiting:
        state = {"waiting": {"reason": waiting[0], "message": waiting[1]}}
    elif ended:
        state = {"terminated": ended}
    elif started is not None:
        state = {"running": {"startedAt": at(started)}}
    conditions = [{"type": "PodScheduled", "status": "False", "message": unschedulable}]
    if node:
        conditions = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": at(scheduled)}]
    if ready is not None:
        conditions.append({"type": "Ready", "status": "True", "lastTransitionTime": at(ready)})
    if disrupted:
        kind, reason, message = disrupted
        conditions.append({"type": kind, "status": "True", "reason": reason, "message": message})
    container = {"engine": "ome-container"}.get(role, role)
    status = {
        "name": container,
        "state": state,
        "lastState": {"terminated": restarted} if restarted else {},
        "restartCount": 1 if restarted else 0,
        "image": f"{role}:1",
        "imageID": f"sha256:{role}",
    }
    return {
        "metadata": {
            "name": f"{role}-pod",
            "namespace": "team",
            "uid": uid or f"uid-{role}-pod",
            "creationTimestamp": at(created),
            "labels": {"batch.kubernetes.io/job-name": "chat-1"} if role == "benchmark" else {},
            **({"deletionTimestamp": at(created)} if deleting else {}),
        },
        "spec": {
            "nodeName": node,
            "containers": [{"name": container, "image": f"{role}:1", "ports": [{"containerPort": 8080}]}],
            "schedulingGates": [{"name": gate} for gate in gates],
        },
        "status": {"conditions": conditions, "containerStatuses": [status] if node else []},
    }


def make_result(*levels: Level, **more: Any) -> Object:
    """The end of a benchmark's container that says this."""
    failed = more.get("failure") is not None
    result = Result(
        levels=levels, ladder=None if failed else "Complete", first_request=at(30), benchmark_finished=at(60), **more
    )
    return terminated(1 if failed else 0, "Error" if failed else "Completed", encode(result))


def seen(
    experiment: Object | None = None,
    *,
    engine: Sequence[Object] = (),
    benchmark: Sequence[Object] = (),
    **more: Any,
) -> ObservedExperiment:
    """What a reconcile of an experiment observed; pods are given as the API server has them."""
    body = experiment or make_experiment()
    uid, root, job = body["metadata"]["uid"], more.get("root"), more.get("job")
    around: Object = {
        "model": make_model(),
        "runtime": make_runtime(),
        "owns_root": root is not None and controlled_by(root, uid),
        "owns_job": job is not None and controlled_by(job, uid),
        "engine_pods": tuple(pods.view(pod, "ome-container") for pod in engine),
        "benchmark_pods": tuple(pods.view(pod, "benchmark") for pod in benchmark),
        **more,
    }
    spec, status = ExperimentSpec.model_validate(body["spec"]), ExperimentStatus.model_validate(body["status"])
    return ObservedExperiment(body, spec, status, backend_choice.DEFAULT, **around)


def written(body: Object, status: ExperimentStatus | TaskStatus) -> Object:
    """The object after this status was written."""
    return {**body, "status": status.dump()}


def condition(status: ExperimentStatus | TaskStatus, kind: str) -> tuple[str, str]:
    """Status and reason of a condition that must be there."""
    found = find(status.conditions, kind)
    assert found is not None, f"no condition {kind}"
    return found.status, found.reason
