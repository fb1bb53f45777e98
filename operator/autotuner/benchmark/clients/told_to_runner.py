"""What every load client tells the runner of its start and of its failure."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from autotuner.benchmark.clients.tokenizer_loading import TokenizerError, load_tokenizer
from autotuner.benchmark.contract.connection import RunnerConnection
from autotuner.benchmark.contract.messages import (
    ClientFailed,
    TokenizerFailed,
    TokenizerLoaded,
    TraceRead,
    TraceUnusable,
)
from autotuner.benchmark.contract.spec import RunnerSpec, TokenizerSource
from autotuner.benchmark.traces.trace_file import ReadTrace, TraceError, read_file, summary

_WORDS_MAX = 600


def loaded_tokenizer(source: TokenizerSource, runner: RunnerConnection) -> Any:
    """The tokenizer; this process ends where there is none.

    Raises:
        SystemExit: it cannot be loaded, and the runner knows why.
    """
    try:
        found = load_tokenizer(source, os.environ.get("HF_TOKEN"))
    except TokenizerError as error:
        runner.send(TokenizerFailed(message=str(error)))
        sys.exit(1)
    runner.send(TokenizerLoaded())
    return found


def read_traces(spec: RunnerSpec, count: Callable[[str], int], runner: RunnerConnection) -> dict[str, ReadTrace]:
    """What the traces of a benchmark have, by scenario; this process ends where one cannot be used.

    Args:
        spec: of the benchmark.
        count: tells the tokens of a text.
        runner: is told what was read.

    Raises:
        SystemExit: one cannot be used, and the runner knows why.
    """
    found: dict[str, ReadTrace] = {}
    for scenario in spec.scenarios:
        if scenario.trace is None:
            continue
        try:
            found[scenario.name] = read_file(spec, scenario)
        except TraceError as error:
            runner.send(TraceUnusable(message=str(error)[:_WORDS_MAX]))
            sys.exit(1)
        runner.send(TraceRead(summary=summary(scenario.name, found[scenario.name], count)))
    return found


@contextmanager
def failure(runner: RunnerConnection) -> Iterator[None]:
    """Tell the runner of whatever is raised inside."""
    try:
        yield
    except BaseException as error:
        runner.send(ClientFailed(message=f"{type(error).__name__}: {error}"[:_WORDS_MAX]))
        raise
