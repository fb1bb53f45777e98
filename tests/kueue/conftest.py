"""One testbed with the real Kueue and one operator for all stories, a namespace and a ClusterQueue for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from testbed import Testbed
from testbed.api import Api
from testbed.operator_process import Operator
from tests.e2e.conftest import SETTINGS
from tests.e2e.story import Story
from tests.kueue.queues import Queues


@pytest.fixture(scope="session")
def bed() -> Iterator[Testbed]:
    """A testbed with Kueue as it is shipped."""
    with Testbed.start(kueue=True) as testbed:
        yield testbed


@pytest.fixture(scope="session")
def operator(bed: Testbed) -> Iterator[Operator]:
    """The operator, which needs no more of Kueue than what the API server says."""
    with Operator(bed.kubeconfig, bed.logs / "operator.log", SETTINGS) as process:
        yield process


@pytest.fixture
async def story(bed: Testbed, operator: Operator) -> AsyncIterator[Story]:
    """A place for one story; afterwards nothing is left of it and the operator met nothing unforeseen."""
    async with Api(bed.kubeconfig, agent="test") as api, Story.begin(bed, operator, api) as place:
        await place.make_runtime()
        yield place


@pytest.fixture
async def queues(story: Story) -> AsyncIterator[Queues]:
    """The story's queues, and what others put into them."""
    own = Queues(story.api, story.namespace)
    yield own
    await own.end()
