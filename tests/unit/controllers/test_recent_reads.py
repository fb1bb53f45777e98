"""Reads that another reconcile has just made are not made again, where that will do."""

from __future__ import annotations

from autotuner.controllers.recent_reads import RECENT_SECONDS, RecentReads
from autotuner.kube import CONFIG_MAP, NODE
from tests.unit.builders import merged
from tests.unit.fake_kube import FakeKube

NAMED = {"kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"a": "1"}}


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def test_a_recent_answer_is_given_again_until_it_is_old() -> None:
    kube, now = FakeKube(NAMED), Clock()
    reads = RecentReads(kube.as_kube(), now)

    async def value() -> str | None:
        found = await reads.get(CONFIG_MAP, "team", "one", recent=True)
        return found["data"]["a"] if found else None

    assert await value() == "1"
    kube.objects["ConfigMap", "one"] = merged(NAMED, {"data": {"a": "2"}})
    now.seconds = RECENT_SECONDS - 1
    assert await value() == "1"
    now.seconds = RECENT_SECONDS
    assert await value() == "2"
    assert kube.calls.count(("get", "ConfigMap")) == 2


async def test_who_needs_the_present_asks_and_tells_the_others() -> None:
    kube = FakeKube()
    reads = RecentReads(kube.as_kube(), Clock())

    assert await reads.get(NODE, "team", "n", recent=True) is None
    kube.objects["Node", "n"] = {"kind": "Node", "metadata": {"name": "n"}}
    assert await reads.get(NODE, "team", "n", recent=True) is None
    assert await reads.get(NODE, "team", "n", recent=False) is not None
    assert await reads.get(NODE, "another", "n", recent=True) is not None
    assert kube.calls.count(("get", "Node")) == 2


async def test_what_is_said_to_be_gone_is_asked_for_again() -> None:
    kube = FakeKube({"kind": "Node", "metadata": {"name": "n"}})
    reads = RecentReads(kube.as_kube(), Clock())

    assert await reads.get(NODE, "team", "n", recent=True) is not None
    del kube.objects["Node", "n"]
    reads.forget(NODE, None, "n")
    assert await reads.get(NODE, "team", "n", recent=True) is None
