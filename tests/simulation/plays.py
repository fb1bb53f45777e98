"""Plays one history from its seed to its end."""

from __future__ import annotations

import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

from autotuner import clock
from autotuner.controllers import monotonic_clock
from autotuner.controllers import task as task_controller
from autotuner.controllers.observe import is_over
from autotuner.controllers.workqueue import ObjectKey
from autotuner.kube import EXPERIMENT, TASK
from autotuner.memory_api.api import MemoryApi
from autotuner.memory_api.store import Store
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.task import decide as task_policy
from autotuner.policy.task.plan import TaskPlan
from autotuner.search.experiment_record import Record
from autotuner.search.space.space import Space
from autotuner.search.suggest import Proposal, suggest
from tests.simulation import history as histories
from tests.simulation import virtual_loop
from tests.simulation.backend import Deployments, Jobs, Ome
from tests.simulation.cluster import Cluster
from tests.simulation.history import History
from tests.simulation.invariants import Invariants, Violation
from tests.simulation.kubelets import Kubelets
from tests.simulation.machines import Machines
from tests.simulation.mischief import Mischief
from tests.simulation.network import Outages
from tests.simulation.operator_process import Operator
from tests.simulation.physics import Physics
from tests.simulation.trace import Trace
from tests.simulation.virtual_loop import VirtualLoop

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
# Once nothing goes wrong any more, a task of a dozen experiments is over within this, however each of them ends.
_BOUND_SECONDS = 15_000.0
_LOOK_SECONDS = 60.0
# No task of that size has so much to do.
_MOST_ACTING = 6000


@dataclass
class Outcome:
    """What came of a history.

    Attributes:
        seed: of it.
        broken: invariants.
        counts: reconciles, and `acting`: those that wrote.
        happened: how often what went wrong.
        reasons: how experiments and tasks ended.
        digest: of the trace.
        lines: of the trace, if they were kept.
        seconds: that passed in the history.
        cpu: seconds that it took.
    """

    seed: int
    broken: list[Violation] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    digest: str = ""
    lines: Sequence[str] = ()
    seconds: float = 0.0
    cpu: float = 0.0


class Play:
    """One history under way."""

    def __init__(self, history: History, *, keep: bool) -> None:
        self.loop = VirtualLoop()
        self.trace = Trace(self.loop.time, keep=keep)
        self.outcome = Outcome(history.seed)
        store = Store(lambda: T0 + timedelta(seconds=self.loop.time()), seed=history.seed, reads="shared")
        self._api = MemoryApi(store=store)
        self.cluster = cluster = Cluster(store, self.loop, history, self.trace, T0)
        self.loop.set_exception_handler(self._failed)
        engines = Physics(history.seed)
        machines = Machines(cluster)
        self.invariants = Invariants(cluster, machines, engines)
        kubelets, ome = Kubelets(cluster, machines, engines), Ome(cluster)
        Deployments(cluster)
        Jobs(cluster)
        self._outages = Outages()
        self._operator: Operator | None = None
        self._mischief = Mischief(cluster, machines, kubelets, ome, self._outages, lambda: self._operator)
        cluster.before_release = self.invariants.before_release
        cluster.refused = lambda words: self.invariants.fail("what is written is valid", words)

    def now(self) -> datetime:
        """The operator's clock."""
        return T0 + timedelta(seconds=self.loop.time() + self.cluster.offset)

    def run(self) -> Outcome:
        """Play it to the end."""
        begun = time.process_time()
        try:
            virtual_loop.run(self.loop, self._main())
        finally:
            outcome, cluster = self.outcome, self.cluster
            outcome.broken, outcome.happened = self.invariants.broken, cluster.book.happened
            outcome.digest, outcome.lines = self.trace.digest, self.trace.lines
            outcome.seconds, outcome.cpu = self.loop.time(), time.process_time() - begun
        return outcome

    async def _main(self) -> None:
        history, cluster = self.cluster.history, self.cluster
        for at, body in history.tasks:
            cluster.after(at, self._mischief.apply, body)
        self._start()
        while not self._over():
            await cluster.sleep(_LOOK_SECONDS)
            self.invariants.look()
            if self.invariants.broken:
                return
            if self.loop.time() > history.ends + _BOUND_SECONDS:
                self._tell_stuck()
                return
            if self.outcome.counts["acting"] > _MOST_ACTING:
                self.invariants.fail("everything ends", f"{self.outcome.counts['acting']} reconciles have written")
                return
        # What the garbage collector and the sweep for leftovers still have to do.
        await cluster.sleep(600 + 2 * history.resync)
        if not self.invariants.broken:
            self.invariants.at_end()
        self._count()

    def _start(self) -> None:
        self.trace.tell("operator", "starts")
        self._operator = Operator(
            self._api, self.cluster, self._outages, self._crashed, self._raised, self.outcome.counts
        )
        self._operator.start()

    def _crashed(self) -> None:
        self._operator = None
        self.outcome.counts["crashes"] += 1
        self.cluster.after(self.cluster.dice.uniform(0.5, 30), self._start)

    def _raised(self, key: ObjectKey, problem: Exception) -> None:
        where = "".join(traceback.format_exception(problem)[-3:])
        self.invariants.fail("no reconcile raises", f"{key.name}: {type(problem).__name__}: {problem}\n{where}")

    def _failed(self, loop: Any, context: dict[str, Any]) -> None:
        problem = context.get("exception")
        where = "".join(traceback.format_exception(problem)) if problem else str(context)
        self.invariants.fail("the simulation works", where)

    def _over(self) -> bool:
        """Whether everything that was asked for is over, and nothing goes wrong any more."""
        if self.loop.time() < max(self.cluster.history.ends, 120.0):
            return False
        tasks, experiments = self.cluster.objects(TASK), self.cluster.objects(EXPERIMENT)
        return all(map(is_over, (*tasks, *experiments)))

    def _tell_stuck(self) -> None:
        for resource in (TASK, EXPERIMENT):
            for body in self.cluster.objects(resource):
                if not is_over(body):
                    words = (body.get("status") or {}).get("message", "")
                    self.invariants.fail("everything ends", f"{resource.kind} {body['metadata']['name']}: {words}")

    def _count(self) -> None:
        for body in (*self.cluster.objects(TASK), *self.cluster.objects(EXPERIMENT)):
            found = [one for one in (body.get("status") or {}).get("conditions", ()) if one["type"] == "Finished"]
            kind = body["kind"].removeprefix("Tuning")
            self.outcome.reasons[f"{kind} {found[0]['reason'] if found else '-'}"] += 1

    def decide(self, seen: ObservedTask, now: datetime) -> TaskPlan:
        """The policy's own, whose search is listened to."""
        return _decide(seen, now, partial(self._suggest, seen))

    def _suggest(
        self, seen: ObservedTask, strategy: Any, space: Space, records: Sequence[Record], *rest: Any, **more: Any
    ) -> Proposal:
        for record in records:
            if record.configuration is not None:
                told = {one.name: one.value for one in record.configuration.parameters()}
                self.invariants.told(seen.object, told, record.outcome)
        return suggest(strategy, space, records, *rest, **more)


_decide: Callable[..., TaskPlan] = task_policy.decide


@contextmanager
def in_its_time(play: Play) -> Iterator[None]:
    """The operator's clocks are those of the history, and its log is silent."""
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(clock, "now", play.now))
        stack.enter_context(mock.patch.object(monotonic_clock, "time", SimpleNamespace(monotonic=play.loop.time)))
        stack.enter_context(mock.patch.object(task_controller, "decide", play.decide))
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        stack.callback(logging.disable, before)
        yield


def play(seed: int, groups: Collection[str] | None = None, *, keep: bool = False) -> Outcome:
    """Play the history of a seed.

    Args:
        seed: any number.
        groups: of faults that happen; see `history.draw`.
        keep: whether to keep the lines of the trace.
    """
    one = Play(histories.draw(seed, groups), keep=keep)
    with in_its_time(one):
        return one.run()
