"""Another revision of this project: a git worktree with environments of its own, below `.cache/revisions`.

The worktree lives as long as its benchmark; the environments are made from that revision's own locks and kept.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".cache" / "revisions"
UV = ROOT / ".cache" / "uv" / "bin" / "uv"
ENVIRONMENTS = (".venv", ".venv-benchmark")


@dataclass(frozen=True)
class Checkout:
    """A revision that can be run.

    Attributes:
        commit: its full name.
        tree: folder of its files; run its programs there.
    """

    commit: str
    tree: Path

    @property
    def python(self) -> Path:
        """Its own interpreter."""
        return self.tree / ".venv" / "bin" / "python"


@contextmanager
def checkout(revision: str, repository: Path = ROOT, folder: Path = FOLDER) -> Iterator[Checkout]:
    """Lend a revision until the block is left; several may have the same one, and the last one takes it away.

    Args:
        revision: anything that git knows as a commit.
        repository: the clone that has it.
        folder: where the revisions are kept.

    Raises:
        SystemExit: there is no such revision, or its environments cannot be made.
    """
    found = _git(repository, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", check=False)
    if found.returncode:
        raise SystemExit(f"{repository} has no revision {revision}; a shallow clone needs `git fetch --unshallow`")
    commit = found.stdout.strip()
    home = folder / commit
    home.mkdir(parents=True, exist_ok=True)
    tree = home / "tree"
    with (home / "in-use").open("w") as in_use:
        try:
            with _changing(home):
                # Nobody else uses it: what is there was left by one who was killed.
                if _alone(in_use):
                    _remove(repository, tree)
                    _git(repository, "worktree", "add", "--quiet", "--detach", str(tree), commit)
                    _furnish(tree, home)
                fcntl.flock(in_use, fcntl.LOCK_SH)
            yield Checkout(commit, tree)
        finally:
            with _changing(home):
                if _alone(in_use):
                    _remove(repository, tree)


@contextmanager
def _changing(home: Path) -> Iterator[None]:
    """Keep others from making or removing the worktree."""
    with (home / "changing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _alone(in_use: IO[str]) -> bool:
    """Whether nobody else has a share of the lock; then all of it is taken."""
    try:
        fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _furnish(tree: Path, home: Path) -> None:
    """Give it its environments; what a commit wants never changes, so they are made once."""
    for name in ENVIRONMENTS:
        (home / name).mkdir(exist_ok=True)
        (tree / name).symlink_to(home / name, target_is_directory=True)
    ready = home / "ready"
    if ready.exists():
        return
    if subprocess.run(["make", "--no-print-directory", "-C", str(tree), "setup", f"UV={UV}"]).returncode:
        raise SystemExit(f"{tree}: `make setup` failed")
    ready.touch()


def _remove(repository: Path, tree: Path) -> None:
    """Take the worktree away, from the folder and from the clone's list."""
    _git(repository, "worktree", "remove", "--force", str(tree), check=False)
    shutil.rmtree(tree, ignore_errors=True)


def _git(repository: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(repository), *words], check=check, capture_output=True, text=True)
