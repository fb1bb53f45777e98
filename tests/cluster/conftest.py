"""One testbed for all cluster tests, a namespace of its own for each."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from testbed import Testbed
from testbed.api import Api
from testbed.waiting import until


@pytest.fixture(scope="session")
def bed() -> Iterator[Testbed]:
    with Testbed.start() as testbed:
        yield testbed


@pytest.fixture
async def api(bed: Testbed) -> AsyncIterator[Api]:
    async with Api(bed.kubeconfig, agent="test") as client:
        yield client


@pytest.fixture
async def namespace(api: Api) -> AsyncIterator[str]:
    name = f"t-{secrets.token_hex(4)}"
    await api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    await until(api, f"/api/v1/namespaces/{name}/serviceaccounts", "default", lambda _: True)  # else pods are refused
    yield name
    await api.delete(f"/api/v1/namespaces/{name}")
