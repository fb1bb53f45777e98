"""What is kept of a long log."""

from __future__ import annotations

import random

import pytest

from autotuner.log_excerpt import HEAD_BYTES, LINE_BYTES, MIDDLE_BYTES, TAIL_BYTES, LogExcerpt

MOST = HEAD_BYTES + 2 * MIDDLE_BYTES + TAIL_BYTES + 4 * LINE_BYTES
TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\nRuntimeError: the cause\n'


def kept(log: str, size: int = 777) -> str:
    excerpt = LogExcerpt()
    content = log.encode()
    for start in range(0, len(content), size):
        excerpt.add(content[start : start + size])
    return excerpt.text()


@pytest.mark.parametrize("log", ["", "one line", "two\nlines\n", "a\n\nb\n", "é\r\nü"])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_short_log_is_kept_as_it_is(log: str, size: int) -> None:
    assert kept(log, size) == log


def test_a_cause_far_from_both_ends_is_kept() -> None:
    noise = 'INFO: "POST /v1/completions HTTP/1.1" 200 OK\n' * 20_000
    found = kept(f"head\n{noise}scheduler hit an exception: {TRACEBACK}{noise}tail\n")

    assert found.startswith("head\n")
    assert found.endswith("tail\n")
    assert TRACEBACK in found
    assert "lines left out" in found
    assert len(found) <= MOST


def test_errors_of_requests_do_not_crowd_out_what_a_process_died_of() -> None:
    errors = f"ERROR: Exception in a request\n{TRACEBACK}" * 20_000
    death = "EngineCore encountered a fatal error.\nTraceback (most recent call last):\nKeyError: 17\n"

    assert death in kept(f"{errors}{death}{errors}")


def test_a_line_of_half_a_megabyte_hides_nothing() -> None:
    found = kept("before\n" + "7, " * 170_000 + "\nWatchdog timeout\n")

    assert found.startswith("before\n7, 7, ")
    assert found.endswith("\nWatchdog timeout\n")
    assert len(found) < 2 * LINE_BYTES


@pytest.mark.parametrize("seed", range(20))
def test_any_log_fits(seed: int) -> None:
    choice = random.Random(seed)
    lines = [choice.choice(["x", "KeyError: y", "died", "ERROR "]) * choice.randint(0, 3000) for _ in range(2000)]

    found = kept("\n".join(lines), choice.randint(1, 100_000))

    assert len(found) <= MOST + 30 * found.count("lines left out")
