"""Which flag moves throughput, TTFT and TPOT which way on the real vLLM: `python -m tests.realengine.directions`.

Each setting is measured against the base in turns, so that what the machine does meanwhile meets both. On two cores
equal runs differ by up to 1.7 times, so smaller ratios tell no direction.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.vllm_cpu import FORK_SERVER, environment
from testbed.vllm_cpu.model import write_model

ROUNDS = 2
NOISE = 1.7  # equal runs on two cores differ by as much


@dataclass(frozen=True)
class Load:
    """Users that send requests one after the other; sizes in tokens, which are bytes."""

    prompt: int
    common: int
    output: int
    users: int
    requests: int


@dataclass(frozen=True)
class Figures:
    """What users saw: output tokens per second of all, mean seconds to the first token and between tokens."""

    throughput: float
    ttft: float
    tpot: float


LOADS = {
    "chat": Load(200, 0, 40, 16, 32),
    "shared": Load(1500, 1400, 20, 16, 32),
    "long": Load(1500, 0, 20, 4, 8),
}
SETTINGS = (
    ("chat", ("--max-num-seqs=2",)),
    ("shared", ("--no-enable-prefix-caching",)),
    ("shared", ("--block-size=2048",)),
    ("long", ("--max-num-batched-tokens=64", "--max-num-seqs=32")),
)


@dataclass(frozen=True)
class Direction:
    """What a setting did to a figure: the ratio of its mean to the base's over all runs."""

    load: str
    flags: tuple[str, ...]
    metric: str
    real: float


# Measured with vLLM 0.32.0 on two cores: base 350 to 616 tokens per second with a TTFT of 370 to 461 ms (chat, four
# runs) and 292 to 300 with 670 to 683 (shared); settings 129 to 214 with 2,242 to 4,063 (chat) and 99 with 1,332, and
# 98 instead of 20 ms per token (shared). Batches of 64 tokens, larger blocks, graphs and asynchronous scheduling stayed
# within the noise: a model this small is bound by the steps, not by what they compute.
DIRECTIONS = (
    Direction("chat", ("--max-num-seqs=2",), "throughput", 0.36),
    Direction("chat", ("--max-num-seqs=2",), "ttft", 7.6),
    Direction("shared", ("--no-enable-prefix-caching",), "throughput", 0.33),
    Direction("shared", ("--no-enable-prefix-caching",), "ttft", 1.97),
    Direction("shared", ("--no-enable-prefix-caching",), "tpot", 4.9),
)


@contextlib.contextmanager
def fork_server(folder: Path) -> Iterator[Path]:
    """A process that has imported vLLM; gives its socket."""
    home, path = environment.build(), folder / "engines.socket"
    surroundings = {**os.environ, **environment.variables(home), "LD_PRELOAD": environment.preloaded(home)}
    words = [str(home / "bin" / "python"), str(FORK_SERVER), str(path)]
    process = subprocess.Popen(words, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line == "ready\n":
                break
        yield path
    finally:
        process.kill()
        process.communicate()


def command(path: Path, model: Path, port: int, flags: Sequence[str]) -> dict[str, Any]:
    """What `subprocess` needs to run an engine of the fork server."""
    home = environment.folder()
    variables = {
        **environment.variables(home),
        "PATH": f"{FORK_SERVER.parent / 'bin'}:{home / 'bin'}:/usr/bin:/bin",
        "TESTBED_VLLM_SOCKET": str(path),
        "VLLM_CPU_KVCACHE_SPACE": "1",
    }
    words = [
        *(str(FORK_SERVER.parent / "bin" / "python3"), "-m", "vllm.entrypoints.openai.api_server"),
        *("--host=127.0.0.1", f"--port={port}", f"--model={model}", "--served-model-name=model"),
        *("--load-format=dummy", "--enforce-eager", *flags),
    ]
    return {"args": words, "env": variables, "cwd": model, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def start(path: Path, model: Path, flags: Sequence[str]) -> tuple[subprocess.Popen[bytes], int]:
    """Start an engine with these flags; returns its client and its port once it answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    process = subprocess.Popen(**command(path, model, port, flags))
    deadline = time.monotonic() + 180
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise RuntimeError(f"the engine did not start with {' '.join(flags)}")
        time.sleep(0.2)
    return process, port


@contextlib.contextmanager
def engine(path: Path, model: Path, flags: Sequence[str]) -> Iterator[int]:
    """An engine with these flags; gives the port on which it answers."""
    process, port = start(path, model, flags)
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def measure(port: int, load: Load, seed: str) -> Figures:
    """Run one load after a short one that warms the engine up."""
    with ThreadPoolExecutor(load.users) as users:
        list(users.map(lambda number: _complete(port, load, f"{seed}/warm/{number}"), range(load.users)))
        begun = time.monotonic()
        times = list(users.map(lambda number: _complete(port, load, f"{seed}/{number}"), range(load.requests)))
        took = time.monotonic() - begun
    return Figures(
        load.requests * load.output / took,
        statistics.mean(first for first, _ in times),
        statistics.mean((last - first) / (load.output - 1) for first, last in times),
    )


def _complete(port: int, load: Load, seed: str) -> tuple[float, float]:
    """Seconds to the first and to the last token of one request."""
    letters = "abcdefghijklmnopqrstuvwxyz "
    generator = random.Random(seed)
    own = "".join(generator.choice(letters) for _ in range(load.prompt - load.common))
    body = {
        "model": "model",
        "prompt": "".join(random.Random("common").choice(letters) for _ in range(load.common)) + own,
        "max_tokens": load.output,
        "ignore_eos": True,
        "stream": True,
        "temperature": 0,
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    begun = time.monotonic()
    connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    moments = [time.monotonic() for line in connection.getresponse() if line.startswith(b"data: {")]
    connection.close()
    return moments[0] - begun, moments[-1] - begun


def main() -> None:
    """Print, for each setting and round, the figures of the base and of the setting, and their ratios."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_model(folder / "tiny")
        with fork_server(folder) as path:
            for name, flags in SETTINGS:
                for turn in range(ROUNDS):
                    figures = []
                    for chosen in ((), flags):
                        with engine(path, folder / "tiny", chosen) as port:
                            figures.append(measure(port, LOADS[name], f"{turn}"))
                    base, changed = figures
                    ratios = {
                        metric: round(getattr(changed, metric) / getattr(base, metric), 2)
                        for metric in ("throughput", "ttft", "tpot")
                    }
                    print(json.dumps({"load": name, "flags": flags, "base": str(base), **ratios}), flush=True)


if __name__ == "__main__":
    main()
