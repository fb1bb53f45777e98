"""A real API server does what the conformance cases say, so that the API in memory may be believed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from autotuner.api_server import ApiServer
from testbed import Testbed
from testbed.api import Api
from tests.conformance.cases import CASES
from tests.conformance.cluster import ClusterServer


@pytest.fixture
async def server(
    bed: Testbed, api: Api, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ClusterServer]:
    monkeypatch.setenv("KUBECONFIG", str(bed.kubeconfig))
    kube = await ApiServer.connect()
    yield ClusterServer(api, kube, namespace)
    await kube.close()


@pytest.mark.parametrize("name", CASES)
async def test_case(name: str, server: ClusterServer) -> None:
    await CASES[name](server)
