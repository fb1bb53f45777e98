"""Experiments that are over and edited are looked at, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest

from autotuner.controllers.workqueue import ObjectKey, WorkQueue
from autotuner.kube import EXPERIMENT, KubeError
from autotuner.kubernetes_object import Object, Resource
from autotuner.process import finished_edits
from autotuner.process.finished_edits import PACE_SECONDS, RETRY_SECONDS, FinishedEdits


class Queue:
    """Remembers what is to be looked at, and after how many seconds."""

    def __init__(self) -> None:
        self.added: list[tuple[str, float]] = []

    def add_after(self, key: ObjectKey, seconds: float) -> None:
        self.added.append(("/".join(key), round(seconds, 3)))


def meta(name: str, generation: int = 2, namespace: str = "team") -> Object:
    return {"namespace": namespace, "name": name, "generation": generation}


async def watched(
    monkeypatch: pytest.MonkeyPatch, told: list[list[Object] | KubeError], namespaces: tuple[str, ...] = ()
) -> tuple[Queue, list[tuple[Resource, str | None, str]], list[float]]:
    """What is looked at while this is told, one after the other; what was asked for, and the pauses."""
    queue, asked, slept = Queue(), [], []

    async def follow(resource: Resource, namespace: str | None, labels: str) -> AsyncIterator[Object]:
        asked.append((resource, namespace, labels))
        if not told:
            await asyncio.Event().wait()
        answer = told.pop(0)
        if isinstance(answer, KubeError):
            raise answer
        for one in answer:
            yield one

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    fake = type("Asyncio", (), {"sleep": staticmethod(sleep), "gather": staticmethod(asyncio.gather)})
    monkeypatch.setattr(finished_edits, "asyncio", fake)
    edits = FinishedEdits(follow, cast(WorkQueue, queue), now=lambda: 100.0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(edits.watch(namespaces), 0.05)
    return queue, asked, slept


async def test_what_was_edited_is_looked_at_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[list[Object] | KubeError] = [[meta("a"), meta("untouched", 1), meta("b"), meta("c")]]

    queue, asked, _ = await watched(monkeypatch, told)

    assert queue.added == [("team/a", 0.0), ("team/b", PACE_SECONDS), ("team/c", 2 * PACE_SECONDS)]
    assert asked[0] == (EXPERIMENT, None, "autotuner.io/finished")


async def test_it_begins_again_when_it_was_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[list[Object] | KubeError] = [KubeError(0, "Unreachable", "away"), [meta("a")]]

    queue, _, slept = await watched(monkeypatch, told)

    assert queue.added == [("team/a", 0.0)]
    assert slept == [RETRY_SECONDS] * 2


async def test_each_served_namespace_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    _, asked, _ = await watched(monkeypatch, [], ("a", "b"))

    assert [namespace for _, namespace, _ in asked] == ["a", "b"]
