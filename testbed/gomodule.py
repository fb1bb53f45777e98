"""Go modules of the testbed and the tests, built once into a cache under a name that says what they were built from."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


class SetupError(Exception):
    """Something that the testbed needs is not there; the message says what to do."""


def cache_folder() -> Path:
    """Returns the folder for what outlives a testbed, and makes it."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "autotuner"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keeps other processes of this machine out until the block is left."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class GoModule:
    """A Go module; what its programs are built from.

    Args:
        folder: the module's. All its Go files, the module file and its sums decide about the result.
        linker_flags: of ``go build``. All modules are built with the same other flags, so that they share packages.
        module_file: in the folder; another one than ``go.mod`` builds the same sources from other modules.
    """

    folder: Path
    linker_flags: str = "-s -w"
    module_file: str = "go.mod"

    def build(self, name: str, title: str, *, package: str = ".", instead: str = "") -> Path:
        """Returns the program (for the package ``tool``: the folder of programs); builds it where the cache has none.

        Args:
            name: how its name in the cache begins.
            title: what it is, for people who wait for it.
            package: what to build.
            instead: what else one can do who has no Go.

        Raises:
            SetupError: there is no Go, or the build failed.
        """
        go = shutil.which("go")
        if go is None:
            raise SetupError(
                f"`go` is not on PATH: {title} is built with it (https://go.dev/dl){', ' * bool(instead)}{instead}"
            )
        cache = cache_folder()
        result = cache / f"{name}-{self._key(go)}"
        if result.exists():
            return result
        with locked(cache / f"{name}.lock"):
            if not result.exists():
                self._compile(go, title, package, result)
        return result

    def _key(self, go: str) -> str:
        version = subprocess.run([go, "version"], cwd=self.folder, capture_output=True, text=True, check=True).stdout
        modules = self.folder / self.module_file
        sources = [modules, modules.with_suffix(".sum"), *sorted(self.folder.rglob("*.go"))]
        parts = [path.read_bytes() for path in sources if path.exists()]  # a module that needs no other has no go.sum
        return hashlib.sha256(b"\0".join([*parts, version.encode(), self.linker_flags.encode()])).hexdigest()[:16]

    def _compile(self, go: str, title: str, package: str, result: Path) -> None:
        print(f"building {title}; this happens once and may take minutes ...", file=sys.stderr, flush=True)
        unfinished = result.with_suffix(f".{os.getpid()}")
        output = f"{unfinished}/" if package == "tool" else str(unfinished)
        ended = subprocess.run(
            [
                *(go, "build", "-buildvcs=false", f"-modfile={self.module_file}"),
                *("-ldflags", self.linker_flags, "-o", output, package),
            ],
            cwd=self.folder,
            env={**os.environ, "CGO_ENABLED": "0"},
            check=False,
        )
        if ended.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.unlink(missing_ok=True)
            raise SetupError(f"{title} cannot be built: `go build` in {self.folder} ended with {ended.returncode}")
        unfinished.rename(result)
        print(f"built {title}", file=sys.stderr, flush=True)
