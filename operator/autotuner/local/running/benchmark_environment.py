"""The benchmark's environment, which cannot be that of this program: a clone's own, else made on first use."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import autotuner
from autotuner import __version__

_PACKAGE = Path(autotuner.__file__).parent
_CLONE = _PACKAGE.parents[1]
_LOCK = _PACKAGE / "data" / "benchmark-requirements.txt"
_NEEDED_BYTES = 1_500_000_000


class NoBenchmarkEnvironmentError(Exception):
    """It cannot be made; the text says why and what to do."""


def python(tell: Callable[[str], None]) -> Path:
    """The Python of the benchmark's environment, which is made if it is missing.

    Args:
        tell: told what takes long.

    Raises:
        NoBenchmarkEnvironmentError: it cannot be made.
    """
    own = _CLONE / ".venv-benchmark" / "bin" / "python"
    if own.exists() and (_CLONE / "pyproject.toml").exists():
        return own
    if not _LOCK.exists():
        words = f"there is neither {own} nor {_LOCK}"
        raise NoBenchmarkEnvironmentError(f"{words}; in a clone run `make setup`, else install the wheel again")
    folder = _cache() / f"benchmark-{__version__}-{_identity()}"
    found = folder / "bin" / "python"
    if not (folder / "ok").exists():
        _make(folder, tell)
    return found


def _identity() -> str:
    """Of what the environment is made of: the lock, the package, the Python."""
    content = hashlib.sha256(_LOCK.read_bytes() + sys.version.encode())
    for path in sorted(_PACKAGE.rglob("*.py")):
        content.update(path.read_bytes())
    return content.hexdigest()[:12]


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "autotuner"


def _make(folder: Path, tell: Callable[[str], None]) -> None:
    """Make it beside its place and move it there once it is whole; venvs find themselves by their scripts' paths."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder.parent).free
    if free < _NEEDED_BYTES:
        words = f"the benchmark's environment needs {_NEEDED_BYTES / 1e9:.1f} GB in {folder.parent}"
        raise NoBenchmarkEnvironmentError(f"{words}, and {free / 1e9:.1f} GB are free; set XDG_CACHE_HOME elsewhere")
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv")
    tell(f"making the benchmark's environment in {folder}, once, with {'uv' if uv else 'pip'}: 730 MB")
    interpreter = str(folder / "bin" / "python")
    if uv:
        _call([uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
        _call([uv, "pip", "sync", "--quiet", "--python", interpreter, "--require-hashes", str(_LOCK)])
    else:
        _call([sys.executable, "-m", "venv", str(folder)])
        pip = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _call([*pip, "--require-hashes", "--no-deps", "-r", str(_LOCK)])
    tell("the benchmark's environment is there")
    site = next((folder / "lib").glob("python*/site-packages"))
    shutil.copytree(_PACKAGE, site / "autotuner", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    (folder / "ok").touch()


def _call(words: list[str]) -> None:
    with tempfile.TemporaryFile() as output:
        code = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output).returncode  # noqa: S603
        if code:
            output.seek(0)
            told = output.read().decode(errors="replace").strip()[-2000:]
            raise NoBenchmarkEnvironmentError(f"`{' '.join(words)}` ended with {code}:\n{told}")
