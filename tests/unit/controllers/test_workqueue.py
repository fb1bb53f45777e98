"""The work queue: one reconcile per key at a time, nothing lost, failures later and later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from autotuner.controllers import workqueue
from autotuner.controllers.own_writes import OwnWrites
from autotuner.controllers.workqueue import ObjectKey, WorkQueue
from autotuner.kube import ConflictError, KubeError

A, B = ObjectKey("team", "a"), ObjectKey("team", "b")
LONG = 3600.0


class Passes:
    """A reconcile that is told what to do, and says what happened."""

    def __init__(self) -> None:
        self.begun: list[ObjectKey] = []
        self.running = 0
        self.most = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.outcomes: list[float | Exception | None] = []

    async def __call__(self, key: ObjectKey) -> float | None:
        self.begun.append(key)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.gate.wait()
        finally:
            self.running -= 1
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture
async def passes() -> Passes:
    return Passes()


@pytest.fixture
async def queue(passes: Passes) -> AsyncIterator[WorkQueue]:
    queue = WorkQueue("test", passes, workers=2)
    yield queue
    await queue.close()


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The delays that the queue asks for; every one of them passes at once."""
    asked: list[float] = []
    real = WorkQueue.add_after

    def add_after(self: WorkQueue, key: ObjectKey, seconds: float) -> None:
        asked.append(seconds)
        real(self, key, 0.0)

    monkeypatch.setattr(WorkQueue, "add_after", add_after)
    return asked


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0)


async def idle(queue: WorkQueue) -> None:
    """Until nothing runs, and nothing that is due waits."""
    for _ in range(5):
        await until(lambda: not queue._running)
        await asyncio.sleep(0)


async def test_looks_at_what_is_added(queue: WorkQueue, passes: Passes) -> None:
    queue.add(A)
    queue.add(B)
    await idle(queue)

    assert passes.begun == [A, B]


async def test_looks_once_at_what_is_added_often_before_its_pass(queue: WorkQueue, passes: Passes) -> None:
    for _ in range(5):
        queue.add(A)
    await idle(queue)

    assert passes.begun == [A]


async def test_looks_again_at_what_is_added_during_its_pass_but_never_twice_at_a_time(
    queue: WorkQueue, passes: Passes
) -> None:
    passes.gate.clear()
    queue.add(A)
    await until(lambda: passes.running == 1)
    for _ in range(5):
        queue.add(A)
    passes.gate.set()
    await idle(queue)

    assert passes.begun == [A, A]
    assert passes.most == 1


async def test_runs_as_many_passes_as_it_has_workers(queue: WorkQueue, passes: Passes) -> None:
    passes.gate.clear()
    for name in "abcde":
        queue.add(ObjectKey("team", name))
    await until(lambda: passes.running == 2)
    passes.gate.set()
    await idle(queue)

    assert passes.most == 2
    assert len(passes.begun) == 5


async def test_does_not_look_again_unless_asked(queue: WorkQueue, passes: Passes, delays: list[float]) -> None:
    queue.add(A)
    await idle(queue)

    assert delays == []


async def test_looks_again_when_the_pass_says_so(queue: WorkQueue, passes: Passes, delays: list[float]) -> None:
    passes.outcomes = [7.5, 0.0]
    queue.add(A)
    await until(lambda: len(passes.begun) == 3)

    assert delays == [7.5, 0.0]


async def test_an_event_during_the_pass_counts_for_more_than_its_wish(
    queue: WorkQueue, passes: Passes, delays: list[float]
) -> None:
    passes.outcomes = [LONG, None]
    passes.gate.clear()
    queue.add(A)
    await until(lambda: passes.running == 1)
    queue.add(A)
    passes.gate.set()
    await idle(queue)

    assert passes.begun == [A, A]
    assert delays == []


async def test_an_event_comes_before_what_was_planned(queue: WorkQueue, passes: Passes) -> None:
    passes.outcomes = [LONG, None]
    queue.add(A)
    await idle(queue)
    queue.add(A)
    await idle(queue)

    assert passes.begun == [A, A]
    assert queue._timers == {}  # the plan is void


@pytest.mark.parametrize("problem", [KubeError(500, "InternalError", "webhook"), RuntimeError("a mistake of ours")])
async def test_failures_come_back_later_and_later(
    queue: WorkQueue, passes: Passes, delays: list[float], problem: Exception
) -> None:
    passes.outcomes = [problem] * 10
    queue.add(A)
    await until(lambda: len(passes.begun) == 11)

    assert delays == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        ([KubeError(500, "", "no")] * 4, []),
        ([KubeError(500, "", "no")] * 9, ["500: no"]),
        ([KubeError(500, "", f"from port {port}") for port in range(5)], ["500: from port 4"]),
        ([KubeError(500, "", "no"), ValueError("a\n b")] * 4, []),
        ([ValueError("a\n b")] * 5, ["ValueError: a b"]),
        ([KubeError(500, "", "no")] * 4 + [None], []),
        ([ConflictError(409, "Conflict", "changed")] * 9, []),
    ],
    ids=["four", "once", "numbers do not matter", "others between", "a mistake of ours", "a success", "conflicts"],
)
async def test_an_error_that_comes_five_times_is_told(
    passes: Passes, delays: list[float], outcomes: list[float | Exception | None], told: list[str]
) -> None:
    heard: list[str] = []

    async def tell(key: ObjectKey, error: str) -> None:
        assert key == A
        heard.append(error)
        raise KubeError(500, "", "cannot be told")  # which changes nothing

    queue = WorkQueue("test", passes, workers=2, tell=tell)
    passes.outcomes = [*outcomes]
    queue.add(A)
    await until(lambda: not passes.outcomes)
    await idle(queue)
    await queue.close()

    assert heard == told


async def test_a_success_forgets_the_failures(queue: WorkQueue, passes: Passes, delays: list[float]) -> None:
    bad = KubeError(500, "", "no")
    passes.outcomes = [bad, bad, 1.0, bad]
    queue.add(A)
    await until(lambda: len(passes.begun) == 5)

    assert delays == [0.2, 0.4, 1.0, 0.2]


async def test_failures_of_one_key_do_not_slow_another(queue: WorkQueue, passes: Passes, delays: list[float]) -> None:
    passes.outcomes = [KubeError(500, "", "no"), None, KubeError(500, "", "no")]
    queue.add(A)
    await idle(queue)
    queue.add(B)
    await idle(queue)

    assert delays == [workqueue.FIRST_BACKOFF, workqueue.FIRST_BACKOFF]


async def test_a_conflict_comes_back_at_once_and_is_no_failure(
    queue: WorkQueue, passes: Passes, delays: list[float]
) -> None:
    conflict = ConflictError(409, "Conflict", "changed")
    passes.outcomes = [conflict, conflict, KubeError(500, "", "no")]
    queue.add(A)
    await until(lambda: len(passes.begun) == 4)

    assert delays == [0.0, 0.0, 0.2]


@pytest.mark.parametrize(("first", "second"), [(0.01, LONG), (LONG, 0.01)])
async def test_of_two_plans_the_sooner_one_counts(
    queue: WorkQueue, passes: Passes, first: float, second: float
) -> None:
    queue.add_after(A, first)
    queue.add_after(A, second)
    await until(lambda: len(passes.begun) == 1)
    await idle(queue)

    assert queue._timers == {}
    assert passes.begun == [A]


async def test_closing_cancels_what_runs_and_forgets_what_was_planned(queue: WorkQueue, passes: Passes) -> None:
    passes.gate.clear()
    queue.add(A)
    queue.add_after(B, 0.01)
    await until(lambda: passes.running == 1)
    await queue.close()
    queue.add(B)
    queue.add_after(B, 0.0)
    await asyncio.sleep(0.02)

    assert passes.running == 0
    assert passes.begun == [A]


async def test_a_graceful_end_lets_passes_that_run_come_to_their_end(queue: WorkQueue, passes: Passes) -> None:
    passes.gate.clear()
    passes.outcomes = [0.0] * 5
    for name in "abc":
        queue.add(ObjectKey("team", name))
    queue.add_after(B, 0.0)
    await until(lambda: passes.running == 2)
    closing = asyncio.create_task(queue.close(grace=5))
    await asyncio.sleep(0)
    passes.gate.set()
    await closing

    assert len(passes.begun) == 2  # neither what waited for a worker nor what was planned
    assert len(passes.outcomes) == 3  # both came to their end


async def test_a_graceful_end_does_not_wait_for_ever(queue: WorkQueue, passes: Passes) -> None:
    passes.gate.clear()
    queue.add(A)
    await until(lambda: passes.running == 1)
    async with asyncio.timeout(5):
        await queue.close(grace=0.01)

    assert passes.running == 0


class Writer:
    """A reconcile that writes into its object, and hears of it from the watch before or after it is done."""

    def __init__(self, *, told_before: bool) -> None:
        self.own_writes, self.told_before, self.count = OwnWrites(), told_before, 0
        self.queue = WorkQueue("writer", self, workers=1, own_writes=self.own_writes)

    async def __call__(self, key: ObjectKey) -> float | None:
        self.count += 1
        if self.told_before:
            self.queue.changed(METADATA, gone=False)
        self.own_writes.note({"metadata": METADATA})
        return None


METADATA = {"namespace": A.namespace, "name": A.name, "uid": "u", "resourceVersion": "7"}


@pytest.mark.parametrize("told_before", [True, False], ids=["before the answer", "after it"])
async def test_what_a_pass_wrote_itself_is_no_news(told_before: bool) -> None:
    writer = Writer(told_before=told_before)
    writer.queue.add(A)
    await idle(writer.queue)
    writer.queue.changed(METADATA, gone=False)
    await idle(writer.queue)

    assert writer.count == 1


@pytest.mark.parametrize(
    ("event", "gone"), [(METADATA | {"resourceVersion": "8"}, False), (METADATA, True)], ids=["changed", "gone"]
)
async def test_what_others_did_is_news(event: dict[str, str], gone: bool) -> None:
    writer = Writer(told_before=False)
    writer.queue.add(A)
    await idle(writer.queue)
    writer.queue.changed(event, gone=gone)
    await idle(writer.queue)

    assert writer.count == 2


async def test_a_change_of_others_during_the_pass_is_news(queue: WorkQueue, passes: Passes) -> None:
    passes.gate.clear()
    queue.add(A)
    await until(lambda: passes.running == 1)
    queue.changed(METADATA, gone=False)
    passes.gate.set()
    await idle(queue)

    assert passes.begun == [A, A]


async def test_what_comes_soon_is_looked_at_together(queue: WorkQueue, passes: Passes) -> None:
    for _ in range(3):
        queue.add_soon(A, 0.01)
    queue.add_soon(B, 0.0)
    await until(lambda: len(passes.begun) == 2)
    await idle(queue)

    assert passes.begun == [B, A]
