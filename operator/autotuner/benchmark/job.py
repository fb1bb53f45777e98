"""The benchmark Job of an experiment: pure, from its spec and the engine's address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotuner import engines
from autotuner.api import quantity
from autotuner.api.benchmark import Arrivals, BenchmarkPod
from autotuner.api.common import BOUNDARY_METRICS, EXPERIMENT_UID_LABEL, Volume
from autotuner.api.experiment import NOISE_MARGIN, ExperimentSpec
from autotuner.api.goals import Slo
from autotuner.benchmark.container_resources import cores, fitted
from autotuner.benchmark.contract.load_clients import DEFAULT_CLIENT, OPEN_LOOP_CLIENT
from autotuner.benchmark.contract.spec import (
    DEFAULT_TERMINATION_LOG,
    KEY_VARIABLE,
    SPEC_VARIABLE,
    TERMINATION_LOG_VARIABLE,
    RequestLimit,
    RequiredThroughput,
    RunnerArrivals,
    RunnerScenario,
    RunnerSpec,
    SloBound,
    TokenizerSource,
)
from autotuner.kubernetes_object import Object
from autotuner.manifest_rendering import render
from autotuner.ownership import labels, owner_reference
from autotuner.serving import kueue
from autotuner.serving.backend import NOWHERE, Endpoint, Weights
from autotuner.serving.volumes import claim_mount, claim_volume

CONTAINER = "benchmark"
WORK_DIR = "/var/run/autotuner-benchmark"
GRACE_SECONDS = 10
USER = 65532  # of the image, and its group; not on platforms that choose one
# Beyond all clocks of the operator, which name the cause; this one only catches a Job that nobody watches any more.
DEADLINE_SLACK_SECONDS = 600
_HUB = "HF_ENDPOINT"
_NO_PROXY = ("NO_PROXY", "no_proxy")  # clients differ in which one they read
_MODEL = "model"  # the volume
_JOB_LABEL = "batch.kubernetes.io/job-name"  # Kubernetes sets it on the pods of Jobs


@dataclass(frozen=True)
class JobSurroundings:
    """What the Job needs to know beyond its experiment."""

    engine: Endpoint
    image: str  # when the experiment names none
    weights: Weights = NOWHERE  # where the model lies by its own spec
    model_node_label: str = ""  # set to Ready on nodes that have it
    hub_endpoint: str = ""
    limit_ranges: tuple[Object, ...] = ()  # of the namespace


def benchmark_job(experiment: Mapping[str, Any], spec: ExperimentSpec, around: JobSurroundings) -> Object:
    """The Job that measures this experiment."""
    meta, benchmark, timeouts = experiment["metadata"], spec.benchmark, spec.timeouts
    reads_model = benchmark.tokenizer.source == "ModelVolume"
    pod, own = benchmark.pod or BenchmarkPod(), labels(meta["name"], meta["uid"])
    given, annotations = spec.service.labels or {}, spec.service.annotations or {}
    return render(
        "benchmark-job.yaml.j2",
        name=meta["name"],
        namespace=meta["namespace"],
        labels={**given, **(pod.labels or {}), **own},
        annotations={**annotations, **(pod.annotations or {})},
        job_labels={**given, **own, **kueue.labels(spec.service)},
        job_annotations=annotations,
        priority_class=pod.priority_class_name or spec.service.priority_class_name,
        owner=owner_reference(experiment),
        deadline_seconds=timeouts.pull_seconds
        + timeouts.startup_seconds
        + timeouts.benchmark_seconds
        + DEADLINE_SLACK_SECONDS,
        grace_seconds=GRACE_SECONDS,
        affinity=_affinity(benchmark.placement, meta["uid"]),
        node_selector=_node_selector(spec, pod, around),
        tolerations=_tolerations(spec, pod),
        pull_secrets=[secret.dump() for secret in pod.image_pull_secrets or []],
        user=None if pod.security_context == "Platform" else USER,
        container=CONTAINER,
        image=pod.image or around.image,
        env=_environment(runner_spec(experiment, spec, around), spec, around),
        resources=_resources(pod, around),
        work_dir=WORK_DIR,
        model=_model(spec, around) if reads_model else None,
    )


def _resources(pod: BenchmarkPod, around: JobSurroundings) -> Object:
    return pod.resources.dump() if pod.resources else fitted(around.limit_ranges)


def _node_selector(spec: ExperimentSpec, pod: BenchmarkPod, around: JobSurroundings) -> dict[str, str]:
    """What the user says, and the node's label where the model's own files are read from a node."""
    on_node = spec.benchmark.tokenizer.source == "ModelVolume" and _claim(spec, around) is None
    label = around.model_node_label if on_node else ""
    return {**(pod.node_selector or {}), **({label: "Ready"} if label else {})}


def _tolerations(spec: ExperimentSpec, pod: BenchmarkPod) -> list[Object]:
    """The pod's own, and the engine's where the benchmark has to go where the engine may be."""
    benchmark = spec.benchmark
    follows_engine = benchmark.tokenizer.source == "ModelVolume" or benchmark.placement == "SameNode"
    engine = spec.service.tolerations or [] if follows_engine else []
    own = pod.tolerations or []
    return [toleration.dump() for toleration in (*engine, *(one for one in own if one not in engine))]


def measures(pod: Object) -> bool:
    """Whether a pod of an experiment is the benchmark's; the others are the engine's."""
    return _JOB_LABEL in pod["metadata"]["labels"]


def _claim(spec: ExperimentSpec, around: JobSurroundings) -> Volume | None:
    """The claim on which the model lies; None if it lies on the node."""
    own = around.weights.claim
    return spec.service.volume or (own.volume if own else None)


def _model(spec: ExperimentSpec, around: JobSurroundings) -> Object:
    """How the benchmark's pod mounts the model."""
    claim = _claim(spec, around)
    if claim is not None:
        return {"volume": claim_volume(_MODEL, claim), "mount": claim_mount(_MODEL, claim)}
    path = around.weights.path
    return {
        "volume": {"name": _MODEL, "hostPath": {"path": path}},
        "mount": {"name": _MODEL, "mountPath": path, "readOnly": True},
    }


def runner_spec(experiment: Mapping[str, Any], spec: ExperimentSpec, around: JobSurroundings) -> RunnerSpec:
    """What the runner inside the Job is told."""
    meta, benchmark = experiment["metadata"], spec.benchmark
    claim = _claim(spec, around)
    model_path = claim.mount_path if claim else around.weights.path
    tokenizer = TokenizerSource(
        source=benchmark.tokenizer.source,
        id=benchmark.tokenizer.id,
        path=model_path if benchmark.tokenizer.source == "ModelVolume" else None,
    )
    engine = engines.get(spec.service.engine)
    return RunnerSpec(
        api_base=str(around.engine),
        model=spec.service.served_model_name or "",
        backend=engine.client_backend,
        cache_flush=engine.cache_flush,
        version_calls=list(engine.version_calls),
        holds_length=engine.ignores_end_of_text,
        scenarios=[RunnerScenario(name=s.name, load=s.load, weight=s.weight) for s in benchmark.scenarios],
        client=OPEN_LOOP_CLIENT if benchmark.open_loop else DEFAULT_CLIENT,
        concurrency=benchmark.concurrency,
        rates=benchmark.rates,
        concurrency_search=benchmark.concurrency_search,
        rate_search=benchmark.rate_search,
        start_at=spec.stop.start_at if spec.stop else None,
        required_boundary=_required_boundary(spec),
        arrivals=RunnerArrivals.model_validate((benchmark.arrivals or Arrivals()).dump()),
        processes=cores(_resources(benchmark.pod or BenchmarkPod(), around)),
        request_limits=[
            RequestLimit(metric=limit.metric, max=quantity.parse(limit.max)) for limit in benchmark.request_limits or []
        ],
        max_minutes_per_level=benchmark.max_minutes_per_level,
        max_requests_per_level=benchmark.max_requests_per_level,
        tokenizer=tokenizer,
        request_params=dict(benchmark.request_params or {}),
        seed=benchmark.seed or meta["uid"],
        block=spec.block,
        slos=[
            _in_si(slo, spec.service.accelerator.count)
            for slo in (spec.stop.slos if spec.stop else None) or []
            if not slo.per_request
        ],
        required_throughput=_required_throughput(spec),
        noise_margin=spec.stop.noise_margin if spec.stop else NOISE_MARGIN,
        startup_seconds=spec.timeouts.pull_seconds + spec.timeouts.startup_seconds,
        work_dir=Path(WORK_DIR),
    )


def _in_si(slo: Slo, gpus: int) -> SloBound:
    """The runner knows of no accelerators: it is told what the engine as a whole must keep."""
    factor = gpus if slo.metric == "OutputThroughputPerGPU" else 1
    return SloBound(
        metric=_of_the_engine(slo.metric),
        statistic=slo.statistic,
        max=quantity.parse(slo.max) * factor if slo.max else None,
        min=quantity.parse(slo.min) * factor if slo.min else None,
    )


def _required_throughput(spec: ExperimentSpec) -> RequiredThroughput | None:
    stop = spec.stop
    if stop is None or stop.metric is None or stop.threshold is None or stop.metric in BOUNDARY_METRICS:
        return None
    factor = spec.service.accelerator.count if stop.metric == "OutputThroughputPerGPU" else 1
    return RequiredThroughput.model_validate(
        {
            "metric": _of_the_engine(stop.metric),
            "threshold": stop.threshold * factor,
        }
    )


def _required_boundary(spec: ExperimentSpec) -> float | None:
    return spec.stop.threshold if spec.stop and spec.stop.metric in BOUNDARY_METRICS else None


def _of_the_engine(metric: str) -> str:
    return "OutputThroughput" if metric == "OutputThroughputPerGPU" else metric


def _environment(runner: RunnerSpec, spec: ExperimentSpec, around: JobSurroundings) -> list[Object]:
    env: list[Object] = [
        # The kubelet expands $(NAME) and takes $$ for $.
        {"name": SPEC_VARIABLE, "value": runner.dump_json().replace("$", "$$")},
        {"name": TERMINATION_LOG_VARIABLE, "value": DEFAULT_TERMINATION_LOG},
        {"name": "HOME", "value": WORK_DIR},
    ]
    pod = spec.benchmark.pod or BenchmarkPod()
    given = [variable.dump() for variable in pod.env or []]
    if around.hub_endpoint and not any(variable["name"] == _HUB for variable in given):
        env.append({"name": _HUB, "value": around.hub_endpoint})
    env += [variable for variable in given if variable["name"] not in _NO_PROXY]
    env += _direct(given, around.engine.host)
    if secret := spec.service.api_key_secret:
        env.append({"name": KEY_VARIABLE, "valueFrom": {"secretKeyRef": secret.dump()}})
    if secret := spec.benchmark.tokenizer.token_secret:
        env.append({"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": secret.dump()}})
    return env


def _direct(given: Sequence[Object], host: str) -> list[Object]:
    """What keeps proxies away from the engine: they may not know it, and would be measured with it."""
    said = [str(variable.get("value") or "") for variable in given if variable["name"] in _NO_PROXY]
    spared = ",".join(dict.fromkeys(filter(None, (*said, host))))
    return [{"name": name, "value": spared} for name in _NO_PROXY]


def _affinity(placement: str, uid: str) -> Object:
    if placement == "Any":
        return {}
    engine = {
        "labelSelector": {
            "matchLabels": {EXPERIMENT_UID_LABEL: uid},
            "matchExpressions": [{"key": _JOB_LABEL, "operator": "DoesNotExist"}],
        },
        "topologyKey": "kubernetes.io/hostname",
    }
    kind = "podAffinity" if placement == "SameNode" else "podAntiAffinity"
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [engine]}}
