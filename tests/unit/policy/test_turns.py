"""Whose turn it is: the smallest share first, then who has waited longest, and nobody for ever."""

from __future__ import annotations

import random

import pytest

from autotuner.policy.turns import Holder, OverallLimits, Waiter, explanation, in_turn
from tests.unit.builders import at

GPUS = OverallLimits(accelerators=8)
TWO = OverallLimits(experiments=2)
THREE = OverallLimits(experiments=3)


def waiter(name: str, accelerators: int = 1, since: float = 0) -> Waiter:
    """`a/chat` waits in namespace a."""
    return Waiter(name, name.partition("/")[0], accelerators, at(since))


def holders(*held: tuple[str, int]) -> list[Holder]:
    return [Holder(*one) for one in held]


ROWS: list[tuple[str, OverallLimits, list[Holder], list[Waiter], list[str]]] = [
    ("without limits all", OverallLimits(), holders(("a", 99)), [waiter("a/x", 50), waiter("b/y", 50)], ["a/x", "b/y"]),
    ("none while all is held", GPUS, holders(("a", 8)), [waiter("b/x")], []),
    ("who has waited longest", TWO, holders(("c", 1)), [waiter("a/x", since=2), waiter("b/y", since=1)], ["b/y"]),
    ("who holds least", TWO, holders(("a", 1)), [waiter("a/x", since=1), waiter("b/y", since=2)], ["b/y"]),
    ("in turns", THREE, [], [waiter("a/1"), waiter("a/2"), waiter("b/1", since=9)], ["a/1", "b/1", "a/2"]),
    ("nobody passes who is first", GPUS, holders(("c", 4)), [waiter("a/x", 8, 1), waiter("b/y", 1, 2)], []),
    ("but who can never start", GPUS, [], [waiter("a/x", 9, 1), waiter("b/y", 1, 2)], ["b/y"]),
    (
        "the larger share counts",
        OverallLimits(8, 100),
        holders(("a", 4), ("b", 1), ("b", 1)),
        [waiter("a/x", since=1), waiter("b/y", 2, since=2)],
        ["b/y"],
    ),
]


@pytest.mark.parametrize(
    ("limits", "held", "waiters", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_may_start(limits: OverallLimits, held: list[Holder], waiters: list[Waiter], expected: list[str]) -> None:
    assert [one.name for one in in_turn(limits, held, waiters)] == expected


WORDS: list[tuple[OverallLimits, list[Holder], int, str]] = [
    (
        GPUS,
        holders(("a", 4), ("b", 4)),
        2,
        "waits for its turn: 8 of 8 GPUs of limits.maxGPUs are in use by 2 experiments; 1 waits before it",
    ),
    (
        GPUS,
        holders(("a", 4)),
        8,
        "waits for its turn: 4 of 8 GPUs of limits.maxGPUs are in use by 1 experiment, and it needs 8;"
        " 1 waits before it",
    ),
    (
        TWO,
        holders(("a", 4), ("b", 1)),
        1,
        "waits for its turn: 2 of 2 experiments of limits.maxExperiments are running; 1 waits before it",
    ),
    (
        GPUS,
        [],
        9,
        "needs 9 GPUs, and limits.maxGPUs of the operator lets all experiments hold 8 together: ask for more",
    ),
]


@pytest.mark.parametrize(("limits", "held", "needed", "expected"), WORDS)
def test_says_why_not(limits: OverallLimits, held: list[Holder], needed: int, expected: str) -> None:
    own = waiter("c/own", needed, since=2)

    assert explanation(limits, held, [waiter("c/first", since=1), own], own) == expected


@pytest.mark.parametrize("seed", range(10))
def test_everybody_gets_a_turn_within_bounds(seed: int) -> None:
    """Many tasks that always want another experiment: nobody waits longer than all others take a few turns."""
    dice = random.Random(seed)
    limits = OverallLimits(accelerators=8, experiments=5)
    needs = {f"{dice.choice('abc')}/{number}": dice.choice([1, 1, 2, 8]) for number in range(12)}
    since = dict.fromkeys(needs, 0.0)
    running: list[tuple[float, str]] = []
    starts: list[str] = []
    now = 0.0
    for _ in range(400):
        now += 1
        running = [(end, name) for end, name in running if end > now]
        busy = {name for _, name in running}
        held = [Holder(name.partition("/")[0], needs[name]) for name in busy]
        waiting = [waiter(name, needs[name], since[name]) for name in needs if name not in busy]
        for one in in_turn(limits, held, waiting):
            running.append((now + dice.randint(1, 5), one.name))
            since[one.name] = now
            starts.append(one.name)
        assert sum(needs[name] for _, name in running) <= 8
        assert len(running) <= 5
        assert all(now - since[name] < 150 for name in needs), "somebody starves"
    assert set(starts) == set(needs)
