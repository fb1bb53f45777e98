from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.benchmarks.checkout import checkout


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of two commits; `make setup` writes down that it ran."""
    folder = tmp_path / "clone"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "Makefile").write_text("setup:\n\techo $(UV) >> .venv/made\n")
    (folder / "word").write_text("first")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "one")
    (folder / "word").write_text("second")
    git(folder, "commit", "--quiet", "-am", "two")
    return folder


def worktrees(clone: Path) -> list[str]:
    return git(clone, "worktree", "list", "--porcelain").split("\n\n")


def test_a_revision_is_lent_and_its_environment_kept(clone: Path, tmp_path: Path) -> None:
    for _ in range(2):
        with checkout("HEAD~1", clone, tmp_path / "kept") as found:
            assert found.commit == git(clone, "rev-parse", "HEAD~1")
            assert (found.tree / "word").read_text() == "first"
            assert len((found.tree / ".venv" / "made").read_text().splitlines()) == 1
            assert len(worktrees(clone)) == 2
        assert not found.tree.exists()
        assert len(worktrees(clone)) == 1
        assert (found.tree.parent / ".venv" / "made").exists()
    assert git(clone, "status", "--porcelain") == ""


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_nothing_is_left_of_one_who_was_interrupted(clone: Path, tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), checkout("HEAD", clone, tmp_path / "kept"):
        raise error
    assert len(worktrees(clone)) == 1


@pytest.mark.parametrize("files_too", [True, False])
def test_what_one_who_was_killed_left_is_taken_away(clone: Path, tmp_path: Path, files_too: bool) -> None:
    commit = git(clone, "rev-parse", "HEAD")
    tree = tmp_path / "kept" / commit / "tree"
    git(clone, "worktree", "add", "--quiet", "--detach", str(tree), "HEAD~1")
    if files_too:
        subprocess.run(["rm", "-r", str(tree)], check=True)
    with checkout("HEAD", clone, tmp_path / "kept") as found:
        assert (found.tree / "word").read_text() == "second"
    assert len(worktrees(clone)) == 1


def test_the_last_one_takes_it_away(clone: Path, tmp_path: Path) -> None:
    with checkout("HEAD", clone, tmp_path / "kept") as one:
        with checkout("HEAD", clone, tmp_path / "kept") as other:
            assert one == other
        assert (one.tree / "word").exists()
    assert not one.tree.exists()


def test_what_is_no_revision_is_said(clone: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="has no revision HEAD~7"), checkout("HEAD~7", clone, tmp_path / "kept"):
        pass


def test_an_environment_that_cannot_be_made_leaves_nothing(clone: Path, tmp_path: Path) -> None:
    (clone / "Makefile").write_text("setup:\n\t@false\n")
    git(clone, "commit", "--quiet", "-am", "three")
    with pytest.raises(SystemExit, match="`make setup` failed"), checkout("HEAD", clone, tmp_path / "kept"):
        pass
    assert len(worktrees(clone)) == 1
