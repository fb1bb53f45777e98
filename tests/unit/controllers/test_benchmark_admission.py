"""The trial of a benchmark before its engine: what is asked, how often, and what an answer means."""

from __future__ import annotations

import pytest

from autotuner.api.experiment import ExperimentSpec
from autotuner.benchmark.job import JobSurroundings, benchmark_job
from autotuner.controllers.benchmark_admission import KNOWN_SECONDS, BenchmarkAdmission, Trial
from autotuner.kube import AlreadyExistsError, KubeError, RejectedError
from autotuner.kubernetes_object import Object
from autotuner.serving.backend import Endpoint
from autotuner.serving.refusals import Refusal
from tests.unit.builders import make_experiment
from tests.unit.fake_kube import FakeKube

TAINTED = {
    "kind": "Node",
    "metadata": {"name": "gpu", "labels": {}},
    "spec": {"taints": [{"key": "gpu", "effect": "NoSchedule"}]},
}
FREE = {"kind": "Node", "metadata": {"name": "cpu", "labels": {}}, "spec": {}}
ASKED = ["list LimitRange", "dry run Job", "dry run Pod", "list Node"]
QUOTA = 'pods "x" is forbidden: exceeded quota: q'
POLICY = 'Pod "x" is invalid: spec.containers[0].resources.requests: Invalid value'


def job_of(experiment: Object) -> Object:
    around = JobSurroundings(Endpoint("http", "engine", 80), image="benchmark:1")
    return benchmark_job(experiment, ExperimentSpec.model_validate(experiment["spec"]), around)


async def tried(kube: FakeKube, experiment: Object | None = None, admission: BenchmarkAdmission | None = None) -> Trial:
    experiment = experiment or make_experiment()
    return await (admission or BenchmarkAdmission(kube.as_kube())).try_out(experiment, job_of(experiment))


def asked(kube: FakeKube) -> list[str]:
    return [f"{verb} {kind}" for verb, kind in kube.calls]


async def test_tries_job_and_pod_and_looks_at_the_nodes() -> None:
    kube = FakeKube(FREE, TAINTED)

    assert await tried(kube) == Trial()

    assert asked(kube) == ASKED


@pytest.mark.parametrize("kind", ["Job", "Pod"])
@pytest.mark.parametrize(
    ("problem", "want"),
    [
        (RejectedError(403, "Forbidden", QUOTA), Trial(Refusal("Quota", QUOTA))),
        (RejectedError(422, "Invalid", POLICY), Trial(Refusal("Policy", POLICY))),
        (RejectedError(400, "BadRequest", 'admission webhook "w" does not support dry run'), Trial()),
        (KubeError(500, "InternalError", "failed calling webhook"), Trial()),
        (AlreadyExistsError(409, "AlreadyExists", "chat-1"), Trial()),
    ],
    ids=["quota", "policy", "no dry run", "webhook down", "exists"],
)
async def test_only_what_is_said_of_the_benchmark_counts(kind: str, problem: Exception, want: Trial) -> None:
    kube = FakeKube(FREE)
    kube.refuse["dry run", kind] = problem

    assert await tried(kube) == want


async def test_a_pod_that_no_node_could_take_has_no_place() -> None:
    trial = await tried(FakeKube(TAINTED))

    assert trial == Trial(None, "none of 1 nodes can take it (1 with the taint gpu:NoSchedule)")


async def test_counts_what_admission_adds_to_the_pod() -> None:
    class Tolerant(FakeKube):
        async def dry_run(self, resource: object, namespace: str | None, body: Object) -> Object:  # type: ignore[override]
            return {**body, "spec": {**body["spec"], "tolerations": [{"operator": "Exists"}]}}

    assert await tried(Tolerant(TAINTED)) == Trial()


async def test_counts_what_a_queue_adds_to_the_pod() -> None:
    experiment = make_experiment()
    admission = BenchmarkAdmission(FakeKube(TAINTED).as_kube())

    assert await admission.try_out(experiment, job_of(experiment), [{"operator": "Exists"}]) == Trial()


async def test_asks_once_for_experiments_that_differ_only_in_what_their_pods_are_told() -> None:
    kube = FakeKube(FREE)
    admission = BenchmarkAdmission(kube.as_kube())
    for name in ("chat-1", "chat-2"):
        experiment = make_experiment(name, block=int(name[-1]), service={"args": [f"--tp-size={name[-1]}"]})
        assert await tried(kube, experiment, admission) == Trial()

    assert asked(kube) == ASKED


@pytest.mark.parametrize(
    ("benchmark", "questions"),
    [({"pod": {"image": "other:2"}}, 2), ({"placement": "SameNode"}, 2), ({"seed": "other"}, 1)],
)
async def test_asks_again_for_another_pod(benchmark: Object, questions: int) -> None:
    kube = FakeKube(FREE)
    admission = BenchmarkAdmission(kube.as_kube())
    await tried(kube, make_experiment(), admission)
    await tried(kube, make_experiment("chat-2", benchmark=benchmark), admission)

    assert asked(kube).count("dry run Pod") == questions


async def test_asks_again_after_a_while_after_a_refusal_and_when_told_to() -> None:
    kube, now = FakeKube(FREE), [0.0]
    admission = BenchmarkAdmission(kube.as_kube(), lambda: now[0])
    for moment in (0.0, KNOWN_SECONDS - 1, KNOWN_SECONDS):
        now[0] = moment
        await tried(kube, None, admission)
    assert asked(kube) == ASKED * 2

    admission.forget("team")
    kube.refuse["dry run", "Pod"] = RejectedError(403, "Forbidden", QUOTA)
    for _ in range(2):
        await tried(kube, None, admission)
    assert asked(kube).count("dry run Pod") == 4
    assert asked(kube).count("list LimitRange") == 4


async def test_tries_a_pod_that_belongs_to_its_experiment() -> None:
    bodies: dict[str, Object] = {}

    class Noting(FakeKube):
        async def dry_run(self, resource: object, namespace: str | None, body: Object) -> Object:  # type: ignore[override]
            bodies[body["kind"]] = body
            return body

    await tried(Noting(FREE))

    assert bodies["Pod"]["metadata"]["ownerReferences"][0]["uid"] == "uid-chat-1"
    assert bodies["Pod"]["metadata"]["labels"] == bodies["Job"]["spec"]["template"]["metadata"]["labels"]
    assert bodies["Pod"]["spec"] == bodies["Job"]["spec"]["template"]["spec"]


async def test_goes_on_without_the_right_to_read_limit_ranges() -> None:
    kube = FakeKube(FREE)
    kube.refuse["list", "LimitRange"] = RejectedError(403, "Forbidden", "limitranges is forbidden")

    assert await tried(kube) == Trial()
    assert await BenchmarkAdmission(kube.as_kube()).limit_ranges("team") == []
