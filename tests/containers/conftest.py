"""Docker and Podman of this machine, each started once for all tests."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from autotuner.local.containers.docker_api import DockerApi
from autotuner.local.containers.finding import Engine, Place, find
from autotuner.local.containers.host import Containers
from testbed import container_engines


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without container engines no test is run, and the sum says why."""
    if why := container_engines.obstacle():
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=f"not run: no Docker and Podman here, {why}"))


@pytest.fixture(scope="session", params=container_engines.ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A container engine that has the image."""
    with container_engines.running(request.param) as socket:
        container_engines.add_image(socket)
        yield asyncio.run(find([Place(str(socket), "a test's")]))


@pytest.fixture
async def host(engine: Engine) -> AsyncIterator[Containers]:
    made = Containers(DockerApi(engine.place.socket), engine)
    yield made
    await made.close()


@pytest.fixture
async def run(host: Containers) -> AsyncIterator[str]:
    """The identity of a run; afterwards nothing of it is left."""
    identity = uuid.uuid4().hex
    yield identity
    for uid in await host.mine(identity):
        await host.stop(uid, 0)
    assert await host.mine(identity) == []
