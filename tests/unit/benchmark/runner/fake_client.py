"""A load client that sends nothing: it makes up the requests of each level, so that their figures are known.

The variable FAKE_CLIENT says what it does in the second level, or instead of loading.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from typing import Literal

from autotuner.benchmark.contract.connection import RunnerConnection
from autotuner.benchmark.contract.level_run import LevelRun, Request
from autotuner.benchmark.contract.messages import (
    ClientFailed,
    FirstRequest,
    LevelRecorded,
    ReadyForLevel,
    TokenizerFailed,
    TokenizerLoaded,
    WarmedUp,
)
from autotuner.benchmark.contract.spec import load_spec

Behaviour = Literal["measure", "die", "fail", "babble", "hang", "record errors", "record an outage", "refuse", "sleep"]
ROUNDS = 10
TOKENS = 11
SECONDS_PER_TOKEN = 0.01
QUEUE_SECONDS = 0.01
"""How much each user adds to everybody's TTFT."""


def main() -> None:
    connection = RunnerConnection.from_arguments(sys.argv[1:])
    spec, behaviour = load_spec(os.environ), os.environ["FAKE_CLIENT"]
    (spec.work_dir / "pid").write_text(str(os.getpid()))
    if behaviour == "sleep":
        signal.pause()
    if behaviour == "refuse":
        connection.send(TokenizerFailed(message="benchmark.tokenizer: it is made up"))
        return
    connection.send(TokenizerLoaded())
    for index in itertools.count():
        connection.send(ReadyForLevel(level=index))
        command = connection.receive()
        if index == 0:
            connection.send(FirstRequest(unix_seconds=time.time()))
            connection.send(WarmedUp(seconds=0.5, error=f"{command.model} was cold"))
        if index == 1:
            misbehave(behaviour, connection)
        error = "HTTP 503: busy" if index == 1 and behaviour == "record errors" else ""
        outage = "Connection error: gone" if index == 1 and behaviour == "record an outage" else ""
        path = spec.work_dir / f"level-{index}.json"
        make_up(index, command.scenario, int(command.offered), error, outage).write(path)
        connection.send(LevelRecorded(path=path))


def misbehave(behaviour: str, connection: RunnerConnection) -> None:
    if behaviour == "die":
        print("out of memory")
        os._exit(7)
    if behaviour == "fail":
        connection.send(ClientFailed(message="KeyError: 'choices'"))
    if behaviour == "babble":
        os.write(int(sys.argv[2]), b'{"event": "Lunch"}\n')
    if behaviour in ("fail", "babble", "hang"):
        signal.pause()


def make_up(index: int, scenario: str, concurrency: int, error: str, outage: str) -> LevelRun:
    """A level of users in lock-step; every fifth request ends in the error."""
    ttft = QUEUE_SECONDS * concurrency
    seconds = ttft + SECONDS_PER_TOKEN * (TOKENS - 1)
    requests = []
    for turn in range(ROUNDS):
        start = turn * seconds
        for user in range(concurrency):
            problem = error if (turn + user) % 5 == 0 else ""
            counts = (100, 0 if problem else TOKENS, TOKENS)
            requests.append(Request(user, start, start + ttft, start + seconds, *counts, usage=True, error=problem))
    failed = sum(request.failed for request in requests)
    return LevelRun(
        index=index,
        scenario=scenario,
        concurrency=concurrency,
        started=0.0,
        stopped=ROUNDS * seconds,
        counted_completed=len(requests) - failed,
        counted_errors=failed,
        outage=outage,
        requests=requests,
    )


if __name__ == "__main__":
    main()
