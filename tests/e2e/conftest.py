"""One testbed and one operator for all stories, a namespace of its own for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from testbed import Testbed
from testbed.api import Api
from testbed.controlplane import free_port
from testbed.operator_process import Operator
from tests.e2e.story import Story

# OME's silence is noticed soon, and no hub answers: nothing of this machine listens on port 9.
SETTINGS = {"AUTOTUNER_SERVING_SECONDS": "15", "AUTOTUNER_HUB_ENDPOINT": "http://127.0.0.1:9"}


@pytest.fixture(scope="session")
def bed() -> Iterator[Testbed]:
    """A testbed, which serves both kinds of the product."""
    with Testbed.start() as testbed:
        yield testbed


@pytest.fixture(scope="session")
def operator(bed: Testbed) -> Iterator[Operator]:
    """The operator; stories may kill it, if they start it again."""
    settings = {**SETTINGS, "AUTOTUNER_METRICS_PORT": str(free_port())}
    with Operator(bed.kubeconfig, bed.logs / "operator.log", settings) as process:
        yield process


@pytest.fixture
async def api(bed: Testbed) -> AsyncIterator[Api]:
    async with Api(bed.kubeconfig, agent="test") as client:
        yield client


@pytest.fixture
async def story(bed: Testbed, operator: Operator, api: Api) -> AsyncIterator[Story]:
    """A place for one story; afterwards nothing is left of it and the operator met nothing unforeseen."""
    async with Story.begin(bed, operator, api) as place:
        yield place


@pytest.fixture
async def neighbour(bed: Testbed, operator: Operator, api: Api) -> AsyncIterator[Story]:
    """A second place beside the first."""
    async with Story.begin(bed, operator, api) as place:
        yield place
