from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from autotuner.benchmark.contract.connection import LineReader


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def test_lines_come_whole_whatever_the_pieces(pipe: tuple[int, int]) -> None:
    reader = LineReader(pipe[0])
    assert reader.read(0) == []
    found = []
    for piece in (b"on", b"e\ntwo\nthr", b"ee", b"\n"):
        os.write(pipe[1], piece)
        found.append(reader.read(1))
    os.close(pipe[1])
    assert found == [[], [b"one", b"two"], [], [b"three"]]


def test_a_closed_end_is_told_apart_from_silence(pipe: tuple[int, int]) -> None:
    reader = LineReader(pipe[0])
    os.write(pipe[1], b"last\n")
    os.close(pipe[1])
    assert reader.read(1) == [b"last"]
    with pytest.raises(EOFError):
        reader.read(1)
