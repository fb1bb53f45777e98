"""Who starts now: few accelerators stay idle, and nobody waits for ever."""

from __future__ import annotations

import random

import pytest

from autotuner.policy.task.packing import Packing, Room, pack

ANY = Room(3)
ROWS: list[tuple[str, list[int], Room, int, Packing]] = [
    ("nobody waits", [], ANY, 0, Packing(())),
    ("no slot is free", [1], Room(0), 2, Packing((), 2)),
    ("more run than may by now", [1], Room(-2, 8), 0, Packing(())),
    ("without a limit, in order", [4, 8, 1, 1], ANY, 0, Packing((0, 1, 2))),
    ("all that fit", [2, 2, 4], Room(8, 8), 0, Packing((0, 1, 2))),
    ("of equal choices the first", [2, 2, 2, 2], Room(2, 16), 0, Packing((0, 1))),
    ("beside what is held", [2, 2, 2], Room(8, 8, (2, 2)), 0, Packing((0, 1))),
    ("nothing where more is held than allowed by now", [1], Room(8, 4, (2, 4)), 0, Packing(())),
    ("those that leave the least idle", [2, 4, 4], Room(8, 8), 0, Packing((1, 2), 2)),
    ("few large ones in few slots", [1, 1, 4], Room(2, 8), 0, Packing((0, 2))),
    ("the small where the first does not fit", [8, 2, 1], Room(2, 8, (4,)), 1, Packing((1, 2), 3)),
    ("nobody where nothing fits", [8, 6], Room(2, 8, (4,)), 1, Packing((), 1)),
    ("the first that was passed over, before a better fit", [2, 8, 2], Room(8, 8), 4, Packing((0, 2))),
    ("its room is kept", [8, 2, 2], Room(8, 8, (4,)), 4, Packing((), 4)),
    ("but not what it does not need", [4, 2, 2], Room(8, 8, (4, 2)), 4, Packing((1,), 4)),
    ("of what the oldest hold", [4, 4], Room(8, 12, (8, 2)), 4, Packing((), 4)),
    ("and the oldest leave enough for both", [4, 2], Room(8, 12, (8, 2)), 4, Packing((1,), 4)),
]


@pytest.mark.parametrize(
    ("queue", "room", "passed_over", "expected"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS]
)
def test_starts(queue: list[int], room: Room, passed_over: int, expected: Packing) -> None:
    assert pack(queue, room, passed_over, patience=4) == expected


def test_fills_as_much_as_any_choice_would() -> None:
    dice = random.Random(1)
    for _ in range(300):
        queue = [dice.choice([1, 2, 3, 4, 8]) for _ in range(dice.randint(1, 8))]
        room = Room(dice.randint(1, 5), dice.randint(1, 16))
        start = pack(queue, room, 0, patience=4).start
        best = max(
            sum(used)
            for mask in range(2 ** len(queue))
            if len(used := [count for place, count in enumerate(queue) if mask >> place & 1]) <= room.slots
            and sum(used) <= (room.most or 0)
        )
        assert sum(queue[place] for place in start) == best


@pytest.mark.parametrize("seed", range(20))
def test_a_large_one_gets_its_room_however_many_small_ones_come(seed: int) -> None:
    """Small ones arrive without end, and run for any time; the large one stays the first of the queue."""
    dice = random.Random(seed)
    ends: list[tuple[float, int]] = []  # of running ones, the oldest first
    now, passed_over, waited = 0.0, 0, 0
    while True:
        queue = [7, *(dice.choice([1, 2, 3]) for _ in range(8))]
        found = pack(queue, Room(8 - len(ends), 8, tuple(held for _, held in ends)), passed_over, patience=8)
        passed_over = found.passed_over
        ends += [(now + dice.uniform(1, 100), queue[place]) for place in found.start]
        assert sum(held for _, held in ends) <= 8
        if 0 in found.start:
            break
        waited += 1
        assert waited < 30, "it waits for ever"
        if ends:
            now = min(ends)[0]
            ends.remove(min(ends))
