"""The benchmark's runner as its container would start it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotuner.benchmark.contract.result import Result, decode
from tests.e2e.simulated import PYTHON

KEY = "sk-very-secret-7391"


@dataclass
class BenchmarkRun:
    """A runner that was started in `folder`."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def log(self) -> str:
        return (self.folder / "log.txt").read_text()

    @property
    def result(self) -> Result:
        return decode((self.folder / "termination-log").read_text())

    @property
    def children(self) -> list[int]:
        """Processes that it started and that still run."""
        own = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in own.read_text().split()] if own.exists() else []

    def wait(self, seconds: float = 90) -> int:
        """Its exit code; the rest is in `result` and `log`."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s: {self.log}") from None

    def wait_for_line(self, words: str, seconds: float = 60) -> None:
        """Until it logged this."""
        self.wait_until(lambda: words in self.log, seconds)

    def wait_until(self, condition: Callable[[], Any], seconds: float = 60) -> None:
        """Until this holds, as long as it runs."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"it ended: {self.log}"
            assert time.monotonic() < deadline, f"not within {seconds} s: {self.log}"
            time.sleep(0.02)

    def stop(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)


def start_benchmark(
    folder: Path, url: str, environment: dict[str, str] | None = None, *, under: Sequence[str] = (), **changes: Any
) -> BenchmarkRun:
    """Start a runner with a spec of two short levels, changed as given (camelCase), perhaps under another program."""
    spec: dict[str, Any] = {
        "apiBase": url,
        "backend": "sglang",
        "cacheFlush": "/flush_cache",
        "scenarios": [{"name": "chat", "load": "N(120,30)/(20,5)"}],
        "concurrency": [2, 4],
        "maxMinutesPerLevel": 1,
        "maxRequestsPerLevel": 12,
        "tokenizer": {"source": "Builtin"},
        "seed": "6f1c",
        "startupSeconds": 60,
        "workDir": str(folder / "work"),
        **changes,
    }
    for name in ("home", "cwd"):
        (folder / name).mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(spec))
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "AUTOTUNER_BENCHMARK": json.dumps(spec),
        "AUTOTUNER_API_KEY": KEY,
        "TERMINATION_LOG": str(folder / "termination-log"),
        **(environment or {}),
    }
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [*under, str(PYTHON), "-B", "-m", "autotuner.benchmark.runner"],
            env=variables,
            cwd=folder / "cwd",
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return BenchmarkRun(process, folder)
