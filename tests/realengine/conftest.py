"""One testbed with a real engine and one operator for all stories, a namespace of its own for each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import Testbed
from tests.e2e.conftest import api, operator, story
from tests.e2e.story import Story
from tests.realengine import corpus
from tests.realengine.corpus import Recorded
from tests.realengine.engine import RealEngine

# Stories are told as there; only the testbed is another one.
__all__ = ["api", "operator", "story"]


@pytest.fixture(scope="session")
def bed() -> Iterator[Testbed]:
    """A testbed with a real vLLM."""
    with Testbed.start(vllm=True) as testbed:
        yield testbed


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
