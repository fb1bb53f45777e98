"""One cluster and one installation for all stories, a restricted namespace of its own for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from testbed.api import Api
from tests.realnode.cluster import Cluster, obstacle, ome
from tests.realnode.installation import RESTRICTED, Installation
from tests.realnode.story import RealStory


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a cluster no story is run, and the sum says why."""
    if why := obstacle():
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=f"not run: no real node here, {why}"))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with the images, and with OME or its stand-in."""
    with Cluster.open() as place, ome(place, tmp_path_factory.mktemp("ome") / "log"):
        yield place


@pytest.fixture(scope="session")
def installation(cluster: Cluster) -> Iterator[Installation]:
    """The operator, installed by its chart."""
    with Installation.made(cluster) as release:
        release.start()
        yield release


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[Api]:
    async with Api(cluster.kubeconfig, agent="test") as client:
        yield client


@pytest.fixture
async def story(cluster: Cluster, installation: Installation, api: Api) -> AsyncIterator[RealStory]:
    """A place for one story; afterwards nothing is left of it and the operator met nothing unforeseen."""
    begun = RealStory.begin(cluster, installation, api)  # type: ignore[arg-type]  # they do what a story asks of both
    async with begun as place:
        await api.patch(f"/api/v1/namespaces/{place.namespace}", {"metadata": {"labels": RESTRICTED}})
        yield place
