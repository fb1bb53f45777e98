"""The operator's controllers, work queues and duties, put together: what works, whoever watches and acts for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from autotuner import ownership
from autotuner.controllers.experiment import ExperimentController
from autotuner.controllers.needed_objects import NeededObjects
from autotuner.controllers.preset_catalogue import Catalogue
from autotuner.controllers.recent_reads import RecentReads
from autotuner.controllers.repeated_failures import teller
from autotuner.controllers.task import TaskController
from autotuner.controllers.turn_keeper import TurnKeeper
from autotuner.controllers.workqueue import ObjectKey, Reconcile, WorkQueue
from autotuner.kube import EXPERIMENT, TASK, Kube
from autotuner.kubernetes_object import Resource
from autotuner.ownership import EXPERIMENT_LABEL
from autotuner.policy.turns import OverallLimits
from autotuner.presets import Presets
from autotuner.process import silent_watches
from autotuner.process.leftover_sweep import Sweep
from autotuner.process.silent_watches import Listed, Watchfulness, look_around
from autotuner.serving.backend import Backends
from autotuner.settings import Settings


@dataclass(frozen=True)
class Listeners:
    """What hears of the changes that watches deliver."""

    tasks: WorkQueue
    experiments: WorkQueue
    watchfulness: Watchfulness
    recent: RecentReads
    turns: TurnKeeper
    needed: NeededObjects = field(default_factory=NeededObjects)


class Machinery:
    """The parts of one operator.

    Attributes:
        listeners: to tell of changes.
    """

    def __init__(
        self,
        kube: Kube,
        backends: Backends,
        settings: Settings,
        known: Presets,
        *,
        around_tasks: Callable[[Reconcile], Reconcile] = lambda reconcile: reconcile,
        around_experiments: Callable[[Reconcile], Reconcile] = lambda reconcile: reconcile,
    ) -> None:
        """Put the parts together; nothing works yet.

        Args:
            kube: where objects are read and written.
            backends: that serve.
            settings: of the process.
            known: the presets that are shipped.
            around_tasks: what is done before and after a task is reconciled.
            around_experiments: what is done before and after an experiment is reconciled.
        """
        self._kube, self._backends, self._settings = kube, backends, settings
        recent, turns = RecentReads(kube), TurnKeeper(OverallLimits(settings.max_gpus, settings.max_experiments))
        catalogue = Catalogue(kube, settings, known)
        proposing = TaskController(kube, backends, catalogue, settings, recent, turns)
        experimenting = ExperimentController(kube, backends, settings, recent, turns)
        workers = settings.workers
        tasks = WorkQueue("tasks", around_tasks(proposing.reconcile), workers, teller(kube, TASK), proposing.own_writes)
        experiments = WorkQueue(
            "experiments",
            around_experiments(experimenting.reconcile),
            workers,
            teller(kube, EXPERIMENT),
            experimenting.own_writes,
        )
        turns.wake = lambda kind, key: {TASK.kind: tasks, EXPERIMENT.kind: experiments}[kind].add(key)
        self.listeners = Listeners(tasks, experiments, Watchfulness(), recent, turns)

    async def read(self) -> None:
        """Read what has to be known before the first reconcile.

        Raises:
            KubeError: the API server does not answer.
        """
        await self.listeners.turns.read(self._kube, self._settings.namespaces)

    async def look_around(self) -> None:
        """Compare the watches with the API server's lists, have turns of the gone free, and sweep; for ever."""
        sweep, listeners = Sweep(self._kube, self._backends), self.listeners

        async def answered(found: Listed, begun: float) -> None:
            unfinished = {ObjectKey(meta["namespace"], meta["name"]) for meta in found[EXPERIMENT]}
            listeners.turns.prune(unfinished, begun)
            await sweep.once(found)

        look = partial(silent_watches.listed, self._kube, self._backends, self._settings.namespaces)
        wake = waker(listeners.tasks, listeners.experiments)
        await look_around(look, listeners.watchfulness, wake, answered, self._settings.comparison_seconds)

    @property
    def queues(self) -> Sequence[WorkQueue]:
        """Where reconciles wait and run."""
        return self.listeners.tasks, self.listeners.experiments


def waker(tasks: WorkQueue, experiments: WorkQueue) -> silent_watches.Wake:
    """What has an object looked at of which the watches told nothing; see `silent_watches.Wake`."""

    def wake(resource: Resource, meta: Mapping[str, Any]) -> None:
        namespace = meta["namespace"]
        if resource == TASK:
            tasks.add(ObjectKey(namespace, meta["name"]))
            return
        if name := meta["name"] if resource == EXPERIMENT else meta["labels"].get(EXPERIMENT_LABEL):
            experiments.add(ObjectKey(namespace, name))
        if resource == EXPERIMENT and (task := ownership.task_of(meta)):
            tasks.add(ObjectKey(namespace, task))

    return wake
