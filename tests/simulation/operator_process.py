"""The operator's process in a history: its controllers, queues and duties, put together as by `process.lifecycle`."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from autotuner import backend_choice, presets
from autotuner.api.common import EXPERIMENTS, TASKS
from autotuner.controllers.experiment import ExperimentController
from autotuner.controllers.preset_catalogue import Catalogue
from autotuner.controllers.repeated_failures import teller
from autotuner.controllers.task import TaskController
from autotuner.controllers.turn_keeper import TurnKeeper
from autotuner.controllers.workqueue import ObjectKey, Reconcile, WorkQueue
from autotuner.kube import EXPERIMENT, TASK, Kube, KubeError
from autotuner.kubernetes_object import Resource
from autotuner.main import watches
from autotuner.policy.turns import OverallLimits
from autotuner.presets import Presets
from autotuner.process.leftover_sweep import Sweep
from autotuner.process.silent_watches import Watchfulness, look_around
from autotuner.settings import Settings
from tests.simulation import network
from tests.simulation.cluster import Cluster
from tests.simulation.network import Connection, Outages
from tests.simulation.watching import Wake, Watches

Wakes = Mapping[Resource, Wake]
_KNOWN: list[Presets] = []


def _presets() -> Presets:
    """The presets that are shipped, read once."""
    if not _KNOWN:
        _KNOWN.append(presets.load(presets.default_folder()).rooted(Settings().model_root))
    return _KNOWN[0]


class Operator:
    """One process, from its start to its crash.

    Args:
        kube: the API server.
        cluster: around it.
        outages: of the API server.
        crashed: called with the words for where, when it has crashed.
        raised: called with an error that no reconcile should raise.
        counts: of reconciles, and of those that wrote.
    """

    def __init__(
        self,
        kube: Kube,
        cluster: Cluster,
        outages: Outages,
        crashed: Callable[[], None],
        raised: Callable[[ObjectKey, Exception], None],
        counts: Counter[str],
    ) -> None:
        self._cluster, self._crashed, self._raised, self._counts = cluster, crashed, raised, counts
        self._connection = Connection(kube, cluster, outages, self.crash)
        self._duties: list[asyncio.Task[None]] = []
        self._queues: tuple[WorkQueue, ...] = ()
        self.watches: Watches | None = None

    def start(self) -> None:
        """Begin to work."""
        kube, backend = self._connection, backend_choice.DEFAULT
        max_gpus, max_experiments = self._cluster.history.limits
        settings = Settings(
            resync_seconds=self._cluster.history.resync,
            identity="simulated",
            max_gpus=max_gpus,
            max_experiments=max_experiments,
        )
        turns = TurnKeeper(OverallLimits(max_gpus, max_experiments))
        watchfulness = Watchfulness()
        proposing = TaskController(kube, backend, Catalogue(kube, settings, _presets()), settings, turns)
        experimenting = ExperimentController(kube, backend, settings, turns)
        tasks = WorkQueue(
            "tasks", self._watched(proposing.reconcile), settings.workers, teller(kube, TASK), proposing.own_writes
        )
        experiments = WorkQueue(
            "experiments",
            self._watched(experimenting.reconcile),
            settings.workers,
            teller(kube, EXPERIMENT),
            experimenting.own_writes,
        )
        self._queues = (tasks, experiments)
        queues = {TASKS: tasks, EXPERIMENTS: experiments}
        turns.wake = lambda kind, key: {TASK.kind: tasks, EXPERIMENT.kind: experiments}[kind].add(key)
        duties = (
            look_around(kube, watchfulness, queues, (), settings.resync_seconds, turns),
            Sweep(kube, backend, ()).run(settings.resync_seconds),
        )
        wakes = watches(backend, tasks, experiments, watchfulness, turns)
        self._duties = [self._cluster.start(self._begin(duties, turns, wakes))]

    async def _begin(self, duties: Sequence[Coroutine[Any, Any, None]], turns: TurnKeeper, wakes: Wakes) -> None:
        """Read who holds what, then watch; a process that cannot is started again."""
        try:
            await turns.read(self._connection, ())
        except KubeError:
            for duty in duties:
                duty.close()
            self.crash("for it cannot read who holds what")
            return
        self._duties += [self._cluster.start(duty) for duty in duties]
        self.watches = Watches(self._cluster, wakes)

    def _watched(self, reconcile: Reconcile) -> Reconcile:
        async def watched(key: ObjectKey) -> float | None:
            current = network.Reconcile()
            network.CURRENT.set(current)
            self._counts["reconciles"] += 1
            try:
                return await reconcile(key)
            except (KubeError, asyncio.CancelledError):
                raise
            except Exception as problem:
                self._raised(key, problem)
                raise
            finally:
                self._counts["acting"] += bool(current.writes)

        return watched

    def crash(self, where: str) -> None:
        """End at once: nothing that runs comes to its end."""
        if self._connection.dead:
            return
        self._connection.dead = True
        self._cluster.tell("operator", f"crashes {where}")
        if self.watches is not None:
            self.watches.closed = True
        for duty in self._duties:
            duty.cancel()
        for queue in self._queues:
            self._cluster.start(queue.close())
        self._crashed()
