"""The log of the benchmark's container."""

from __future__ import annotations

import json
import sys

from autotuner.api.experiment import Distribution, Level, TraceSummary
from autotuner.benchmark.contract.result import Result, log_lines, rounded
from autotuner.scoring.figures import told


class Log:
    """A log on standard output that never holds the API key."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, text: str) -> None:
        """Write a line to the log, at once and without the API key."""
        sys.stdout.write(self.safe(text) + "\n")
        sys.stdout.flush()

    def safe(self, text: str) -> str:
        """The text with the API key replaced by asterisks."""
        return text.replace(self._key, "***") if self._key else text

    def level(self, level: Level) -> None:
        """Write the figures of a level to the log: a line for people, a line of JSON."""
        where = told(level.offered, level.rate is not None)
        self(
            f"{level.scenario} at {where}: {level.output_tokens_per_second:.1f} tok/s,"
            f" {level.requests_per_second:.2f} requests/s{_schedule(level)}, TTFT {_told(level.ttft_seconds, 0)}, TPOT"
            f" {_told(level.tpot_seconds, 1)}{_kept(level)} ({level.requests} requests, {level.errors} errors)"
        )
        self(json.dumps(rounded(level.dump()), separators=(",", ":")))

    def trace(self, summary: TraceSummary) -> None:
        """Write to the log what was read of a trace."""
        self(_trace(summary))

    def result(self, result: Result, encoded: str) -> None:
        """Write to the log how the benchmark ended: for programs, then for people."""
        for line in log_lines(encoded):
            self(line)
        if result.failure:
            self(f"{result.failure}: {result.message}")
            return
        overhead = f", {result.overhead_seconds:.1f} s neither" if result.overhead_seconds is not None else ""
        count, seconds = len(result.levels), result.levels_seconds
        self(f"{result.ladder}: {count} levels in {seconds:.1f} s{overhead}. {result.message}")


def _schedule(level: Level) -> str:
    """What an open loop was asked for and did: `answered, 4.02 sent, late by 1.1 ms (p99)`."""
    if level.sent_per_second is None:
        return ""
    late = (
        f", late by {1000 * level.lateness_p99_seconds:.1f} ms (p99)" if level.lateness_p99_seconds is not None else ""
    )
    return f" answered, {level.sent_per_second:.2f} sent{late}"


def _kept(level: Level) -> str:
    """How many requests kept their limits: `, 96.1% kept their limits`."""
    return f", {level.attainment.share:.1%} kept their limits" if level.attainment else ""


def _told(latency: Distribution | None, digits: int) -> str:
    """Its median and P99 for people: `p50 190 ms p99 410 ms`; `-` for what no answer tells."""
    found = [(name, getattr(latency, name, None)) for name in ("p50", "p99")]
    return " ".join(f"{name} {'-' if value is None else f'{1000 * value:.{digits}f} ms'}" for name, value in found)


def _trace(one: TraceSummary) -> str:
    """A trace in words."""
    words = [f"read {one.requests} requests" + (" and no more: the levels need none" if one.cut else "")]
    if one.skipped:
        words.append(f"left out {one.skipped} without a prompt or an answer")
    if one.seconds is not None and one.rates:
        words.append(f"in {one.seconds:.1f} s, {min(one.rates):.3g} to {max(one.rates):.3g} requests/s")
    if one.input_tokens_mean is not None:
        words.append(f"prompts of {one.input_tokens_mean:.0f} tokens (at most {one.input_tokens_max})")
    words.append(f"answers of {one.output_tokens_mean:.0f} (at most {one.output_tokens_max})")
    if one.prefix_share is not None:
        words.append(f"{one.prefix_share:.0%} of the prompts' tokens were in earlier ones")
    return f"trace of {one.scenario}: {', '.join(words)}"
