"""The operator as a process beside a cluster, for tests and the demo."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[1]
_LIBC = ctypes.CDLL(None)


def _die_with_parent() -> None:
    _LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Operator:
    """`python -m autotuner.main` against one cluster.

    Start it from the main thread: it is killed when the thread that started it ends, however that ends.

    Args:
        kubeconfig: of the cluster.
        log_path: where its log goes, one JSON object per line; a restarted one appends.
        env: further AUTOTUNER_* settings.
        outlive: let it go on when this process ends; whoever wants that must stop it another way.
        module: what is run.
    """

    def __init__(
        self,
        kubeconfig: Path,
        log_path: Path,
        env: Mapping[str, str] | None = None,
        *,
        outlive: bool = False,
        module: str = "autotuner.main",
    ) -> None:
        self._outlive, self._module = outlive, module
        self.log_path = log_path
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AUTOTUNER_", "KUBE"))}
        # The client unpacks keys into files, which a killed operator leaves behind: they go with its log.
        surroundings = {"KUBECONFIG": str(kubeconfig), "TMPDIR": str(log_path.parent)}
        self._environment = {**inherited, **surroundings, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.terminate()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def signal(self, number: int) -> None:
        """Sends it a signal, for example SIGSTOP, as a machine that stalls does."""
        assert self._process is not None, "it was never started"
        self._process.send_signal(number)

    def wait(self, seconds: float = 10) -> int:
        """Waits for its end; returns its exit code."""
        assert self._process is not None, "it was never started"
        return self._process.wait(seconds)

    def start(self) -> None:
        """Starts it; it may not work yet when this returns."""
        assert not self.alive, "it runs already"
        with self.log_path.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                start_new_session=True,  # a terminal's Ctrl-C is for those who started it
                preexec_fn=None if self._outlive else _die_with_parent,
            )

    def kill(self) -> None:
        """Kills it, as a node that fails does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self, seconds: float = 10) -> int:
        """Asks it to end; returns its exit code.

        Raises:
            AssertionError: it did not end in time and was killed.
        """
        assert self._process is not None, "it was never started"
        self._process.terminate()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the operator did not end within {seconds} s of SIGTERM") from None

    def sample(self, series: str) -> float | None:
        """A metric's value now; None if there is none, or nobody answers. It needs AUTOTUNER_METRICS_PORT."""
        url = f"http://127.0.0.1:{self._environment['AUTOTUNER_METRICS_PORT']}/metrics"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                text = answer.read().decode()
        except OSError:
            return None
        lines = [line for line in text.splitlines() if line.startswith(f"{series} ")]
        return float(lines[0].split()[-1]) if lines else None

    @property
    def resident_bytes(self) -> int:
        """Its resident memory now."""
        assert self._process is not None, "it was never started"
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def log(self) -> list[dict[str, Any]]:
        """The lines of its log so far; one that is no JSON object (a traceback before logging began) as a message."""
        return [_entry(line) for line in self.log_path.read_text(errors="replace").splitlines()]

    def errors(self) -> list[dict[str, Any]]:
        """What it logged as errors: failed passes and whatever else was not foreseen."""
        return [entry for entry in self.log() if entry.get("level") not in ("debug", "info", "warning")]


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    return entry if isinstance(entry, dict) else {"message": line}
