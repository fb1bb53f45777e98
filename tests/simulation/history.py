"""What a seed stands for: tasks, machines, and what goes wrong how often until the disasters end."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from autotuner.kubernetes_object import Object
from tests.simulation.drawn_tasks import draw_task

# What can go wrong, by whose doing, each with the most that it may be: a chance each time it could happen, or, of what
# lasts, how often in an hour. A history takes some of them, each somewhere between nothing and this.
FAULTS: Mapping[str, Mapping[str, float]] = {
    "watches": {"event lost": 0.3, "event late": 0.3, "event twice": 0.3, "watch broken": 12},
    "requests": {
        "request not sent": 0.05,
        "answer lost": 0.05,
        "webhook down": 0.08,
        "written by others": 0.15,
        "api away": 6,
    },
    "operator": {"crash before a write": 0.05, "crash after a write": 0.05, "clock jump": 6},
    "engines": {
        "engine dies at start": 0.3,
        "engine dies under load": 0.3,
        "engine hangs at start": 0.1,
        "benchmark fails": 0.2,
        "benchmark says nothing": 0.15,
    },
    "disturbances": {
        "engine evicted": 0.3,
        "benchmark evicted": 0.2,
        "engine preempted": 0.3,
        "node down": 6,
        "node gone": 1.5,
    },
    "places": {"image not pulled": 0.15, "no node": 0.2, "quota used up": 6, "engine's pods refused": 0.1},
    "backend": {"backend silent": 0.1, "backend refuses": 0.03, "backend slow": 0.3, "backend away": 4},
    "deletions": {"finalizer stuck": 0.2, "pod stuck": 0.15, "collector late": 0.3},
    "others": {
        "root deleted": 2,
        "job deleted": 2,
        "pod deleted": 3,
        "experiment deleted": 1,
        "model deleted": 0.5,
        "runtime deleted": 0.5,
    },
    "users": {
        "suspended": 3,
        "experiment cancelled": 2,
        "task made anew": 1,
        "budget raised": 2,
        "limit changed": 2,
    },
}


@dataclass(frozen=True)
class History:
    """Everything that is drawn before a history begins.

    Attributes:
        seed: of it and of all chance in it.
        tasks: as users would apply them, with the second at which they do.
        gpus: of each node.
        rates: what goes wrong, as `FAULTS` has it.
        ends: the second from which on nothing goes wrong any more.
        resync: the operator's own period of looking at everything, in seconds.
        limits: of the installation over all tasks: GPUs and experiments at the same time; None for no limit.
    """

    seed: int
    tasks: tuple[tuple[float, Object], ...]
    gpus: tuple[int, ...]
    rates: Mapping[str, float] = field(default_factory=dict)
    ends: float = 0.0
    resync: float = 30.0
    limits: tuple[int | None, int | None] = (None, None)

    def rate(self, fault: str) -> float:
        """How often something goes wrong; 0 for never."""
        return self.rates.get(fault, 0.0)


def draw(seed: int, groups: Collection[str] | None = None) -> History:
    """The history that a seed stands for.

    Args:
        seed: any number.
        groups: of `FAULTS`, of which everything goes wrong, as often as it may; None for what luck brings.
    """
    dice = random.Random(f"{seed}/history")
    count = 2 if dice.random() < 0.2 else 1
    tasks = tuple((dice.uniform(0, 60), draw_task(dice, f"chat{number}")) for number in range(count))
    gpus = tuple(dice.choice([2, 4, 8]) for _ in range(dice.choice([1, 2, 3])))
    rates = _rates(dice) if groups is None else {fault: most for one in groups for fault, most in FAULTS[one].items()}
    return History(
        seed,
        tasks,
        gpus,
        rates,
        ends=dice.uniform(600, 6000),
        resync=dice.choice([30.0, 60.0, 120.0]),
        limits=dice.choice([(None, None), (None, None), (None, None), (None, 2), (4, None), (4, 2)]),
    )


def _rates(dice: random.Random) -> dict[str, float]:
    """Nothing at all, one kind of trouble, or all kinds that luck brings."""
    if dice.random() < 0.05:
        return {}
    groups = [dice.choice(list(FAULTS))] if dice.random() < 0.3 else [one for one in FAULTS if dice.random() < 0.35]
    return {
        fault: most * dice.choice([0.1, 0.3, 1.0])
        for group in groups
        for fault, most in FAULTS[group].items()
        if dice.random() < 0.5
    }
