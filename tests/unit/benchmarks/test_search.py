from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from autotuner.search.experiment_record import Record
from tests.benchmarks.search import methods, table
from tests.benchmarks.search.__main__ import main
from tests.benchmarks.search.fronts import Trade, volume
from tests.benchmarks.search.goals import Goal, goals
from tests.benchmarks.search.runs import Run, play, walk
from tests.benchmarks.search.surfaces import Surface, load

EXPERIMENTS = 8
LEVELS = (8, 32, 128)
MEMORY, REQUESTS, CHUNKS = (0.7, 0.8, 0.9), (16, 64, 256), (2048, 8192)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A grid of 18, of which those with the most memory and requests crash, and a pool of 12."""
    # The benchmark sets them for the processes that it starts.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    figures = ("thr", "ttft99", "tpot99", "e2e")
    header = [f"{figure}_c{level}" for level in LEVELS for figure in figures]
    lines = [",".join(["mem-fraction-static", "max-running-requests", "chunked-prefill-size", "status", *header])]
    for memory, requests, chunk in itertools.product(MEMORY, REQUESTS, CHUNKS):
        crashes = memory == 0.9 and requests == 256
        told = [str(one) for level in LEVELS for one in measured(memory, requests, chunk, level)]
        lines.append(
            ",".join(
                [str(memory), str(requests), str(chunk), "oom_start" if crashes else "ok"]
                + ([""] * len(told) if crashes else told)
            )
        )
    (tmp_path / "sg-tiny-grid.csv").write_text("\n".join(lines) + "\n")
    rows = [f"{gpu},{tp},ok,{-7 - tp / 10}" for gpu in ("h100", "h200") for tp in range(1, 7)]
    (tmp_path / "pool-tiny.csv").write_text("\n".join(["system,tp,status,score", *rows]) + "\n")
    return tmp_path


def measured(memory: float, requests: int, chunk: int, level: int) -> tuple[float, float, float, float]:
    running = min(requests, level)
    waiting = 50 * level / running * 8192 / chunk * (100 if memory == 0.7 else 1)
    return 100 * running**0.7, waiting, 5 + running / 16, 1000 * level / running


@pytest.fixture
def surfaces(folder: Path) -> dict[str, Surface]:
    return {one.name: one for one in load(folder)}


@pytest.fixture
def grid_goals(surfaces: dict[str, Surface]) -> dict[str, Goal]:
    return {one.name: one for one in goals(surfaces["sg-tiny-grid"])}


def test_it_prints_table_and_bars(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(
        [
            f"--surfaces={folder}",
            "--seeds=2",
            f"--experiments={EXPERIMENTS}",
            "--methods=bayesian,random",
            "--jobs=1",
        ]
    )
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("28 runs: 2 seeds, 8 experiments")
    for title in ("pool-tiny score", "sg-tiny-grid slo", "grids", "pools", "all", "grids, batches of 4"):
        assert title in told, title
    assert "sg-tiny-grid, share of the front's hypervolume" in told
    assert sum(line.startswith("  random") for line in told) == 4 + 3 + 2
    assert [line.split("  ")[1] for line in told[told.index("bars, of bayesian") + 1 :]] == [
        "n5, grids",
        "n5, pools",
        "hit: share of runs there at the end, all",
        "hit: grids alone",
        "failures, grids",
        "n5 in batches of 4, more than one by one, grids",
        "n5 in batches of 4, more than one by one, pools",
        "ms for a proposal",
    ]


def test_what_cannot_be_run_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong, said in (
        ([f"--surfaces={folder}", "--methods=tpa"], "--methods: there is no tpa; choose from bayesian,random,tpe"),
        ([f"--surfaces={folder}/none"], "--surfaces, --only: no surface in"),
        ([f"--surfaces={folder}", "--only=huge"], "with 'huge' in SURFACE/GOAL"),
    ):
        with pytest.raises(SystemExit):
            main(wrong)
        assert said in capsys.readouterr().err


def test_without_optuna_the_others_run(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods, "find_spec", lambda name: None)
    main([f"--surfaces={folder}", "--seeds=1", "--experiments=2", "--methods=tpe,random", "--jobs=1", "--only=pool"])
    out, err = capsys.readouterr()
    assert "without tpe: Optuna is not installed here; `make bench-search`" in err
    assert out.splitlines()[-1] == "no bars: bayesian was left out"


def test_a_run_ends_with_the_truth_about_what_it_would_recommend(grid_goals: dict[str, Goal]) -> None:
    run = play("bayesian", grid_goals["thr"], 0, 16)
    assert run.regret <= 0.05
    assert 1 <= run.first <= 16
    assert run.failures <= 2
    assert run.ms > 0


def test_it_ends_with_its_space(surfaces: dict[str, Surface]) -> None:
    run = play("random", goals(surfaces["pool-tiny"])[0], 0, 40)
    assert run.regret <= 0.05 * 2
    assert math.isnan(run.ms)


def test_experiments_of_a_batch_are_counted_one_by_one(grid_goals: dict[str, Goal]) -> None:
    firsts = {play("random", grid_goals["thr"], seed, 16, 4, whole=False).first for seed in range(8)}
    assert firsts == {play("random", grid_goals["thr"], seed, 16, whole=False).first for seed in range(8)}
    assert any(first % 4 for first in firsts)


def test_what_a_grid_leaves_out_failed(folder: Path) -> None:
    file = folder / "sg-tiny-grid.csv"
    file.write_text("".join(line for line in file.read_text().splitlines(True) if not line.startswith("0.7,16,")))
    goal = goals(next(one for one in load(folder) if one.name == "sg-tiny-grid"))[0]

    run = play("random", goal, seed=0, experiments=18)
    assert (run.failures, run.regret) == (4, 0.0)


def test_the_luckiest_is_feasible(surfaces: dict[str, Surface]) -> None:
    one, other = (surfaces["pool-tiny"].space.at(number) for number in (0, 1))
    records = [Record(one, "value", (5.0,)), Record(other, "infeasible", shortfall=0.1, softened=(9.0,))]
    assert methods.luckiest(records, True) == one
    assert methods.luckiest(records[1:], True) is None


def test_rules_of_slos_are_told_softly(grid_goals: dict[str, Goal]) -> None:
    goal = grid_goals["slo"]
    space = goal.surface.space
    told = [goal.measure(found, np.random.default_rng(0)) for number in range(18) if (found := space.at(number))]
    assert {record.outcome for record in told} == {"value", "infeasible", "crash"}
    assert all(bool(record.softened) is (record.outcome != "crash") for record in told)
    assert all((record.shortfall > 0) is (record.outcome == "infeasible") for record in told)


def test_a_front_is_whole_when_everything_is_measured(surfaces: dict[str, Surface]) -> None:
    trade = Trade(surfaces["sg-tiny-grid"])
    run = walk("bayesian", trade, 0, (2, 18))
    assert run.shares[1] == pytest.approx(1.0)
    assert 0 <= run.shares[0] <= 1
    assert trade.share([]) == 0


@pytest.mark.parametrize(
    ("losses", "area"),
    [([], 0), ([(1, 1)], 4), ([(1, 2), (2, 1)], 3), ([(1, 2), (2, 1), (2, 2)], 3), ([(3, 0)], 0)],
)
def test_the_volume_of_a_front(losses: list[tuple[float, float]], area: float) -> None:
    assert volume(np.array(losses, dtype=float).reshape(-1, 2), np.array([3.0, 3.0])) == area


def run_of(first: float, regret: float = 0.0, **other: object) -> Run:
    return Run(**{"method": "bayesian", "surface": "s", "goal": "thr", "first": first, "regret": regret, **other})  # type: ignore[arg-type]


def test_a_bar_is_missed_by_one_too_many() -> None:
    told = {bar.what: bar.met for bar in table.bars([run_of(10), run_of(11), run_of(12, math.inf)])}
    assert told["n5, grids"] is False
    assert told["hit: grids alone"] is False
    told = {bar.what: bar.met for bar in table.bars([run_of(9), run_of(10), run_of(math.inf)])}
    assert told["n5, grids"] is True
    assert told["hit: grids alone"] is True


def test_batches_are_compared_with_the_same_kind() -> None:
    alone = [run_of(8), run_of(30, goal="score")]
    batches = [run_of(9, math.nan, batch=4), run_of(32, math.nan, batch=4, goal="score")]
    told = {bar.what: bar.value for bar in table.bars([*alone, *batches])}
    assert told["n5 in batches of 4, more than one by one, grids"] == 1
    assert told["n5 in batches of 4, more than one by one, pools"] == 2


def test_a_search_that_never_gets_there_is_told_as_such() -> None:
    told = list(table.lines([run_of(math.inf, math.inf, failures=3, ms=4.0)], 40))
    assert told[2].split() == ["bayesian", ">", "40", "0.0%", "fails", "3.0", "4.0"]
