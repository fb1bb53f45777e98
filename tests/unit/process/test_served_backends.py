"""Which backends can serve, by what the API server says of their kinds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import pytest

from autotuner.kube import Obstacle
from autotuner.kubernetes_object import Resource
from autotuner.process import served_backends
from autotuner.serving.backend import Backends
from autotuner.serving.deployment.deployments import Deployments
from autotuner.serving.ome.adapter import Ome
from tests.unit.fake_kube import FakeKube

GONE = Obstacle("inferenceservices.ome.io: 404: page not found", absent=True)
AWAY = Obstacle("the API server: 500: no etcd", absent=False)


class Cluster(FakeKube):
    """Says of a group's kinds what it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.says: dict[str, Obstacle] = {}

    async def obstacle(self, resources: Iterable[Resource], namespaces: Sequence[str]) -> Obstacle | None:
        return next((self.says[one.group] for one in resources if one.group in self.says), None)


@pytest.fixture
def backends() -> Backends:
    return Backends(Ome(), Deployments())


async def test_who_cannot_serve_is_known_with_the_reason(backends: Backends) -> None:
    kube = Cluster()
    kube.says["ome.io"] = GONE
    assert await served_backends.look(kube.as_kube(), backends, ()) == ""
    assert backends.absent == {"OME": GONE.words}
    assert backends.usual == "Deployment"
    assert [resource.kind for resource in backends.roots] == ["Deployment"]


async def test_what_cannot_be_told_is_asked_again(backends: Backends) -> None:
    kube = Cluster()
    kube.says["ome.io"] = AWAY
    assert await served_backends.look(kube.as_kube(), backends, ()) == AWAY.words
    assert backends.absent == {}


async def test_one_that_may_not_be_used_is_not_asked_for(backends: Backends) -> None:
    kube = Cluster()
    kube.says["ome.io"] = AWAY
    backends.withhold_all_but(["deployment"])

    assert await served_backends.look(kube.as_kube(), backends, ()) == ""
    assert backends.absent == {"OME": "the chart's value backends does not name ome"}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await served_backends.appeared(kube.as_kube(), backends, ())


async def test_without_any_the_operator_waits(backends: Backends) -> None:
    kube = Cluster()
    kube.says |= {"ome.io": GONE, "apps": Obstacle("deployments.apps: 403", absent=True)}
    assert await served_backends.look(kube.as_kube(), backends, ()) == f"{GONE.words}; deployments.apps: 403"


async def test_one_that_appears_is_noticed(backends: Backends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_backends, "_PERIOD", 0.01)
    kube = Cluster()
    kube.says["ome.io"] = GONE
    await served_backends.look(kube.as_kube(), backends, ())
    waiting = asyncio.create_task(served_backends.appeared(kube.as_kube(), backends, ()))
    await asyncio.sleep(0.03)
    assert not waiting.done()
    del kube.says["ome.io"]
    (found,) = await asyncio.wait_for(waiting, 5)
    assert found.capabilities.name == "OME"
    assert backends.usual == "OME"
