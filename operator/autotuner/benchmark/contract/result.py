"""The result of a benchmark, and its form in the container's termination message (at most 4096 bytes).

All containers of a pod share 12,288 bytes of termination messages: where a mesh and others add theirs, the kubelet cuts
each to 12,288 / (number of containers, init containers included) bytes. So the log holds the result a second time.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from autotuner.api.experiment import Attainment, Distribution, Ladder, Level

MAX_BYTES = 4096
MAX_MESSAGE = 900
MAX_WARNINGS = 6
MAX_WARNING = 240
_COMPRESSED = "z:"
# Readers of logs cut long lines.
_PIECE = 2000
_IN_LOG = re.compile(r"^result, part (\d+) of (\d+): (.*)\n?", re.MULTILINE)
_VERSION = 1
MAX_VERSION = 32
_STATISTICS = ("mean", "p50", "p90", "p95", "p99")

Failure = Literal[
    "Tokenizer",
    "EngineNotServing",
    "Unauthorized",
    "ModelNameAmbiguous",
    "Refused",
    "ClientOverloaded",
    "Acceptance",
    "Terminated",
    "Internal",
    "Spec",
]


class Result(BaseModel):
    """What a benchmark found. Levels that finished before a failure are in it and valid.

    Attributes:
        levels: the accepted levels, in the order measured.
        ladder: how it ended; None if nothing was measured.
        failure: the kind of failure, None if the result is accepted.
        message: for people: why it failed, or why the ladder ended early.
        warnings: about levels that are valid.
        engine_version: what the engine says of itself; empty if it says nothing.
        engine_ready, first_request, benchmark_finished: RFC 3339, as the runner saw them. first_request is the load
            client's first one, warm-up included.
        warmup_seconds, levels_seconds: spent on warm-up, and on all levels with their ramps.
        overhead_seconds: benchmark_finished - first_request less those two.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    levels: tuple[Level, ...] = ()
    ladder: Ladder | None = None
    failure: Failure | None = None
    message: str = ""
    warnings: tuple[str, ...] = ()
    engine_version: str = ""
    engine_ready: str | None = None
    first_request: str | None = None
    benchmark_finished: str | None = None
    warmup_seconds: float = 0.0
    levels_seconds: float = 0.0
    overhead_seconds: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the benchmark ended as it should."""
        return self.failure is None


def encode(result: Result) -> str:
    """The result as text of at most 4096 bytes; figures keep five digits."""
    text = _as_json(result, MAX_WARNINGS, MAX_MESSAGE)
    if len(text) <= MAX_BYTES:
        return text
    for warnings, message in ((MAX_WARNINGS, MAX_MESSAGE), (2, 400), (0, 200)):
        packed = zlib.compress(_as_json(result, warnings, message).encode(), 9)
        text = _COMPRESSED + base64.b85encode(packed).decode()
        if len(text) <= MAX_BYTES:
            return text
    raise ValueError(f"{len(result.levels)} levels do not fit into {MAX_BYTES} bytes")


def decode(text: str) -> Result:
    """The result in a termination message.

    Raises:
        ValueError: the text is not a result.
    """
    text = text.strip()
    try:
        if text.startswith(_COMPRESSED):
            text = zlib.decompress(base64.b85decode(text.removeprefix(_COMPRESSED))).decode()
        body = json.loads(text)
        if body["v"] != _VERSION:
            raise ValueError(f"version {body['v']} of the result is unknown to this operator")
        levels = tuple(_level(row, body["s"]) for row in body["l"])
        ready, first, finished = body["t"]
        warmup, spent, overhead = body["d"]
        return Result(
            levels=levels,
            ladder=body["ladder"],
            failure=body["failure"],
            message=body["message"],
            warnings=tuple(body["warnings"]),
            engine_version=body.get("e", ""),
            engine_ready=ready,
            first_request=first,
            benchmark_finished=finished,
            warmup_seconds=warmup,
            levels_seconds=spent,
            overhead_seconds=overhead,
        )
    except (KeyError, TypeError, IndexError, UnicodeDecodeError, zlib.error, ValidationError) as error:
        raise ValueError(f"not a benchmark result: {error}") from error


def log_lines(text: str) -> Iterator[str]:
    """The lines by which a log holds an encoded result."""
    pieces = [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]
    for number, piece in enumerate(pieces, 1):
        yield f"result, part {number} of {len(pieces)}: {piece}"


def decode_log(log: str) -> Result:
    """The result in a log; of several the last one.

    Raises:
        ValueError: the log holds no whole result.
    """
    parts = _IN_LOG.findall(log)
    count = int(parts[-1][1]) if parts else 0
    last = parts[-count:] if count else []
    if not last or [number for number, _, _ in last] != [str(number) for number in range(1, count + 1)]:
        raise ValueError("the log holds no whole result")
    return decode("".join(piece for _, _, piece in last))


def without_result(log: str) -> str:
    """The log as people read it: without the second copy of the result."""
    return _IN_LOG.sub("", log)


def is_result(text: str) -> bool:
    """Whether a text is a whole result."""
    try:
        decode(text)
    except ValueError:
        return False
    return True


def _as_json(result: Result, warnings: int, message: int) -> str:
    scenarios = list(dict.fromkeys(level.scenario for level in result.levels))
    body = {
        "v": _VERSION,
        "ladder": result.ladder,
        "failure": result.failure,
        "message": _short(result.message, message),
        "warnings": [_short(w, MAX_WARNING) for w in result.warnings[:warnings]],
        "e": _short(result.engine_version, MAX_VERSION),
        "t": [result.engine_ready, result.first_request, result.benchmark_finished],
        "d": [_digits(result.warmup_seconds), _digits(result.levels_seconds), _digits(result.overhead_seconds)],
        "s": scenarios,
        "l": [_row(level, scenarios) for level in result.levels],
    }
    # Escaped, so that characters are bytes and an incomplete one can never be cut.
    return json.dumps(body, separators=(",", ":"), allow_nan=False)


def _row(level: Level, scenarios: list[str]) -> list[Any]:
    return [
        scenarios.index(level.scenario),
        level.concurrency,
        level.requests,
        level.errors,
        _digits(level.duration_seconds),
        _digits(level.output_tokens_per_second),
        _digits(level.total_tokens_per_second),
        _digits(level.requests_per_second),
        _statistics(level.ttft_seconds),
        _statistics(level.tpot_seconds),
        _statistics(level.e2e_latency_seconds),
        _digits(level.output_tokens_mean),
        *_beyond(level),
    ]


def _beyond(level: Level) -> list[Any]:
    """What only open loops and limits of requests have; nothing where a level has neither, as in earlier releases."""
    attained = level.attainment
    share = (attained.share, attained.low, attained.high) if attained else (None, None, None)
    values = (level.rate, level.sent_per_second, level.lateness_p99_seconds, level.good_requests_per_second, *share)
    figures = [[_digits(value) for value in values]] if any(value is not None for value in values) else []
    # Only levels of an open loop, which has figures, end like this.
    return [*figures, [level.ended, level.evidence]] if figures and level.ended else figures


def _level(row: list[Any], scenarios: list[str]) -> Level:
    scenario, concurrency, requests, errors, duration, output, total, answered, ttft, tpot, e2e, mean, *beyond = row
    rate, sent, late, good, *share = beyond[0] if beyond else [None] * 7
    ended, evidence = beyond[1] if len(beyond) > 1 else (None, None)
    return Level(
        scenario=scenarios[scenario],
        concurrency=concurrency,
        rate=rate,
        requests=requests,
        errors=errors,
        duration_seconds=duration,
        output_tokens_per_second=output,
        total_tokens_per_second=total,
        requests_per_second=answered,
        sent_per_second=sent,
        lateness_p99_seconds=late,
        good_requests_per_second=good,
        attainment=_attainment(share),
        ttft_seconds=_distribution(ttft),
        tpot_seconds=_distribution(tpot),
        e2e_latency_seconds=_distribution(e2e),
        output_tokens_mean=mean,
        ended=ended,
        evidence=evidence,
    )


def _attainment(values: list[float | None]) -> Attainment | None:
    return None if values[0] is None else Attainment(**dict(zip(("share", "low", "high"), values, strict=True)))


def _statistics(distribution: Distribution | None) -> list[float | None] | None:
    return [_digits(getattr(distribution, name)) for name in _STATISTICS] if distribution else None


def _distribution(values: list[float | None] | None) -> Distribution | None:
    return Distribution(**dict(zip(_STATISTICS, values, strict=True))) if values is not None else None


def _digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def rounded(body: dict[str, Any]) -> dict[str, Any]:
    """A copy of a JSON object with every float at five significant digits."""
    return {
        k: rounded(v) if isinstance(v, dict) else _digits(v) if isinstance(v, float) else v for k, v in body.items()
    }


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
