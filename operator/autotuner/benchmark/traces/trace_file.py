"""Reads a scenario's trace as far as its levels need it, and sums up what was read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from autotuner.api.experiment import TRACE_PARTS, TraceSummary
from autotuner.api.traffic_scenarios import TIMED, TraceFormat
from autotuner.benchmark.contract.spec import RunnerScenario, RunnerSpec, RunnerTrace
from autotuner.benchmark.traces.formats import BLOCK_TOKENS, BrokenLineError, RecordedRequest, read

_PIECE = 1 << 16
# Requests whose lengths a summary of texts is made of: counting the tokens of all of them would take minutes.
MOST_COUNTED = 1000
# A level goes on beyond its limit until its steady part is long enough; a fast engine answers many meanwhile.
_BEYOND = 500


class TraceError(Exception):
    """A trace that cannot be used; the message names the field, the line, and what to do."""


@dataclass(frozen=True)
class ReadTrace:
    """The requests of a trace that a benchmark sends; the first one arrives at 0, speed is taken in already.

    Attributes:
        requests: in the order of the file.
        skipped: how many had no prompt or no answer.
        cut: whether the file has more.
        source: where it comes from, in words.
    """

    requests: Sequence[RecordedRequest]
    skipped: int
    cut: bool
    source: str


def needed(spec: RunnerSpec, scenario: RunnerScenario) -> int:
    """How many requests of its trace a scenario can use: those of all its levels, as texts are not to be repeated."""
    most = spec.max_requests_per_level
    assert scenario.trace is not None, "asked of traces only"
    timed = scenario.trace.format in TIMED
    # Levels of lengths only draw texts of their own; levels go on beyond their limit while answers take so long.
    levels = 1 if timed else len(spec.ladder)
    wanted = most if _at_own_times(spec) else (2 * most + _BEYOND) * levels
    return min(wanted, scenario.trace.max_requests or wanted)


def _at_own_times(spec: RunnerSpec) -> bool:
    return spec.concurrency is None and spec.rates is None


def read_file(spec: RunnerSpec, scenario: RunnerScenario) -> ReadTrace:
    """Read a scenario's trace from its file.

    Raises:
        TraceError: there is no such file, a line is broken, or there is nothing in it.
    """
    trace = scenario.trace
    assert trace is not None, "asked of traces only"
    field, source = f"benchmark.scenarios[{scenario.name}].trace", trace.source or trace.file
    seconds = 60.0 * spec.max_minutes_per_level if _at_own_times(spec) else None
    try:
        with Path(trace.file).open(encoding="utf-8-sig", newline="") as file:
            found = take(trace, _pieces(file, trace.format), needed(spec, scenario), seconds)
    except FileNotFoundError:
        raise TraceError(f"{field}: there is no {source}; create it, or correct its name and path") from None
    except UnicodeDecodeError as error:
        raise TraceError(f"{field}: {source} is no text in UTF-8 ({error.reason}); unpack or convert it") from None
    except OSError as error:
        raise TraceError(f"{field}: {source} cannot be read: {error.strerror or error}") from None
    except BrokenLineError as error:
        raise TraceError(
            f"{field}: line {error.line} of {source} is not of the format {trace.format}: {error}; correct or remove it"
        ) from None
    if not found.requests:
        raise TraceError(f"{field}: {source} has no request with a prompt and an answer; give a file that has")
    return found


def _pieces(file: Iterable[str], trace_format: TraceFormat) -> Iterable[str]:
    if trace_format != "ShareGPT":
        return file
    read_some: Callable[[int], str] = file.read  # type: ignore[attr-defined] # a text file
    return iter(lambda: read_some(_PIECE), "")


def take(trace: RunnerTrace, pieces: Iterable[str], most: int, seconds: float | None) -> ReadTrace:
    """The requests of a trace within the limits; what is behind them is not read.

    Args:
        trace: the format, and how much faster it is sent.
        pieces: lines of the file.
        most: requests.
        seconds: after the first request as sent, in which they are due; None: no limit.

    Raises:
        BrokenLineError: a line is not of the format, or earlier than the one before.
    """
    kept: list[RecordedRequest] = []
    skipped, began, before = 0, None, None
    for request in read(trace.format, pieces):
        if request.at is not None:
            if before is not None and request.at < before:
                raise BrokenLineError(request.line, "it is earlier than the line before; sort the file by time")
            before, began = request.at, request.at if began is None else began
            request = replace(request, at=(request.at - began) / trace.speed)
            if seconds is not None and request.at is not None and request.at >= seconds:
                return ReadTrace(kept, skipped, True, trace.source)
        if not request.complete:
            skipped += 1
            continue
        if len(kept) == most:
            return ReadTrace(kept, skipped, True, trace.source)
        kept.append(request)
    return ReadTrace(kept, skipped, False, trace.source)


def summary(scenario: str, found: ReadTrace, count: Callable[[str], int]) -> TraceSummary:
    """What was read, in a few numbers.

    Args:
        scenario: its name.
        found: what was read.
        count: tells the tokens of a text.
    """
    looked_at = found.requests[:MOST_COUNTED] if found.requests[0].prompt else found.requests
    prompts = [one.input_tokens or count(one.prompt) for one in looked_at if not one.messages]
    answers = [one.output_tokens or count(one.answer) for one in looked_at]
    times = [one.at for one in found.requests if one.at is not None]
    return TraceSummary(
        scenario=scenario,
        requests=len(found.requests),
        skipped=found.skipped,
        cut=found.cut,
        seconds=times[-1] if times else None,
        rates=list(rates(times)) or None,
        input_tokens_mean=sum(prompts) / len(prompts) if prompts else None,
        input_tokens_max=max(prompts) if prompts else None,
        output_tokens_mean=sum(answers) / len(answers),
        output_tokens_max=max(answers),
        prefix_share=prefix_share(found.requests),
        digest=_digest(found.requests),
    )


def rates(times: Sequence[float]) -> Iterator[float]:
    """Requests per second in equal parts of the time from the first to the last; nothing where there is no time."""
    if not times or times[-1] <= 0:
        return
    part = times[-1] / TRACE_PARTS
    for number in range(TRACE_PARTS):
        begins, ends = number * part, (number + 1) * part
        last = number == TRACE_PARTS - 1
        yield sum(begins <= at and (at < ends or last) for at in times) / part


def prefix_share(requests: Iterable[RecordedRequest]) -> float | None:
    """The share of prompt tokens in blocks that an earlier request had; None where there are no blocks."""
    seen: set[str] = set()
    shared = tokens = 0
    for request in requests:
        for number, block in enumerate(request.blocks):
            if block in seen:
                shared += max(0, min(BLOCK_TOKENS, request.input_tokens - number * BLOCK_TOKENS))
            seen.add(block)
        tokens += request.input_tokens
    return shared / tokens if seen and tokens else None


def _digest(requests: Iterable[RecordedRequest]) -> str:
    found = hashlib.blake2s(digest_size=16)
    for request in requests:
        found.update(repr(astuple(request)[1:]).encode())
    return found.hexdigest()
