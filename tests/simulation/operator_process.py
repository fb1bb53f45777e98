"""The operator's process in a history: its controllers, queues and duties, watched by the history."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping

from autotuner import backend_choice, presets
from autotuner.controllers.workqueue import ObjectKey, Reconcile
from autotuner.kube import Kube, KubeError
from autotuner.kubernetes_object import Resource
from autotuner.presets import Presets
from autotuner.process.machinery import Machinery
from autotuner.process.wakes import watches
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
        self._machinery: Machinery | None = None
        self.watches: Watches | None = None

    def start(self) -> None:
        """Begin to work."""
        kube, backends = self._connection, backend_choice.BACKENDS
        max_gpus, max_experiments = self._cluster.history.limits
        settings = Settings(
            comparison_seconds=self._cluster.history.resync,
            identity="simulated",
            max_gpus=max_gpus,
            max_experiments=max_experiments,
        )
        self._machinery = machinery = Machinery(
            kube, backends, settings, _presets(), around_tasks=self._watched, around_experiments=self._watched
        )
        self._duties = [self._cluster.start(self._begin(machinery, watches(backends, machinery.listeners)))]

    async def _begin(self, machinery: Machinery, wakes: Wakes) -> None:
        """Read who holds what, then watch; a process that cannot is started again."""
        try:
            await machinery.read()
        except KubeError:
            self.crash("for it cannot read who holds what")
            return
        self._duties.append(self._cluster.start(machinery.look_around()))
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
        for queue in self._machinery.queues if self._machinery else ():
            self._cluster.start(queue.close())
        self._crashed()
