"""Answers that were given but cannot count: those cut short, and those of which nobody saw the first token. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from autotuner.benchmark.contract.level_run import STREAMED_SECONDS, LevelRun, Request

ABORTED = "abort"
_CUT = "length"
CUT_SHORT = "the answer was cut short"
# Fewer tokens may come from a single step of the engine, if it speculates.
_FEWEST_TOKENS = 9
# So many answers in one piece are told; so many leave nobody to say when first tokens come.
SOME_IN_ONE_PIECE, MOST_IN_ONE_PIECE = 0.05, 0.5


def cut_short(request: Request, holds_length: bool) -> str:
    """How an answer was cut short, in words; empty if it has what was asked for.

    Args:
        request: of a load client.
        holds_length: the engine was told to go on to the length asked for, so that it may not end before.
    """
    if not request.ok or not request.usage:
        return ""
    told = f"{request.output_tokens} of {request.asked} tokens"
    if request.finish == ABORTED:
        return f"{CUT_SHORT}: the engine aborted it after {told}"
    if not request.asked or request.output_tokens >= request.asked:
        return ""
    if request.finish == _CUT:
        return f"{CUT_SHORT} to {told} (finish reason {_CUT}): prompt and answer exceed the context of the engine"
    return f"{CUT_SHORT} to {told} (finish reason {request.finish or 'none'})" if holds_length else ""


def as_failed(run: LevelRun, holds_length: bool) -> tuple[LevelRun, int]:
    """The level with its answers that were cut short as failed requests, and how many these are.

    A shorter answer is sooner over and costs less: as an answer it would make the engine look faster than it is.
    """
    words = [cut_short(request, holds_length) for request in run.requests]
    requests = [replace(one, error=why) if why else one for one, why in zip(run.requests, words, strict=True)]
    return replace(run, requests=requests), sum(1 for why in words if why)


def in_one_piece(answered: Iterable[Request], client_on_time: bool) -> float:
    """The share of answers that arrive at once, so that nobody knows when their first token was ready.

    An engine that is short of CPU sends some answers so, and its users wait for their first token as long as for the
    last; where most arrive so, something buffers the stream.

    Args:
        answered: requests that were answered.
        client_on_time: the client read what arrived when it arrived. A late one finds several events at once, and its
            clock tells nothing; then only answers of a single event are such.
    """
    several = [one for one in answered if one.output_tokens >= _FEWEST_TOKENS]
    return len(_whole(several, client_on_time)) / len(several) if several else 0.0


def _whole(answered: Sequence[Request], client_on_time: bool) -> list[Request]:
    return [one for one in answered if one.pieces == 1 or (client_on_time and one.end - one.first < STREAMED_SECONDS)]
