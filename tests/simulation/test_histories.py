"""Histories, none of which may break what must hold; and that a history is the same each time.

Each run plays as many as four minutes allow; the full run plays two thousand of 200,000 reconciles that write.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.simulation.many import Total
from tests.simulation.plays import play

HISTORIES, CHUNKS = 2000, 40
CHUNKS_OF_EACH_RUN = 11
# All together 200,000.
PASSES_OF_A_CHUNK = 200_000 // CHUNKS
# Where chance gives the histories of a chunk fewer, it goes on with others.
_FURTHER = 1_000_000
_FULL = [pytest.param(chunk, marks=pytest.mark.full) for chunk in range(CHUNKS_OF_EACH_RUN, CHUNKS)]


@pytest.mark.parametrize("chunk", [*range(CHUNKS_OF_EACH_RUN), *_FULL])
def test_nothing_is_broken(chunk: int, record_property: Callable[[str, object], None]) -> None:
    total, size = Total(), HISTORIES // CHUNKS
    further = itertools.count(_FURTHER + chunk * size)
    for seed in range(chunk * size, (chunk + 1) * size):
        total.add(play(seed))
    while total.counts["acting"] < PASSES_OF_A_CHUNK:
        total.add(play(next(further)))
    for what, count in (("histories", total.histories), ("acting", total.counts["acting"]), ("cpu", total.cpu)):
        record_property(what, count)

    assert not total.broken
    assert total.histories >= size


@pytest.mark.parametrize("seed", [3, 8])
def test_a_history_is_the_same_in_every_process(seed: int) -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seed", str(seed), "--trace"]
    told = [
        subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": salt}, capture_output=True, text=True, check=True
        ).stdout.splitlines()
        for salt in ("1", "2")
    ]

    without_cpu = [lines[:-1] for lines in told]
    assert without_cpu[0] == without_cpu[1]
    assert len(without_cpu[0]) > 100
