"""What every load client tells the runner of its start and of its failure."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from autotuner.benchmark.clients.tokenizer_loading import TokenizerError, load_tokenizer
from autotuner.benchmark.contract.connection import RunnerConnection
from autotuner.benchmark.contract.messages import ClientFailed, TokenizerFailed, TokenizerLoaded
from autotuner.benchmark.contract.spec import TokenizerSource

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


@contextmanager
def failure(runner: RunnerConnection) -> Iterator[None]:
    """Tell the runner of whatever is raised inside."""
    try:
        yield
    except BaseException as error:
        runner.send(ClientFailed(message=f"{type(error).__name__}: {error}"[:_WORDS_MAX]))
        raise
