"""A real API server does what the conformance cases say, so that the API in memory may be believed.

The cases mostly wait, each in a namespace of its own: they run beside each other, and each test takes its own result.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config.kube_config import load_kube_config

from autotuner.api_server import ApiServer
from testbed import Testbed
from testbed.api import Api
from testbed.kubernetes import chosen
from testbed.waiting import until
from tests.conformance.cases import CASES
from tests.conformance.cluster import ClusterServer

_AT_ONCE = 8
_CASE_SECONDS = 120


@pytest.fixture(scope="module")
def results(bed: Testbed, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[None]]]:
    """The results of the cases that were selected, by name, as they come in."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    names = [item.callspec.params["name"] for item in items if item.module is request.module]
    results: dict[str, Future[None]] = {name: Future() for name in names}
    thread = threading.Thread(target=lambda: asyncio.run(_run(bed.kubeconfig, results)))
    thread.start()
    yield results
    thread.join()


async def _run(kubeconfig: Path, results: dict[str, Future[None]]) -> None:
    configuration = Configuration()
    await load_kube_config(config_file=str(kubeconfig), client_configuration=configuration)
    kube, free = ApiServer(ApiClient(configuration)), asyncio.Semaphore(_AT_ONCE)
    async with Api(kubeconfig, agent="conformance") as api:

        async def run(name: str) -> None:
            async with free:
                try:
                    async with asyncio.timeout(_CASE_SECONDS):
                        await _case(api, kube, name)
                except BaseException as problem:
                    results[name].set_exception(problem)
                else:
                    results[name].set_result(None)

        await asyncio.gather(*map(run, results))
    await kube.close()


async def _case(api: Api, kube: ApiServer, name: str) -> None:
    namespace = f"t-{secrets.token_hex(4)}"
    await api.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
    await until(api, f"/api/v1/namespaces/{namespace}/serviceaccounts", "default", lambda _: True)  # pods need it
    await CASES[name](ClusterServer(api, kube, namespace))
    await api.delete(f"/api/v1/namespaces/{namespace}")


# The API in memory answers as Kubernetes 1.34 does. What another release answers otherwise, and the product does not
# rest on: minor release -> case -> why.
_UNLIKE = {
    "1.30": {
        "writing: kinds without content that counts have no generation": "pods have no generation there",
        "deleting: a pod on a node gets time": "pods have no generation there",
        "validating: a status has rules too": "one cause less is told there",
        "watching: a bookmark ends what was there first": "watches that begin with a list are off there",
    }
}


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, results: dict[str, Future[None]]) -> None:
    if why := _UNLIKE.get(chosen().minor, {}).get(name):
        pytest.skip(f"not run: {why}")
    results[name].result()
