"""One testbed for all cluster tests, a namespace of its own for each."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.operator import install_crds
from tests.testbed import Testbed
from tests.testbed.api import Api


@pytest.fixture(scope="session")
def bed() -> Iterator[Testbed]:
    with Testbed.start() as testbed:
        yield testbed


@pytest.fixture(scope="session")
def crds(bed: Testbed) -> None:
    """Both kinds of the product are served."""

    async def install() -> None:
        async with Api(bed.kubeconfig, agent="test") as client:
            await install_crds(client)

    asyncio.run(install())


@pytest.fixture
async def api(bed: Testbed) -> AsyncIterator[Api]:
    async with Api(bed.kubeconfig, agent="test") as client:
        yield client


@pytest.fixture
async def namespace(api: Api) -> AsyncIterator[str]:
    name = f"t-{secrets.token_hex(4)}"
    await api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    await api.delete(f"/api/v1/namespaces/{name}")
