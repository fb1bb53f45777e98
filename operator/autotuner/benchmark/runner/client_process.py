"""The child process that holds genai-bench: starting it, talking to it, ending it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autotuner.benchmark.contract.spec import RunnerSpec

STOP_SECONDS = 2.0
_TAIL_BYTES = 2000


_CLIENT = "autotuner.benchmark.clients.genai_bench.main"


class ChildGoneError(Exception):
    """The child ended without having been told to."""


class Child:
    """genai-bench in a process group of its own; speaks as `entry` describes."""

    def __init__(self, spec: RunnerSpec, environment: Mapping[str, str]) -> None:
        self._output = spec.work_dir / "genai-bench.out"
        commands, self._commands = os.pipe()
        self._events, events = os.pipe()
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "autotuner.benchmark.clients.genai_bench.main",
                    *map(str, (commands, events, os.getpid())),
                ],
                pass_fds=(commands, events),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_child_environment(spec, environment),
                cwd=spec.work_dir,
                process_group=0,
            )
        os.close(commands)
        os.close(events)
        self._pending = b""

    def events(self, timeout: float) -> list[dict[str, Any]]:
        """What it said within so many seconds.

        Raises:
            ChildGoneError: it ended.
        """
        if not select.select([self._events], [], [], timeout)[0]:
            return []
        piece = os.read(self._events, 65536)
        if not piece:
            raise ChildGoneError(f"genai-bench ended with code {self._process.wait()}")
        *lines, self._pending = (self._pending + piece).split(b"\n")
        return [json.loads(line) for line in lines]

    def tell(self, **command: Any) -> None:
        """Send a command; a child that is gone shows in its events."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._commands, json.dumps(command).encode() + b"\n")

    def stop(self) -> None:
        """End its whole group; nothing that it still would do is wanted."""
        for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, None)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)

    def tail(self) -> str:
        """The end of what it printed."""
        with contextlib.suppress(OSError), self._output.open("rb") as output:
            output.seek(max(0, self._output.stat().st_size - _TAIL_BYTES))
            return output.read().decode(errors="replace")
        return ""


def _child_environment(spec: RunnerSpec, environment: Mapping[str, str]) -> dict[str, str]:
    """Everything is written below the work folder: the rest of the file system may be read-only."""
    folder = spec.work_dir
    for name in ("tmp", "cache"):
        _folder(folder / name)
    always = {
        "TMPDIR": str(folder / "tmp"),
        "MPLCONFIGDIR": str(folder / "cache"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "ENABLE_UI": "false",
        "GENAI_BENCH_LOGGING_LEVEL": "WARNING",
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    default = {
        "HF_HOME": str(folder / "cache" / "huggingface"),
        "HF_HUB_DOWNLOAD_TIMEOUT": "10",
        "HF_HUB_ETAG_TIMEOUT": "10",
    }
    if spec.tokenizer.source != "Hub":
        default["HF_HUB_OFFLINE"] = "1"
    return default | dict(environment) | always


def _folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
