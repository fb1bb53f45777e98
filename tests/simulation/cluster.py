"""The cluster as its own components see it: objects that they read and write at once, its time, and its luck."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from autotuner import clock
from autotuner.api.common import EXPERIMENT_UID_LABEL
from autotuner.kube import EXPERIMENT, KubeError
from autotuner.kubernetes_object import Object, Resource
from autotuner.memory_api import garbage
from autotuner.memory_api.history import Change
from autotuner.memory_api.json_values import copied
from autotuner.memory_api.store import Store
from tests.simulation.book import Book
from tests.simulation.drawn_tasks import NAMESPACE
from tests.simulation.history import History
from tests.simulation.trace import Trace
from tests.simulation.virtual_loop import VirtualLoop

ChangeKind = Literal["ADDED", "MODIFIED", "DELETED"]
# Hears of a change the moment it is made; the object is the API server's own and must not be changed.
Listener = Callable[[ChangeKind, Object], None]
_MANAGER = "cluster"


class Cluster:
    """Everything that the parts of a simulated cluster share.

    Attributes:
        history: that is played.
        dice: the cluster's own luck.
        book: what truly happened.
        logs: what containers printed last, by pod.
        offset: seconds by which the operator's clock is fast.
    """

    def __init__(self, store: Store, loop: VirtualLoop, history: History, trace: Trace, begin: datetime) -> None:
        self._store, self._loop, self._trace, self._begin = store, loop, trace, begin
        self._listeners: dict[Resource, list[Listener]] = {}
        self._lasting: dict[tuple[str, str], float] = {}
        self._collecting = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self.history, self.book, self.offset = history, Book(), 0.0
        self.dice = random.Random(f"{history.seed}/cluster")
        self.logs: dict[str, str] = {}
        # What the operator is about to delete, and what it wrote that the API server's rules refuse.
        self.before_release: Callable[[Resource, str], None] = lambda resource, name: None
        self.refused: Callable[[str], None] = lambda words: None
        self._node_clocks = random.Random(f"{history.seed}/clocks")
        self._offsets: dict[str, float] = {}
        store.listen(self._changed)

    # time and luck

    def time(self) -> float:
        """Seconds since the history began."""
        return self._loop.time()

    def stamp(self) -> str:
        """The time by the API server's clock."""
        return clock.stamp(self._begin + timedelta(seconds=self.time()))

    def node_stamp(self, node: str) -> str:
        """The time by the clock of a node, which may be wrong by an hour."""
        if node not in self._offsets:
            self._offsets[node] = self._node_clocks.choice([0.0, 0.0, -3.0, 200.0, -3600.0])
        return clock.stamp(self._begin + timedelta(seconds=self.time() + self._offsets[node]))

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    def after(self, seconds: float, act: Callable[..., object], *args: object) -> None:
        """Do something later."""
        self._loop.call_later(max(0.0, seconds), act, *args)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin something that goes on beside everything else."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def chance(self, fault: str) -> bool:
        """Whether something goes wrong this time."""
        rate = self.history.rates.get(fault)
        return rate is not None and self.time() < self.history.ends and self.dice.random() < rate

    def lasts(self, fault: str, about: Object, low: float, high: float) -> bool:
        """Whether something is wrong with an object now: once for each, between so many seconds."""
        key = (fault, about["metadata"]["uid"])
        if key not in self._lasting:
            wrong = self.chance(fault)
            if wrong:
                self.book.disturb(about["metadata"]["labels"].get(EXPERIMENT_UID_LABEL, ""), fault)
            self._lasting[key] = self.time() + self.dice.uniform(low, high) if wrong else 0.0
        return self.time() < min(self._lasting[key], self.history.ends)

    def tell(self, who: str, what: str) -> None:
        """Add a line to the trace."""
        self._trace.tell(who, what)

    # objects

    def on(self, resource: Resource, listener: Listener) -> None:
        """Have somebody hear of all changes of a kind."""
        self._listeners.setdefault(resource, []).append(listener)

    def _changed(self, resource: Resource, change: Change) -> None:
        kind: ChangeKind = "ADDED" if change.old is None else "DELETED" if change.new is None else "MODIFIED"
        body = change.new if change.new is not None else change.old
        assert body is not None
        for listener in self._listeners.get(resource, ()):
            listener(kind, body)
        if not self._collecting and (kind == "DELETED" or "deletionTimestamp" in body["metadata"]):
            self._collecting = True
            seconds = self.dice.uniform(0.02, 0.1)
            if self.chance("collector late"):
                self.book.happened["collector late"] += 1
                seconds += self.dice.uniform(1, 60)
            self.after(seconds, self._collect)

    def _collect(self) -> None:
        self._collecting = False
        garbage.collect(self._store)

    def _place(self, resource: Resource) -> str | None:
        return NAMESPACE if resource.namespaced else None

    def get(self, resource: Resource, name: str) -> Object | None:
        """An object, to be read only."""
        record = self._store.table(resource).get((self._place(resource) or "", name))
        return record.body if record is not None else None

    def objects(self, resource: Resource) -> list[Object]:
        """All objects of a kind in the order of their names, to be read only."""
        return [record.body for record in self._store.table(resource).records()]

    def by_uid(self, resource: Resource, uid: str) -> Object | None:
        """The object with this uid, to be read only."""
        place = self._store.owners.places.get(uid)
        if place is None or place.resource != resource:
            return None
        record = self._store.table(resource).get(place.key)
        return record.body if record is not None else None

    def experiment(self, uid: str) -> Object | None:
        """The TuningExperiment with this uid, to be read only."""
        return self.by_uid(EXPERIMENT, uid)

    def create(self, resource: Resource, body: Object) -> None:
        """Create an object, with its status; one of the name that is there already stays as it is."""
        place, name = self._place(resource), body["metadata"]["name"]
        try:
            made = self._store.create(resource, place, body, manager=_MANAGER)
        except KubeError as problem:
            self.tell("api", f"{resource.kind} {name}: {problem}")
            return
        if "status" in body and "status" not in made:
            self._store.merge(
                resource, place, name, {"status": copied(body["status"])}, subresource="status", manager=_MANAGER
            )

    def change(self, resource: Resource, seen: Object, edit: Callable[[Object], object]) -> Object | None:
        """Change an object and its status; returns it, None if it is gone."""
        return self._replace(resource, seen, edit, ("", "status"))

    def change_status(self, resource: Resource, seen: Object, edit: Callable[[Object], object]) -> Object | None:
        """Change an object's status; returns the object, None if it is gone."""
        return self._replace(resource, seen, edit, ("status",))

    def _replace(
        self, resource: Resource, seen: Object, edit: Callable[[Object], object], parts: tuple[str, ...]
    ) -> Object | None:
        live = self.by_uid(resource, seen["metadata"]["uid"])
        if live is None:
            return None
        body = cast(Object, copied(live))
        edit(body)
        for part in parts:
            if live is None or (part == "status" and body.get("status") == live.get("status")):
                return live
            body["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
            self._store.replace(resource, body, subresource=part, manager=_MANAGER)
            live = self.by_uid(resource, seen["metadata"]["uid"])
        return live

    def edit(self, resource: Resource, name: str, patch: Object) -> None:
        """Change what a user may change; what is refused is told in the trace."""
        try:
            self._store.merge(resource, self._place(resource), name, patch, manager="kubectl")
        except KubeError as problem:
            self.tell("api", f"edit of {resource.kind} {name}: {problem}")

    def touch(self, resource: Resource, name: str) -> None:
        """Somebody writes something into an object that concerns nobody."""
        mark = {"metadata": {"annotations": {"example.com/seen": self.stamp()}}}
        if self.get(resource, name) is not None:
            self.edit(resource, name, mark)

    def delete(self, resource: Resource, name: str) -> None:
        """Delete an object as `kubectl delete` does."""
        if self.get(resource, name) is not None:
            self._store.delete(resource, self._place(resource), name, propagation="Background")

    def stopped(self, resource: Resource, seen: Object) -> None:
        """Remove an object that was only held by who ran it."""
        if self.by_uid(resource, seen["metadata"]["uid"]) is not None:
            name = seen["metadata"]["name"]
            self._store.delete(resource, self._place(resource), name, grace_seconds=0, uid=seen["metadata"]["uid"])

    def release(self, resource: Resource, seen: Object, finalizer: str) -> None:
        """Take a finalizer away."""
        live = self.by_uid(resource, seen["metadata"]["uid"])
        if live is not None:
            kept = [one for one in live["metadata"].get("finalizers", ()) if one != finalizer]
            patch = {"metadata": {"finalizers": kept or None}}
            self._store.merge(resource, self._place(resource), live["metadata"]["name"], patch, manager=_MANAGER)
