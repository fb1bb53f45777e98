"""A simulated engine as a process, and genai-bench against it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-benchmark" / "bin" / "python"
GENAI_BENCH = ROOT / ".venv-benchmark" / "bin" / "genai-bench"
TOKENIZER = ROOT / "operator" / "autotuner" / "benchmark" / "clients" / "tokenizer"
MODEL_PATH = "/models/llama-3-2-1b-instruct"
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def command(dialect: str, port: int, *flags: str) -> list[str]:
    path = "--model-path" if dialect == "sglang" else "--model"
    fixed = ["--host", "127.0.0.1", "--port", str(port), path, MODEL_PATH, "--served-model-name", "model"]
    return [str(PYTHON), "-m", "autotuner.simulator", "--dialect", dialect, *fixed, *flags]


@dataclass
class Simulated:
    """A running simulated engine."""

    process: subprocess.Popen[str]
    url: str

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        return self._open(urllib.request.Request(self.url + path, method=method))

    def post(self, path: str, body: dict[str, Any], **headers: str) -> tuple[int, str]:
        data = json.dumps(body).encode()
        return self._open(
            urllib.request.Request(self.url + path, data, {"Content-Type": "application/json", **headers})
        )

    def wait(self, timeout: float = 10.0) -> tuple[int, str]:
        """The exit code and what the engine logged."""
        _, log = self.process.communicate(timeout=timeout)
        return self.process.returncode, log

    def _open(self, request: urllib.request.Request) -> tuple[int, str]:
        try:
            with DIRECT.open(request, timeout=10) as response:
                return int(response.status), response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


@contextmanager
def simulator(*flags: str, dialect: str = "sglang", healthy: bool = True) -> Iterator[Simulated]:
    """Start an engine and, unless told otherwise, wait until it is healthy; stop it in the end."""
    port = free_port()
    process = subprocess.Popen(command(dialect, port, *flags), stderr=subprocess.PIPE, text=True)
    engine = Simulated(process, f"http://127.0.0.1:{port}")
    try:
        wait_for_status(engine, 200 if healthy else None)
        yield engine
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for_status(engine: Simulated, status: int | None, seconds: float = 15.0) -> None:
    """Wait until /health answers with this status; None: until it answers at all or the engine has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if (found := engine.get("/health")[0]) == status or status is None:
                return
        except OSError:
            found = 0
        if engine.process.poll() is not None:
            if status is None:
                return
            raise AssertionError(f"the engine ended: {engine.wait()}")
        time.sleep(0.02)
    raise AssertionError(f"no status {status} within {seconds} s, the last was {found}")


def genai_bench(
    url: str, folder: Path, scenario: str, concurrency: Sequence[int], requests: int, minutes: int = 2
) -> dict[int, dict[str, Any]]:
    """Run genai-bench's ladder; returns its level files by concurrency.

    The process is stopped once the last level is on disk: spreadsheets and plots take longer than short levels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    levels = [argument for level in concurrency for argument in ("--num-concurrency", str(level))]
    arguments = [
        *(str(GENAI_BENCH), "benchmark", "--api-backend", "sglang", "--api-base", url, "--api-key", "none"),
        *("--api-model-name", "model", "--model-tokenizer", str(TOKENIZER), "--task", "text-to-text"),
        *("--max-time-per-run", str(minutes), "--max-requests-per-run", str(requests)),
        *("--experiment-base-dir", str(folder), "--experiment-folder-name", "run", "--log-dir", str(folder / "log")),
        *levels,
        *("--traffic-scenario", scenario, "--metrics-refresh-interval", "1000"),
    ]
    quiet = {"ENABLE_UI": "false", "HF_HUB_OFFLINE": "1", "GENAI_BENCH_LOGGING_LEVEL": "WARNING"}
    environment = os.environ | quiet | {"TMPDIR": str(folder), "MPLCONFIGDIR": str(folder), "NO_PROXY": "127.0.0.1"}
    with (folder / "output.txt").open("w") as output:
        process = subprocess.Popen(
            arguments, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            deadline = time.monotonic() + 60 * minutes * len(levels)
            while len(found := _levels(folder / "run")) < len(concurrency):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"{len(found)} levels only: {(folder / 'output.txt').read_text()[-2000:]}")
                time.sleep(0.2)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return found


def _levels(folder: Path) -> dict[int, dict[str, Any]]:
    levels: dict[int, dict[str, Any]] = {}
    for path in folder.glob("*_num_concurrency_*.json"):
        try:
            level = json.loads(path.read_text())
        except json.JSONDecodeError:  # still being written
            continue
        levels[level["aggregated_metrics"]["num_concurrency"]] = level
    return levels
