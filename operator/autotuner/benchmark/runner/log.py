"""The log of the benchmark's container."""

from __future__ import annotations

import json
import sys

from autotuner.api.experiment import Level
from autotuner.benchmark.contract.result import Result, rounded


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
        tpot = f", TPOT p50 {level.tpot_seconds.p50 * 1000:.1f} ms" if level.tpot_seconds else ""
        self(
            f"{level.scenario} at concurrency {level.concurrency}: {level.output_tokens_per_second:.1f} tok/s,"
            f" {level.requests_per_second:.2f} requests/s, TTFT p50 {level.ttft_seconds.p50 * 1000:.0f} ms"
            f" p99 {level.ttft_seconds.p99 * 1000:.0f} ms{tpot} ({level.requests} requests, {level.errors} errors)"
        )
        self(json.dumps(rounded(level.dump()), separators=(",", ":")))

    def result(self, result: Result) -> None:
        """Write to the log how the benchmark ended."""
        if result.failure:
            self(f"{result.failure}: {result.message}")
            return
        overhead = f", {result.overhead_seconds:.1f} s neither" if result.overhead_seconds is not None else ""
        count, seconds = len(result.levels), result.levels_seconds
        self(f"{result.ladder}: {count} levels in {seconds:.1f} s{overhead}. {result.message}")
