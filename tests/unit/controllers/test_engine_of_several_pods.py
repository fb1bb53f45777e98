"""An engine of several pods: the log that is evidence is that of the pod that failed."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner import backend_choice, clock
from autotuner.controllers.experiment import ExperimentController
from autotuner.controllers.recent_reads import RecentReads
from autotuner.controllers.turn_keeper import TurnKeeper
from autotuner.controllers.workqueue import ObjectKey
from autotuner.kubernetes_object import Object
from autotuner.policy.turns import OverallLimits
from autotuner.settings import Settings
from tests.unit.builders import after, make_pod, terminated
from tests.unit.fake_kube import FakeKube
from tests.unit.serving.lws.sets import BACKEND, RAY, data_of, experiment_of

DATA = data_of(RAY)
EXPERIMENT, SERVICE = experiment_of(DATA, [])
SNAPSHOT = {"kind": "ControllerRevision", "metadata": {"name": "chat-1", "namespace": "team"}, "data": DATA}
LWS = "leaderworkerset.sigs.k8s.io"


class Kube(FakeKube):
    """Remembers whose log was asked for."""

    def __init__(self, *objects: Object) -> None:
        super().__init__(*objects)
        self.asked: list[tuple[str, str, bool]] = []

    async def logs(self, _: str, pod: str, container: str, *, previous: bool) -> str:
        self.asked.append((pod, container, previous))
        return "torch.OutOfMemoryError: CUDA out of memory"


def root() -> Object:
    body = BACKEND.render(EXPERIMENT, SERVICE, SNAPSHOT)
    body["metadata"]["uid"] = "uid-root"
    return body


def pod(rank: int, **state: Any) -> Object:
    role = "workerTemplate" if rank else "leaderTemplate"
    template = root()["spec"]["leaderWorkerTemplate"][role]
    container = template["spec"]["containers"][0]["name"]
    body: Object = {"kind": "Pod", **make_pod(uid=f"uid-{rank}", **state)}
    body["metadata"] |= {
        "name": f"chat-1-lws-0-{rank}",
        "labels": {**template["metadata"]["labels"], f"{LWS}/worker-index": str(rank)},
        "annotations": {**template["metadata"]["annotations"], f"{LWS}/size": "2"},
    }
    body["spec"]["containers"][0]["name"] = body["status"]["containerStatuses"][0]["name"] = container
    return body


async def passed(kube: Kube) -> Object:
    client = kube.as_kube()
    turns = TurnKeeper(OverallLimits())
    controller = ExperimentController(client, backend_choice.BACKENDS, Settings(), RecentReads(client), turns)
    await controller.reconcile(ObjectKey("team", "chat-1"))
    found: Object = kube.objects["TuningExperiment", "chat-1"]["status"]
    return found


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: after(61))


@pytest.mark.parametrize(
    ("leader", "worker", "asked"),
    [
        ({"started": 10, "ready": 20}, {"ended": terminated(1)}, ("chat-1-lws-0-1", "ray", False)),
        (
            {"ended": terminated(1, finished=50)},
            {"started": 55, "restarted": terminated(1, finished=40)},
            ("chat-1-lws-0-1", "ray", True),
        ),
        ({"ended": terminated(1)}, {"started": 10, "ready": 20}, ("chat-1-lws-0-0", "engine", False)),
    ],
)
async def test_the_log_of_the_pod_that_failed_first_is_evidence(
    leader: Object, worker: Object, asked: tuple[str, str, bool]
) -> None:
    kube = Kube(EXPERIMENT, SNAPSHOT, root(), pod(0, **leader), pod(1, **worker))
    status = await passed(kube)

    assert kube.asked == [asked]
    assert status["reason"] == "OutOfMemory"
    assert "CUDA out of memory" in status["evidence"]["logTail"]


async def test_while_a_pod_is_missing_the_events_of_what_makes_it_are_read() -> None:
    stateful = {"kind": "StatefulSet", "metadata": {"name": "chat-1-lws-0", "namespace": "team", "uid": "uid-sts"}}
    quota = (
        'create Pod chat-1-lws-0-1 in StatefulSet chat-1-lws-0 failed error: pods "chat-1-lws-0-1" is forbidden:'
        " exceeded quota: gpus"
    )
    told = {"kind": "Event", "metadata": {"name": "e"}, "type": "Warning", "reason": "FailedCreate", "message": quota}
    status = await passed(Kube(EXPERIMENT, SNAPSHOT, root(), pod(0, started=10), stateful, told))

    assert status["phase"] == "Queued"
    assert "waiting for quota: pods" in status["message"]
