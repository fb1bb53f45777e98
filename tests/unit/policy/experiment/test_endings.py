"""How an experiment ends: each rule and each clock by what was seen."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.benchmark.contract.result import log_lines
from autotuner.kubernetes_object import Object
from autotuner.policy.experiment import endings, reasons
from autotuner.policy.experiment.decide import judge
from autotuner.policy.experiment.reasons import REASONS
from autotuner.policy.queueing import ObservedQueue
from autotuner.serving.kueue import Workload
from autotuner.serving.refusals import Refusal
from testbed.node.accelerators import DESCRIBED
from tests.unit.builders import (
    after,
    at,
    make_deployment,
    make_experiment,
    make_isvc,
    make_job,
    make_level,
    make_model,
    make_pod,
    make_result,
    merged,
    seen,
    terminated,
)
from tests.unit.policy.experiment.states import (
    ENDED,
    EXPERIMENT,
    IN_TIME,
    MEASURING,
    OTHER,
    OURS,
    PULLING,
    READY,
    STARTED,
    doomed,
)
from tests.unit.policy.experiment.test_deadlines import CLOCKS


def found(experiment: Object = EXPERIMENT, now: float = IN_TIME, **state: Any) -> reasons.Ending | None:
    return endings.find(seen(experiment, **state), after(now))


MUST_SPECIFY = 'pods "chat-1" is forbidden: failed quota: q: must specify limits.cpu'
FORBIDDEN_USER = (
    'pods "chat-1" is forbidden: unable to validate against any security context constraint: [provider restricted-v2:'
    " .spec.securityContext.fsGroup: Invalid value: []int64{65532}: 65532 is not an allowed group]"
)
TOO_LATE = "Exceeded the PodsReady timeout team/pod-chat-1"
MEASURED = make_result(make_level())
SHARING = {**DESCRIBED["time slicing"].node(), "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
GATED = make_pod(uid="uid-new-pod", created=40, node=None, gates=["kueue.x-k8s.io/admission"])
SERVICE: Object = {"root": OURS["root"]}
SUSPENDED: Object = {**SERVICE, "job": make_job(EXPERIMENT, suspend=True)}
LOST = {"metadata": {"name": "node-a"}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}

ENDINGS: list[tuple[str, Object, str, str]] = [
    (
        "it is cancelled",
        {"experiment": make_experiment(cancel=True), **OURS, "engine": [READY]},
        "Cancelled",
        "cancelled on request",
    ),
    (
        "its namespace is being deleted, and its pod was first",
        {**OURS, "engine": [make_pod(started=10, ready=20, ended=terminated(143))], "namespace_goes": True},
        "NamespaceDeleted",
        "namespace team is being deleted",
    ),
    (
        "the API server refuses the InferenceService",
        {"rejection": "spec.engine: Invalid value"},
        "AdmissionRejected",
        "the API server refused: spec.engine: Invalid value",
    ),
    (
        "the API server refuses the engine's pod",
        {**OURS, "related": (make_deployment(failure=("FailedCreate", MUST_SPECIFY)),)},
        "AdmissionRejected",
        f"the API server refuses the engine's pod: {MUST_SPECIFY}",
    ),
    (
        "the API server would refuse the benchmark's pod",
        {"job_refusal": Refusal("Policy", MUST_SPECIFY)},
        "JobRefused",
        f"the benchmark cannot be made: {MUST_SPECIFY}; what it asks for is in benchmark.pod.resources",
    ),
    (
        "OpenShift would refuse the benchmark's pod for its user",
        {"job_refusal": Refusal("Policy", FORBIDDEN_USER)},
        "JobRefused",
        f"the benchmark cannot be made: {FORBIDDEN_USER}; benchmark.pod.securityContext: Platform lets the platform"
        " choose its user",
    ),
    (
        "a policy wants a label of the benchmark's pod",
        {"job_refusal": Refusal("Policy", "validation error: The label `team` is required.")},
        "JobRefused",
        "the benchmark cannot be made: validation error: The label `team` is required.; its labels and annotations are"
        " in benchmark.pod and placement",
    ),
    (
        "the API server refuses the pod of the benchmark's Job",
        {**OURS, "engine": [STARTED], "job_refusal": Refusal("Policy", MUST_SPECIFY)},
        "JobRefused",
        f"the benchmark cannot be made: {MUST_SPECIFY}; what it asks for is in benchmark.pod.resources",
    ),
    (
        "the model does not exist",
        {"model": None},
        "ModelNotReady",
        "ClusterBaseModel llama does not exist; create it",
    ),
    (
        "the model is Failed",
        {"model": make_model("Failed", nodesFailed=["node-a", "node-b"])},
        "ModelNotReady",
        "ClusterBaseModel llama is Failed: OME's model agent could not make it ready on node-a, node-b;"
        " check free space and rights at /models/llama on the node, access to it; the log of its pod there says why"
        " (DaemonSet ome-model-agent-daemonset in namespace ome)",
    ),
    (
        "the runtime does not exist",
        {"runtime": None},
        "RuntimeIncompatible",
        "ClusterServingRuntime engine-runtime does not exist; create it",
    ),
    (
        "OME repeats that it will not deploy it",
        {**OURS, "events": (doomed(),)},
        "RuntimeIncompatible",
        "OME will not deploy it: RuntimeValidationError: no format of the model fits",
    ),
    (
        "the InferenceService is deleted by somebody else",
        {"experiment": MEASURING, "job": make_job(EXPERIMENT)},
        "Evicted",
        "somebody deleted the InferenceService while the experiment needed it",
    ),
    (
        "the InferenceService is being deleted by somebody else",
        {"experiment": MEASURING, "root": make_isvc(MEASURING, deleting=True), "engine": [READY]},
        "Evicted",
        "somebody deleted the InferenceService while the experiment needed it",
    ),
    (
        "the engine's image cannot be pulled",
        {**OURS, "engine": [make_pod(waiting=("ImagePullBackOff", "no such image"))]},
        "ImagePullFailed",
        "the engine's image engine:1 cannot be pulled: ImagePullBackOff: no such image",
    ),
    (
        "the benchmark's image has no valid name",
        {
            **OURS,
            "engine": [STARTED],
            "benchmark": [make_pod("benchmark", waiting=("InvalidImageName", "bad reference"))],
        },
        "ImagePullFailed",
        "the benchmark's image benchmark:1 cannot be pulled: InvalidImageName: bad reference",
    ),
    (
        "the container used too much memory",
        {**OURS, "engine": [make_pod(ended=terminated(137, "OOMKilled"))], "engine_log": "loading\nstill loading"},
        "OutOfMemory",
        "the engine used more memory than its container may (OOMKilled)",
    ),
    (
        "the engine says that the accelerator's memory is exhausted",
        {
            **OURS,
            "engine": [make_pod(ended=terminated(1))],
            "engine_log": "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        },
        "OutOfMemory",
        "the engine said: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
    ),
    (
        "the engine refuses its arguments",
        {
            **OURS,
            "engine": [make_pod(ended=terminated(2))],
            "engine_log": "usage: x\nlaunch_server.py: error: unrecognized arguments: --tpsize=2",
        },
        "InvalidArguments",
        "the engine said: launch_server.py: error: unrecognized arguments: --tpsize=2",
    ),
    (
        "the engine ends without a word that is known",
        {**OURS, "engine": [make_pod(ended=terminated(0))], "engine_log": "bye\n\n"},
        "EngineCrashed",
        "the engine's container ended with exit code 0; its last line: bye",
    ),
    (
        "the engine does not know the model's architecture",
        {
            **OURS,
            "engine": [make_pod(ended=terminated(1))],
            "engine_log": "ValueError: Model architectures ['TurboForCausalLM'] are not supported for now.",
        },
        "ModelUnsupported",
        "the engine said: ValueError: Model architectures ['TurboForCausalLM'] are not supported for now.; this engine"
        " (engine:1) cannot serve the model: take a newer image or another engine",
    ),
    (
        "somebody kills the engine, and Kubernetes does not say why",
        {**OURS, "engine": [make_pod(ended=terminated(137, "Error"))], "engine_log": "loading\nstill loading"},
        "EngineCrashed",
        "the engine was killed (exit code 137) without a word, and Kubernetes does not say OOMKilled: a failed"
        " liveness probe or an overdue grace period ends like this, or the node's kernel when the node itself runs out"
        " of memory",
    ),
    (
        "the engine's log is gone, but its termination message is there",
        {**OURS, "engine": [make_pod(ended=terminated(0, message="last words"))]},
        "EngineCrashed",
        "the engine's container ended with exit code 0; its last line: last words",
    ),
    (
        "the engine has restarted and runs again",
        {**OURS, "experiment": MEASURING, "engine": [make_pod(started=25, ready=28, restarted=terminated(0))]},
        "EngineCrashed",
        "the engine's container ended with exit code 0; its last line: nothing",
    ),
    (
        "the pod that was measured is another one now",
        {**OURS, "experiment": MEASURING, "engine": [make_pod(uid="uid-new", started=25, ready=28)]},
        "Evicted",
        "somebody deleted the engine's pod, or another replaced it, while it was measured",
    ),
    (
        "the pod that was measured is being deleted",
        {**OURS, "experiment": MEASURING, "engine": [make_pod(started=10, ready=20, deleting=True)]},
        "Evicted",
        "somebody deleted the engine's pod, or another replaced it, while it was measured",
    ),
    (
        "the pod that was measured is gone",
        {**OURS, "experiment": MEASURING},
        "Evicted",
        "somebody deleted the engine's pod, or another replaced it, while it was measured",
    ),
    (
        "somebody evicts the engine's pod, which still runs",
        {**OURS, "engine": [make_pod(started=10, disrupted=("DisruptionTarget", "EvictionByEvictionAPI", "drained"))]},
        "Evicted",
        "the engine's pod on node-a was taken away: EvictionByEvictionAPI: drained",
    ),
    (
        "the scheduler preempts the benchmark's pod",
        {
            **OURS,
            "experiment": MEASURING,
            "engine": [READY],
            "benchmark": [make_pod("benchmark", disrupted=("DisruptionTarget", "PreemptionByScheduler", "urgent"))],
        },
        "Preempted",
        "the benchmark's pod on node-a was taken away: PreemptionByScheduler: urgent",
    ),
    (
        "Kueue preempts the engine",
        {
            **OURS,
            "engine": [make_pod(disrupted=("TerminationTarget", "WorkloadEvictedDueToPreempted", "more urgent"))],
        },
        "Preempted",
        "Kueue took the engine's pod out of the cluster and queues it again: more urgent",
    ),
    (
        "Kueue does not wait as long as the engine loads",
        {
            **OURS,
            "engine": [make_pod(disrupted=("TerminationTarget", "WorkloadEvictedDueToPodsReadyTimeout", TOO_LATE))],
        },
        "PodsReadyTimeout",
        f"Kueue took the engine's pod out of the cluster and queues it again: {TOO_LATE}; raise Kueue's setting"
        " waitForPodsReady.timeout above what pull and start take",
    ),
    (
        "the queue of the engine is stopped",
        {
            **OURS,
            "engine": [make_pod(disrupted=("TerminationTarget", "WorkloadEvictedDueToClusterQueueStopped", "closed"))],
        },
        "Evicted",
        "Kueue took the engine's pod out of the cluster and queues it again: closed",
    ),
    (
        "the engine had a node, and another pod is queued in its place",
        {**OURS, "experiment": PULLING, "engine": [GATED], "stopped": "Preempted to accommodate"},
        "Preempted",
        "Kueue took the engine's pod out of the cluster and queues it again: Preempted to accommodate",
    ),
    (
        "the engine had a node, another pod is queued, and nothing says why",
        {**OURS, "experiment": MEASURING, "engine": [GATED]},
        "Preempted",
        "Kueue took the engine's pod out of the cluster and queues it again",
    ),
    (
        "the engine is gone, and Kueue says why",
        {**OURS, "experiment": MEASURING, "stopped": "Preempted to accommodate"},
        "Preempted",
        "Kueue took the engine's pod out of the cluster and queues it again: Preempted to accommodate",
    ),
    (
        "Kueue suspends the benchmark's Job again",
        {
            **SUSPENDED,
            "experiment": MEASURING,
            "engine": [READY],
            "benchmark": [make_pod("benchmark", deleting=True)],
            "workloads": {"uid-Job-chat-1": Workload("full", "Preempted", "more urgent")},
        },
        "Preempted",
        "Kueue took the benchmark's Job out of the cluster and queues it again: more urgent",
    ),
    (
        "the benchmark had a node, and its Job is suspended",
        {
            **SUSPENDED,
            "experiment": merged(MEASURING, {"status": {"times": {"benchmarkScheduled": at(4)}}}),
            "engine": [READY],
            "stopped": "Preempted to accommodate",
        },
        "Preempted",
        "Kueue took the benchmark's Job out of the cluster and queues it again: Preempted to accommodate",
    ),
    (
        "somebody deletes the benchmark's Job, which looks as if it failed",
        {
            **SERVICE,
            "job": make_job(EXPERIMENT, deleting=True, failed=("BackoffLimitExceeded", "")),
            "experiment": MEASURING,
            "engine": [READY],
        },
        "Evicted",
        "somebody deleted the benchmark's Job while the experiment needed it",
    ),
    (
        "its queue does not exist",
        {"queue": ObservedQueue("team", "gpus", local_queues={})},
        "AdmissionRejected",
        "service.queueName: LocalQueue gpus does not exist in namespace team (there: none), and Kueue would let"
        " everything wait for it; create it, or name another",
    ),
    (
        "the engine's node does not answer any more",
        {**OURS, "engine": [make_pod(disrupted=("DisruptionTarget", "DeletionByTaintManager", ""))]},
        "NodeLost",
        "the engine's pod on node-a was taken away: DeletionByTaintManager",
    ),
    (
        "the engine's node lost power and is back: its kubelet does not find the container",
        {
            **OURS,
            "experiment": MEASURING,
            "engine": [make_pod(ended=terminated(137, "ContainerStatusUnknown", "gone"))],
        },
        "NodeLost",
        "the engine's pod on node-a was taken away: ContainerStatusUnknown: gone",
    ),
    (
        "the benchmark's node was started again: containerd has no exit code",
        {
            **OURS,
            "experiment": MEASURING,
            "engine": [READY],
            "benchmark": [make_pod("benchmark", ended=terminated(255, "Unknown"))],
        },
        "NodeLost",
        "the benchmark's pod on node-a was taken away: Unknown: its node stopped and knows no more of the container",
    ),
    (
        "the kubelet evicts the engine although its container had ended",
        {
            **OURS,
            "engine": [
                merged(
                    make_pod(ended=terminated(137)),
                    {"status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}},
                )
            ],
        },
        "Evicted",
        "the engine's pod on node-a was taken away: Evicted: The node was low on memory.",
    ),
    (
        "somebody deletes the benchmark's pod",
        {
            **OURS,
            "experiment": MEASURING,
            "engine": [READY],
            "job": make_job(EXPERIMENT),
            "owns_job": True,
            "benchmark": [make_pod("benchmark", started=22, deleting=True)],
        },
        "Evicted",
        "somebody deleted the benchmark's pod while the experiment needed it",
    ),
    (
        "somebody stopped the benchmark, which says so",
        {
            **OURS,
            "experiment": MEASURING,
            "engine": [READY],
            "benchmark": [make_pod("benchmark", ended=make_result(failure="Terminated", message="told to stop"))],
        },
        "Evicted",
        "somebody stopped the benchmark's pod while the experiment needed it",
    ),
    (
        "the benchmark failed, and the engine's node is not Ready",
        {
            **OURS,
            "experiment": ENDED,
            "engine": [READY],
            "node": LOST,
            "benchmark": [make_pod("benchmark", ended=make_result(failure="EngineNotServing", message="silent"))],
            "now": 63.0,
        },
        "NodeLost",
        "the engine's node node-a is not Ready, and the benchmark failed: silent",
    ),
    (
        "all levels are measured",
        {
            **OURS,
            "experiment": MEASURING,
            "engine": [READY],
            "benchmark": [make_pod("benchmark", ended=make_result(make_level(8), make_level(16)))],
        },
        "Completed",
        "2 levels measured",
    ),
    (
        "one level is measured, with a warning",
        {
            **OURS,
            "engine": [READY],
            "benchmark": [make_pod("benchmark", ended=make_result(make_level(), warnings=("few requests",)))],
        },
        "Completed",
        "1 level measured; few requests",
    ),
    (
        "one level is measured by less than a core",
        {
            **OURS,
            "job": make_job(EXPERIMENT, limits={"cpu": "500m"}),
            "engine": [READY],
            "benchmark": [make_pod("benchmark", ended=make_result(make_level()))],
        },
        "Completed",
        "1 level measured; the benchmark may use only 500m of CPU, by the namespace's LimitRange or"
        " benchmark.pod.resources: it needs a whole core, or it measures itself",
    ),
    (
        "one level is measured, of which requests failed, and the engine goes on",
        {
            **OURS,
            "engine": [READY],
            "benchmark": [make_pod("benchmark", ended=make_result(make_level(errors=9)))],
            "experiment": ENDED,
            "now": 63.0,
        },
        "Completed",
        "1 level measured",
    ),
    (
        "the client was short of CPU",
        {
            **OURS,
            "experiment": ENDED,
            "engine": [READY],
            "benchmark": [make_pod("benchmark", ended=make_result(failure="ClientOverloaded", message="late"))],
            "now": 63.0,
        },
        "ClientOverloaded",
        "late",
    ),
    (
        "the engine never gave an answer",
        {
            **OURS,
            "engine": [READY],
            "benchmark": [
                make_pod("benchmark", ended=make_result(failure="EngineNotServing", message="no model list"))
            ],
            "experiment": ENDED,
            "now": 63.0,
        },
        "EngineNotServing",
        "no model list",
    ),
    (
        "the engine refuses what the load asks for",
        {
            **OURS,
            "engine": [READY],
            "benchmark": [
                make_pod("benchmark", ended=make_result(failure="Refused", message="HTTP 400: at most 64 tokens"))
            ],
            "experiment": ENDED,
            "now": 63.0,
        },
        "InvalidArguments",
        "HTTP 400: at most 64 tokens",
    ),
    (
        "the tokenizer cannot be loaded",
        {
            **OURS,
            "engine": [READY],
            "benchmark": [
                make_pod("benchmark", ended=make_result(failure="Tokenizer", message="benchmark.tokenizer.id: gated"))
            ],
            "experiment": ENDED,
            "now": 63.0,
        },
        "TokenizerUnavailable",
        "benchmark.tokenizer.id: gated",
    ),
    (
        "the tokenizer cannot be loaded",
        {
            **OURS,
            "engine": [READY],
            "benchmark": [
                make_pod(
                    "benchmark", ended=make_result(failure="Trace", message="benchmark.scenarios[chat].trace: line 3")
                )
            ],
            "experiment": ENDED,
            "now": 63.0,
        },
        "TraceUnusable",
        "benchmark.scenarios[chat].trace: line 3",
    ),
    (
        "the engine wants a key",
        {
            **OURS,
            "engine": [READY],
            "benchmark": [make_pod("benchmark", ended=make_result(failure="Unauthorized", message="HTTP 401"))],
            "experiment": ENDED,
            "now": 63.0,
        },
        "Unauthorized",
        "HTTP 401",
    ),
    (
        "the engine has several names",
        {
            **OURS,
            "engine": [READY],
            "benchmark": [
                make_pod("benchmark", ended=make_result(failure="ModelNameAmbiguous", message="base, lora-a"))
            ],
            "experiment": ENDED,
            "now": 63.0,
        },
        "ModelNameAmbiguous",
        "base, lora-a",
    ),
    (
        "the benchmark failed and no engine is left that could have died",
        {
            **OURS,
            "benchmark": [make_pod("benchmark", ended=make_result(failure="Acceptance", message="too many errors"))],
            "now": 60.0,
        },
        "BenchmarkFailed",
        "too many errors",
    ),
    (
        "the benchmark leaves no result",
        {
            **OURS,
            "engine": [READY],
            "benchmark": [make_pod("benchmark", ended=terminated(137, "OOMKilled"))],
            "benchmark_log": "starting\nlevel 1\n\n",
        },
        "BenchmarkFailed",
        "the benchmark ended with exit code 137 and no result; its last line: level 1",
    ),
    (
        "the benchmark's result is cut, and its log is gone",
        {
            **OURS,
            "experiment": ENDED,
            "engine": [READY],
            "now": 70.0,
            "benchmark": [make_pod("benchmark", ended={**MEASURED, "message": MEASURED["message"][:100]})],
        },
        "BenchmarkFailed",
        "the benchmark ended with exit code 0 and no result; its termination message, 100 bytes, is none: pods with"
        " many containers have theirs cut; its last line: nothing",
    ),
    (
        "the benchmark's result is cut, and its log has it",
        {
            **OURS,
            "engine": [READY],
            "benchmark": [make_pod("benchmark", ended={**MEASURED, "message": MEASURED["message"][:100]})],
            "benchmark_log": "\n".join(["loading", *log_lines(MEASURED["message"]), "Complete: 1 levels"]),
        },
        "Completed",
        "1 level measured",
    ),
    (
        "the engine's node shares its accelerators",
        {**OURS, "engine": [STARTED], "node": SHARING},
        "AcceleratorShared",
        "the engine's node shares its accelerators among pods (time-slicing, 4 clients), and figures would depend on"
        " what the others do: choose other nodes with service.nodeSelector, or set service.accelerator.allowShared:"
        " true",
    ),
    (
        "the benchmark's Job fails without a pod",
        {
            "root": make_isvc(EXPERIMENT),
            "job": make_job(EXPERIMENT, failed=("BackoffLimitExceeded", "too many pods")),
            "engine": [READY],
        },
        "BenchmarkFailed",
        "the benchmark's Job failed: BackoffLimitExceeded: too many pods",
    ),
    (
        "the benchmark's Job has run into its own deadline",
        {
            "root": make_isvc(EXPERIMENT),
            "job": make_job(EXPERIMENT, failed=("DeadlineExceeded", "longer than specified deadline")),
            "engine": [READY],
        },
        "BenchmarkTimeout",
        "the benchmark's Job failed: DeadlineExceeded: longer than specified deadline",
    ),
]


@pytest.mark.parametrize(("state", "reason", "message"), [row[1:] for row in ENDINGS], ids=[row[0] for row in ENDINGS])
def test_ends_when(state: Object, reason: str, message: str) -> None:
    ending = found(**state)

    assert ending is not None
    assert (ending.reason, ending.message) == (reason, message)


NO_PROGRAM = (
    'runc create failed: unable to start container process: exec: "/vllm": stat /vllm: no such file or directory'
)
NOT_IN_PATH = 'unable to start container process: exec: "vllm": executable file not found in $PATH'
OF_CRUN = "executable file `vllm` not found in $PATH: No such file or directory"
NO_DRIVER = "runc create failed: nvidia-container-cli: initialization error: driver not loaded"
ADVICE = "; look at the runtime's command and at its image"


@pytest.mark.parametrize("reason", ["StartError", "ContainerCannotRun"])
@pytest.mark.parametrize(
    ("words", "advice", "never_ran"),
    [(NO_PROGRAM, ADVICE, True), (NOT_IN_PATH, ADVICE, True), (OF_CRUN, ADVICE, True), (NO_DRIVER, "", False)],
)
def test_a_container_that_cannot_be_started_is_no_word_of_the_engine(
    words: str, advice: str, never_ran: bool, reason: str
) -> None:
    ending = found(**OURS, engine=[make_pod(ended=terminated(128, reason, words))])

    assert ending is not None
    assert (ending.reason, ending.exit_code) == ("EngineCrashed", 128)
    assert (ending.never_ran, ending.believed) == (never_ran, never_ran)
    assert ending.message == f"the engine's container cannot be started: {words}{advice}"


def test_a_program_that_crio_misses_holds_no_accelerators_until_the_image_is_overdue() -> None:
    ending = found(
        **OURS, engine=[make_pod(waiting=("CreateContainerError", f"container create failed: {NOT_IN_PATH}"))]
    )

    assert ending is not None
    assert (ending.reason, ending.never_ran) == ("EngineCrashed", True)
    assert found(**OURS, engine=[make_pod(waiting=("CreateContainerError", "context deadline exceeded"))]) is None


@pytest.mark.parametrize("line", ["exec /opt/vllm: exec format error\n", "exec user process caused: exec format error"])
def test_a_program_for_another_processor_never_ran(line: str) -> None:
    crashed = make_pod(ended=terminated(255, "Error"))
    ending = found(**OURS, engine=[crashed], engine_log=line)

    assert ending is not None
    assert (ending.reason, ending.never_ran) == ("EngineCrashed", True)
    assert ending.message.startswith(f"the engine's container cannot be started: {line.strip()}; ")
    served = found(**OURS, engine=[crashed], engine_log=f"loading\n{line}")
    assert served is not None
    assert not served.never_ran


def test_measured_well_but_against_the_slos_is_told_as_such() -> None:
    strict = make_experiment(stop={"slos": [{"metric": "TTFT", "max": "100ms"}]})
    state = seen(
        strict,
        **OURS,
        engine=[READY],
        benchmark=[make_pod("benchmark", ended=make_result(make_level(ttft=0.2)))],
    )
    ending = endings.find(state, after(IN_TIME))
    assert ending is not None

    judged = judge(state, ending)

    assert judged.reason == "SLOViolated"
    assert judged.message == "no level keeps the SLOs; nearest: TTFT P99 200ms at chat x 8, above 100ms by 100%"
    assert judged.result == ending.result


GOES_ON: list[tuple[str, Object]] = [
    (
        "somebody deletes the pod of an engine that loads",
        {**OURS, "experiment": PULLING, "engine": [make_pod(ended=terminated(143), deleting=True)]},
    ),
    ("nothing exists yet", {}),
    ("nothing exists yet, however long the operator was away", {"now": 9999.0}),
    ("another's InferenceService will go away", {"root": make_isvc(OTHER, deleting=True)}),
    ("the model is deleted after the engine was made", {**OURS, "engine": [STARTED], "model": None}),
    ("the runtime is deleted after the engine was made", {**OURS, "engine": [STARTED], "runtime": None}),
    ("OME's warning has not repeated", {**OURS, "events": (doomed(count=2),)}),
    ("OME warns of what healthy starts also show", {**OURS, "events": (doomed(9, "InternalError"),)}),
    ("a quota for InferenceServices is used up", {"rejection": "exceeded quota: q"}),
    ("a quota is used up", {**OURS, "related": (make_deployment(failure=("FailedCreate", "exceeded quota: q")),)}),
    ("a webhook is down", {**OURS, "related": (make_deployment(failure=("FailedCreate", "failed calling webhook")),)}),
    ("a quota leaves no room for the benchmark", {**OURS, "job_refusal": Refusal("Quota", "exceeded quota: q")}),
    ("OME's word is not a warning", {**OURS, "events": (doomed(9, kind="Normal"),)}),
    ("OME warned, but made a pod", {**OURS, "events": (doomed(9),), "engine": [STARTED]}),
    ("a first pull failed", {**OURS, "engine": [make_pod(waiting=("ErrImagePull", "timeout"))]}),
    ("a pod was replaced before it was measured", {**OURS, "engine": [make_pod(deleting=True), STARTED]}),
    ("another's Job failed", {**OURS, "job": make_job(OTHER, failed=("DeadlineExceeded", ""))}),
    (
        "the engine became ready while the operator was away",
        {**OURS, "engine": [make_pod(started=10, ready=309)], "now": 400.0},
    ),
    (
        "a failed benchmark may be the echo of an engine's death",
        {
            **OURS,
            "engine": [READY],
            "benchmark": [make_pod("benchmark", ended=make_result(failure="Acceptance", message="errors"))],
            "experiment": ENDED,
            "now": 62.9,
        },
    ),
    (
        "requests that failed at the end may be the echo of an engine's death",
        {
            **OURS,
            "engine": [READY],
            "benchmark": [make_pod("benchmark", ended=make_result(make_level(errors=9)))],
            "experiment": ENDED,
            "now": 62.9,
        },
    ),
    (
        "a Secret has only just been created",
        {
            **OURS,
            "engine": [STARTED],
            "benchmark": [make_pod("benchmark", waiting=("CreateContainerConfigError", "no secret"))],
        },
    ),
]


@pytest.mark.parametrize("state", [row[1] for row in GOES_ON], ids=[row[0] for row in GOES_ON])
def test_goes_on_although(state: Object) -> None:
    assert found(**state) is None


def test_results_that_came_before_a_clock_ran_out_count() -> None:
    ending = found(
        MEASURING,
        now=9999,
        **OURS,
        engine=[READY],
        benchmark=[make_pod("benchmark", ended=make_result(make_level()))],
    )

    assert ending is not None
    assert ending.reason == "Completed"


def test_the_engines_death_explains_a_failed_benchmark() -> None:
    ending = found(
        MEASURING,
        **OURS,
        engine=[make_pod(ended=terminated(1))],
        engine_log="torch.OutOfMemoryError: CUDA out of memory.",
        benchmark=[make_pod("benchmark", ended=make_result(failure="Acceptance", message="connection refused"))],
    )

    assert ending is not None
    assert ending.reason == "OutOfMemory"


def test_evidence_is_the_end_of_the_log() -> None:
    ending = found(**OURS, engine=[make_pod(ended=terminated(3))], engine_log="x" * 5000 + "the end")

    assert ending is not None
    assert ending.exit_code == 3
    assert len(ending.log_tail) == reasons.LOG_TAIL
    assert ending.log_tail.endswith("the end")


CAUSE = """\
[2025-11-20 10:00:00 TP0] Scheduler hit an exception: Traceback (most recent call last):
  File "/sglang/srt/managers/scheduler.py", line 1, in run_scheduler_process
    scheduler.event_loop_normal()
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB
"""


def test_evidence_holds_a_cause_far_above_the_end() -> None:
    log = "loading\n" * 1000 + CAUSE + "INFO: 500 Internal Server Error\n" * 1000 + "the end\n"
    ending = found(**OURS, engine=[make_pod(ended=terminated(0))], engine_log=log)

    assert ending is not None
    assert (ending.reason, ending.exit_code) == ("OutOfMemory", 0)
    assert "Scheduler hit an exception" in ending.log_tail
    assert "CUDA out of memory. Tried to allocate 2 GiB\n...\n" in ending.log_tail
    assert ending.log_tail.endswith("the end\n")
    assert len(ending.log_tail) <= reasons.LOG_TAIL


def test_accelerators_may_be_shared_where_the_spec_allows_it() -> None:
    allowed = make_experiment(service={"accelerator": {"allowShared": True}})

    assert found(allowed, root=make_isvc(allowed), engine=[STARTED], node=SHARING) is None


def test_what_a_failed_benchmark_leaves_is_for_people() -> None:
    failed = make_result(failure="Acceptance", message="too many errors")
    log = "\n".join(["level 1", *log_lines(failed["message"]), "Acceptance: too many errors"])
    ending = found(now=60.0, **OURS, benchmark=[make_pod("benchmark", ended=failed)], benchmark_log=log)

    assert ending is not None
    assert ending.log_tail == "level 1\nAcceptance: too many errors"


def test_every_reason_is_reached() -> None:
    reached = {row[2] for row in ENDINGS} | {"SLOViolated"} | {row[3] for row in CLOCKS}

    assert reached == set(REASONS)
