from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.benchmarks import against
from tests.benchmarks.against import Result, main, ratio, report, report_answers, words
from tests.benchmarks.checkout import Checkout

CPU = "CPU seconds"


def pairs(*figures: tuple[float, float]) -> list[tuple[Result, Result]]:
    return [(Result({CPU: [ours]}), Result({CPU: [theirs]})) for ours, theirs in figures]


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ([(11, 10)], 1.1),
        ([(11, 10), (220, 200), (3, 1)], 1.1),  # a slow machine in the second round, an accident in the third
        ([(1, 0)], None),
        ([(1, float("inf"))], 0.0),
        ([(float("inf"), 1)], None),
        ([(float("inf"), float("inf"))], None),
    ],
)
def test_the_ratio_compares_what_ran_side_by_side(figures: list[tuple[float, float]], expected: float | None) -> None:
    assert ratio(pairs(*figures), CPU) == (None if expected is None else pytest.approx(expected))


def test_a_figure_of_one_side_has_no_ratio() -> None:
    assert ratio([(Result({CPU: [1]}), Result({})), (Result({}), Result({CPU: [1]}))], CPU) is None


@pytest.mark.parametrize(
    ("ours", "kept", "line"),
    [
        (10.5, True, f"{CPU:<21}     1       10.5         10   1.050  at most 1.05: kept"),
        (10.6, False, f"{CPU:<21}     1       10.6         10   1.060  at most 1.05: MISSED"),
    ],
)
def test_limits_of_ratios(ours: float, kept: bool, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(pairs((ours, 10)), "1201970", {CPU: 1.05}) is kept
    assert capsys.readouterr().out.splitlines()[1] == line


def test_a_limit_of_what_cannot_be_compared_is_missed() -> None:
    assert report([(Result({CPU: [1]}), Result({}))], "1201970", {CPU: 1.05}) is False


@pytest.mark.parametrize(
    ("ours", "theirs", "same", "said"),
    [
        ({"a": ["1", "2"]}, {"a": ["1", "2"]}, True, "answers: 2 in 1 cases, of which 0 differ"),
        ({"a": ["1", "2"]}, {"a": ["1", "3"]}, False, "a: number 2 is 2, was 3"),
        ({"a": ["1"]}, {"a": ["1", "3"]}, False, "a: there are 1, were 2"),
        ({"a": ["1"]}, {"a": ["1"], "b": []}, False, "answers: 1 cases were decided by one of the two only"),
        ({}, {}, True, ""),
    ],
)
def test_answers(
    ours: dict[str, list[str]],
    theirs: dict[str, list[str]],
    same: bool,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert report_answers(Result({}, True, ours), Result({}, True, theirs)) is same
    assert said in capsys.readouterr().out


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser()
    found.add_argument("--folder", type=Path, default=None)
    found.add_argument("--big-tasks", type=int, default=3)
    return found


def test_a_benchmark_writes_its_figures_down(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    for kept in (True, False):
        result = Result({CPU: [1.5]}, kept, {"a": ["1"]})
        assert main("latency", parser(), lambda _, result=result: result, [f"--json={file}"]) == (0 if kept else 1)
        assert Result(**json.loads(file.read_text())) == result


def test_the_other_revision_gets_all_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    options = argparse.Namespace(against="HEAD", rounds=2, same=True, json=None, big_tasks=3, folder=Path("x"))
    assert words(options) == ["--big-tasks=3", f"--folder={tmp_path}/x"]


def test_an_older_revision_is_asked_by_its_adapter(tmp_path: Path) -> None:
    python = str(tmp_path / ".venv" / "bin" / "python")
    adapter = str(against.ADAPTERS / "r1201970.py")
    assert against.command("space", Checkout("1201970" + 33 * "f", tmp_path)) == [python, adapter, "space"]
    with pytest.raises(SystemExit, match="revision fffffff cannot write its figures down"):
        against.command("space", Checkout(40 * "f", tmp_path))
    (tmp_path / "tests" / "benchmarks").mkdir(parents=True)
    (tmp_path / "tests" / "benchmarks" / "against.py").touch()
    assert against.command("space", Checkout(40 * "f", tmp_path)) == [python, "-m", "tests.benchmarks.space"]


BENCHMARK = """
import json, pathlib, sys
with open("{log}", "a") as log:
    log.write("{name} " + " ".join(sys.argv[1:-1]) + "\\n")
found = dict(figures=dict(seconds=[{seconds}]), kept=True, answers=dict(a=["{name}"]))
pathlib.Path(sys.argv[-1].removeprefix("--json=")).write_text(json.dumps(found))
"""


@pytest.mark.parametrize(
    ("more", "limit", "code"), [([], 2.0, 0), ([], 1.5, 1), (["--same"], 2.0, 1), (["--against=x", "--rounds=1"], 2, 0)]
)
def test_both_run_in_turns(
    more: list[str], limit: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    for name, seconds in (("this", 2), ("other", 1)):
        script = BENCHMARK.format(log=log, name=name, seconds=seconds)
        folder = tmp_path / name / "tests" / "benchmarks"
        folder.mkdir(parents=True)
        (folder / "against.py").touch()
        (folder / "space.py").write_text(script)
    (tmp_path / "other" / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / "other" / ".venv" / "bin" / "python").symlink_to(sys.executable)

    @contextmanager
    def lent(revision: str) -> Iterator[Checkout]:
        yield Checkout(40 * "a", tmp_path / "other")

    monkeypatch.setattr(against, "checkout", lent)
    monkeypatch.setattr(against, "ROOT", tmp_path / "this")
    monkeypatch.setattr(against.signal, "signal", lambda *_: None)
    arguments = ["--against=HEAD", "--rounds=3", *more]
    assert main("space", parser(), pytest.fail, arguments, limits={"seconds": limit}) == code
    order = ["this", "other", "other", "this", "this", "other"][: 2 if "--rounds=1" in more else 6]
    assert log.read_text().splitlines() == [f"{name} --big-tasks=3" for name in order]
