"""One testbed with a real engine and one operator for all stories, a namespace of its own for each."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from testbed import Testbed
from testbed.api import Api
from testbed.operator_process import Operator
from tests.e2e.story import Story
from tests.realengine import corpus
from tests.realengine.corpus import Recorded
from tests.realengine.engine import RealEngine

SETTINGS = {"AUTOTUNER_SERVING_SECONDS": "15", "AUTOTUNER_HUB_ENDPOINT": "http://127.0.0.1:9"}


@pytest.fixture(scope="session")
def bed() -> Iterator[Testbed]:
    """A testbed with a real vLLM."""
    with Testbed.start(vllm=True) as testbed:
        yield testbed


@pytest.fixture(scope="session")
def operator(bed: Testbed) -> Iterator[Operator]:
    with Operator(bed.kubeconfig, bed.logs / "operator.log", SETTINGS) as process:
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
async def engine(story: Story, tmp_path: Path) -> RealEngine:
    """The real engine in that place."""
    found = RealEngine(story, tmp_path)
    await found.make_runtimes()
    return found


@pytest.fixture(scope="session")
def records() -> Iterator[list[Recorded]]:
    """What the stories' wrong starts printed; kept as the corpus where AUTOTUNER_RECORD says so."""
    found: list[Recorded] = []
    yield found
    if os.environ.get("AUTOTUNER_RECORD") and found:
        corpus.write(found)
