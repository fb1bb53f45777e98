"""However an engine's client or the fork server ends, nothing of the engine is left."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import processes
from testbed.vllm_cpu import ENGINE_TITLE
from testbed.vllm_cpu.model import write_model
from tests.realengine import directions

MARKER = "AUTOTUNER_FORK_SERVER_TEST"


@pytest.fixture(scope="module")
def marker() -> Iterator[str]:
    """What tells this module's processes from all others: forks keep the environment of their server."""
    token = os.environ[MARKER] = secrets.token_hex(8)
    yield token
    del os.environ[MARKER]


def engines(marker: str) -> list[int]:
    """The processes of engines, their keepers among them."""
    found = processes.marked(MARKER, marker)
    return [process.pid for process in found if processes.title(process.pid) == ENGINE_TITLE]


def gone(marker: str, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while engines(marker) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not engines(marker)


def test_nothing_is_left_of_an_engine(marker: str, tmp_path: Path) -> None:
    write_model(tmp_path / "tiny")
    with directions.fork_server(tmp_path) as path:
        process, _ = directions.start(path, tmp_path / "tiny", ())
        assert len(engines(marker)) >= 3, "a keeper, a server, a core and a worker"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, "it ends as it does by itself"
        assert gone(marker)

        process, _ = directions.start(path, tmp_path / "tiny", ())
        process.kill()
        process.wait()
        assert gone(marker), "a killed client takes all with it"

        refused = directions.command(path, tmp_path / "tiny", 8000, ("--enable-turbo",))
        assert subprocess.run(**refused).returncode == 2, "the exit code is the engine's"

        process, _ = directions.start(path, tmp_path / "tiny", ())
    assert gone(marker), "a killed server takes all with it"
    assert process.wait(10) != 0
