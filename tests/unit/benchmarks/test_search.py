from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.search import methods, paired, rival_runs, table
from tests.benchmarks.search.__main__ import main
from tests.benchmarks.search.fronts import volume
from tests.benchmarks.search.goals import Case, cases
from tests.benchmarks.search.runs import Run, play, walk
from tests.benchmarks.search.side_by_side import SideBySide
from tests.benchmarks.search.surfaces import Surface, load
from tests.benchmarks.search.task import Task

EXPERIMENTS = 8
LEVELS = (8, 32, 128)
MEMORY, REQUESTS, CHUNKS = (0.7, 0.8, 0.9), (16, 64, 256), (2048, 8192)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A grid of 18, of which those with the most memory and requests crash, and a pool of 12."""
    # The benchmark sets them for the processes that it starts.
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    figures = ("thr", "ttft", "ttft99", "tpot", "tpot99", "e2e")
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


def measured(memory: float, requests: int, chunk: int, level: int) -> tuple[float, ...]:
    running = min(requests, level)
    waiting = 50 * level / running * 8192 / chunk * (100 if memory == 0.7 else 1)
    decoding = 5 + running / 16
    return 100 * running**0.7, waiting, waiting, decoding, decoding, 1000 * level / running


@pytest.fixture
def surfaces(folder: Path) -> dict[str, Surface]:
    return {one.name: one for one in load(folder)}


@pytest.fixture
def grid_goals(surfaces: dict[str, Surface]) -> dict[str, Case]:
    return {one.name: one for one in cases(surfaces["sg-tiny-grid"])}


def test_it_prints_table_and_bars(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(
        [
            f"--surfaces={folder}",
            "--seeds=2",
            f"--experiments={EXPERIMENTS}",
            "--methods=bayesian,random",
            "--random-surfaces=2",
            "--jobs=1",
        ]
    )
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("60 runs: 2 seeds, 8 experiments")
    titles = [line.partition(" (")[0] for line in told]
    halves = ("random surfaces, chosen on", "random surfaces, reported")
    beside = ("grids, with 4 side by side", "pools, in batches of 8", "random surfaces, reported, with 8 side by side")
    for title in ("pool-tiny score", "sg-tiny-grid slo", "grids", "pools", *halves, *beside):
        assert title in titles, title
    assert "sg-tiny-grid, share of the front's hypervolume" in told
    assert [line.split("  ")[1] for line in told[told.index("bars, of bayesian") + 1 :]] == [
        "n5, grids",
        "hit: share of runs there at the end, grids",
        "hit: the worst grid and goal",
        "failures, grids",
        "n5, pools",
        "hit: pools",
        *(
            f"n5 {manner}, more than one by one, {kind}"
            for manner in ("with 4 side by side", "with 8 side by side", "in batches of 4", "in batches of 8")
            for kind in ("grids", "pools")
        ),
        "grids that end early, before 30",
        # How good those are that end early: so soon, none can.
        "surfaces and goals where it is later than random",
        "surfaces and goals where it is less often there than random",
        "n5 over all, as a share of the best rival's",
        "random surfaces: hit above the best rival's",
        "random surfaces: regret at 20, as a share of the best rival's",
    ]


def test_what_cannot_be_run_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong, said in (
        ([f"--surfaces={folder}", "--methods=tpa"], "--methods: there is no tpa; choose from bayesian,random,tpe"),
        ([f"--surfaces={folder}/none"], "--surfaces: no NAME.csv or NAME.csv.gz in"),
        ([f"--surfaces={folder}", "--only=huge"], "no surface has 'huge' in SURFACE/GOAL"),
        ([f"--surfaces={folder}", "--parallel=4,x"], "--parallel: 4,x is no list of numbers above 1, like 4,8"),
    ):
        with pytest.raises(SystemExit):
            main(wrong)
        assert said in capsys.readouterr().err


def test_without_their_libraries_the_others_run(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods, "available", lambda: ["bayesian", "random"])
    words = ["--seeds=1", "--experiments=2", "--methods=tpe,random", "--jobs=1", "--only=pool"]
    main([f"--surfaces={folder}", *words])
    out, err = capsys.readouterr()
    assert "without tpe: their libraries are not installed here; `make bench-rivals`" in err
    assert out.splitlines()[-1] == "no bars: bayesian was left out"


def test_a_run_ends_with_the_truth_about_what_it_recommends(grid_goals: dict[str, Case]) -> None:
    run = play("bayesian", grid_goals["thr"], 0, 16)
    assert run.regret <= 0.05
    assert 0 <= run.first <= 16
    assert run.failures <= 2
    assert run.repeats >= 4
    assert run.ms > 0
    assert len(run.curve) == 17


def test_it_ends_with_its_space(surfaces: dict[str, Surface]) -> None:
    run = play("random", cases(surfaces["pool-tiny"])[0], 0, 40)
    assert run.regret <= 0.05 * 2
    assert math.isnan(run.ms)


@pytest.mark.parametrize("together", [False, True])
def test_experiments_side_by_side_are_counted_as_they_end(grid_goals: dict[str, Case], together: bool) -> None:
    """A fixed order is measured in about that order, and to its end."""
    runs = [play("random", grid_goals["thr"], seed, 18, 4, together=together) for seed in range(6)]
    alone = [play("random", grid_goals["thr"], seed, 18) for seed in range(6)]
    assert {len(run.curve) for run in runs} == {18}  # the baseline is one of them
    assert all(abs(run.first - one.first) <= 6 for run, one in zip(runs, alone, strict=True))
    assert [run.first for run in runs] != [one.first for one in alone]
    assert any(run.first % 4 for run in runs)


class TestSideBySide:
    def begun(self, case: Case, places: int, seed: int = 0, *, together: bool) -> tuple[Task, SideBySide]:
        task = Task(case, np.random.default_rng(0))
        return task, SideBySide(task, places, seed, together=together)

    def begin(self, task: Task, places: SideBySide, *numbers: int) -> None:
        for number in numbers:
            found = task.case.surface.space.at(number)
            assert found is not None
            places.begin(task.begin("Search", found, None))

    def test_what_runs_is_pending_and_told_when_it_ends(self, grid_goals: dict[str, Case]) -> None:
        task, places = self.begun(grid_goals["thr"], 3, together=False)
        assert places.free == 3
        self.begin(task, places, 3, 7, 9)
        assert (places.free, len(task.pending), task.records()) == (0, 3, [])
        assert places.end_next()
        assert (places.free, len(task.pending), len(task.records())) == (1, 2, 1)
        assert not set(task.pending) & {record.configuration for record in task.records()}

    def test_together_all_end_before_others_begin(self, grid_goals: dict[str, Case]) -> None:
        task, places = self.begun(grid_goals["thr"], 2, together=True)
        self.begin(task, places, 3, 7)
        assert places.end_next()
        assert places.free == 0
        assert places.end_next()
        assert places.free == 2
        assert not places.end_next()

    def first(self, case: Case, seed: int, *numbers: int) -> int:
        """The number of the one that ends first."""
        task, places = self.begun(case, len(numbers), seed, together=False)
        self.begin(task, places, *numbers)
        places.end_next()
        return numbers[task.measured[0].index]

    def test_equal_ones_end_in_either_order(self, grid_goals: dict[str, Case]) -> None:
        assert {self.first(grid_goals["thr"], seed, 3, 5) for seed in range(12)} == {3, 5}

    def test_slow_ones_end_late_and_crashes_early(self, grid_goals: dict[str, Case]) -> None:
        case = grid_goals["thr"]
        rows = [case.surface.row(found) for number in range(18) if (found := case.surface.space.at(number))]
        crash = next(number for number in range(18) if case.surface.failed[rows[number]])
        assert all(self.first(case, seed, 3, crash) == crash for seed in range(4))
        case.surface.columns[f"e2e_c{LEVELS[-1]}"][rows[3]] *= 100
        assert all(self.first(case, seed, 3, 5) == 5 for seed in range(12))


def test_what_a_grid_leaves_out_failed(folder: Path) -> None:
    file = folder / "sg-tiny-grid.csv"
    file.write_text("".join(line for line in file.read_text().splitlines(True) if not line.startswith("0.7,16,")))
    case = cases(next(one for one in load(folder) if one.name == "sg-tiny-grid"))[0]

    run = play("random", case, seed=0, experiments=18)
    assert run.failures >= 3
    assert run.regret <= 0.05


def test_limits_are_hard(grid_goals: dict[str, Case]) -> None:
    """What breaks the limits at every level is worth nothing, however fast it is; one that keeps them is the best."""
    case = grid_goals["slo"]
    reachable = case.regret[case.surface.reachable]
    assert np.isinf(reachable).any()
    assert np.isfinite(reachable).any()
    assert -0.1 < reachable.min() <= 0


def test_the_search_is_told_levels_and_rivals_what_came_nearest(grid_goals: dict[str, Case]) -> None:
    case = grid_goals["slo"]
    task = Task(case, np.random.default_rng(0))
    for number in range(18):
        found = case.surface.space.at(number)
        assert found is not None
        task.run("Search", found, None)
    outcomes = {record.outcome for record in task.records()}
    assert outcomes == {"value", "infeasible", "crash"}
    assert all(bool(record.levels) is (record.outcome != "crash") for record in task.records())
    assert {len(level.distances) for record in task.records() for level in record.levels} == {2}
    for record, told in zip(task.records(), task.told(), strict=True):
        assert bool(told.losses) is (record.outcome != "crash")
        assert (told.shortfall == 0) is (record.outcome == "value")


def test_a_ladder_ends_where_the_runner_would_end_it(grid_goals: dict[str, Case]) -> None:
    case = grid_goals["slo"]
    space, generator = case.surface.space, np.random.default_rng(0)
    ladders = [case.measure(found, generator, 0, None) for number in range(18) if (found := space.at(number))]
    assert {one.ladder for one in ladders} >= {"Complete", "StoppedSLO"}
    assert all(len(one.levels) < len(LEVELS) for one in ladders if one.ladder == "StoppedSLO")


def test_a_front_is_whole_when_everything_is_measured(grid_goals: dict[str, Case]) -> None:
    case = grid_goals["pareto"]
    run = walk("bayesian", case, 0, (2, 18))
    assert run.shares[1] == pytest.approx(1.0)
    assert 0 <= run.shares[0] <= 1
    assert case.share([]) == 0


@pytest.mark.parametrize(
    ("losses", "area"),
    [([], 0), ([(1, 1)], 4), ([(1, 2), (2, 1)], 3), ([(1, 2), (2, 1), (2, 2)], 3), ([(3, 0)], 0)],
)
def test_the_volume_of_a_front(losses: list[tuple[float, float]], area: float) -> None:
    assert volume(np.array(losses, dtype=float).reshape(-1, 2), np.array([3.0, 3.0])) == area


def run_of(first: float, regret: float = 0.0, **other: object) -> Run:
    given = {"method": "bayesian", "surface": "s", "goal": "thr", "seed": 0, "first": first, "regret": regret}
    return Run(**{**given, **other})  # type: ignore[arg-type]


def told_bars(*runs: Run) -> dict[str, table.Bar]:
    return {bar.what: bar for bar in table.bars(runs, 40)}


@pytest.mark.parametrize(
    ("what", "good", "bad"),
    [
        ("n5, grids", [run_of(7), run_of(8)], [run_of(8), run_of(9)]),
        ("n5, pools", [run_of(10, goal="score")], [run_of(11, goal="score")]),
        (
            "grids that end early, before 30",
            [run_of(7, ended=29.0, ended_regret=0.0), run_of(8)],
            [run_of(7, ended=30.0, ended_regret=0.0), run_of(8)],
        ),
        (
            "ended, and within 2 % of the whole search: grids",
            [run_of(7, 0.03, ended=9.0, ended_regret=0.05)],
            [run_of(7, 0.03, ended=9.0, ended_regret=0.06)],
        ),
        (
            "ended, and within 2 % of the whole search: pools",
            [run_of(7, math.inf, goal="score", ended=9.0, ended_regret=math.inf)],
            [run_of(7, 0.0, goal="score", ended=9.0, ended_regret=math.inf)],
        ),
        ("hit: pools", [run_of(1, 0.05, goal="score")], [run_of(1, 0.06, goal="score")]),
        (
            "hit: the worst grid and goal",
            [run_of(1), run_of(9, 0.04, goal="lat")],
            [run_of(1), run_of(9, 1, goal="lat")],
        ),
        ("hit: the worst needle", [run_of(1, near=0.001), run_of(1, 2, near=0.001)], [run_of(1, 2, near=0.001)]),
        ("failures, grids", [run_of(1, failures=2)], [run_of(1, failures=3)]),
    ],
)
def test_a_bar_is_missed_by_a_little_too_much(what: str, good: list[Run], bad: list[Run]) -> None:
    assert told_bars(*good)[what].met
    assert not told_bars(*bad)[what].met


@pytest.mark.parametrize(
    ("how", "together"), [("with 4 side by side", False), ("in batches of 4", True), ("with 8 side by side", False)]
)
def test_side_by_side_is_compared_with_the_same_kind(how: str, together: bool) -> None:
    places = 8 if "8" in how else 4
    alone = [run_of(8), run_of(30, goal="score")]
    beside = [
        run_of(first, math.nan, batch=places, together=together, goal=goal)
        for first, goal in ((9, "thr"), (32, "score"))
    ]
    told = told_bars(*alone, *beside)
    grids, pools = (told[f"n5 {how}, more than one by one, {kind}"] for kind in ("grids", "pools"))
    assert (grids.value, pools.value) == (1, 2)
    assert grids.met
    assert pools.met is (places == 8)


def test_each_run_side_by_side_is_told_against_the_same_one_by_one() -> None:
    alone = [run_of(first, seed=seed) for seed, first in enumerate((3, 9, math.inf))]
    beside = [run_of(first, math.nan, seed=seed, batch=4) for seed, first in enumerate((6, 9, 40))]
    lines = list(table.lines([*alone, *beside], 40))
    assert lines[lines.index("grids, with 4 side by side") + 2].split() == ["bayesian", "9.0", "+0.0", "+0.67"]


def of_seeds(method: str, firsts: list[float], **other: object) -> list[Run]:
    return [run_of(first, method=method, seed=seed, **other) for seed, first in enumerate(firsts)]


@pytest.mark.parametrize(
    ("ours", "theirs", "count"),
    [
        ([6.0] * 8, [4.0] * 8, 0),
        ([12.0] * 8, [4.0] * 8, 1),
        # Chance alone: later on one seed of eight.
        ([4.0] * 7 + [40.0], [4.0] * 8, 0),
        ([math.inf] * 8, [4.0] * 8, 1),
        ([math.inf] * 8, [math.inf] * 8, 0),
    ],
)
def test_later_than_a_rival_is_what_the_seeds_prove(ours: list[float], theirs: list[float], count: int) -> None:
    told = told_bars(*of_seeds("bayesian", ours), *of_seeds("tpe", theirs))
    assert told["surfaces and goals where it is later than tpe"].value == count


def test_less_often_there_than_a_rival_is_what_the_seeds_prove() -> None:
    there, away = [run_of(1, seed=seed) for seed in range(10)], [run_of(1, 0.5, seed=seed) for seed in range(10)]
    assert paired.seldomer(list(zip(away, there, strict=True)))
    assert not paired.seldomer(list(zip([*there[:9], away[9]], there, strict=True)))


def test_random_surfaces_are_compared_where_the_best_rival_is_not_nearly_always_there() -> None:
    curve = (0.4,) * 41
    ours = [run_of(1, surface=f"random-{seed:03}", seed=seed, curve=(0.1,) * 41) for seed in range(4)]
    theirs = [
        run_of(1, 0.0 if seed < 2 else 0.4, method="tpe", surface=f"random-{seed:03}", seed=seed, curve=curve)
        for seed in range(4)
    ]
    told = told_bars(*ours, *theirs)
    assert told["random surfaces: hit above the best rival's"].value == pytest.approx(0.5)
    assert told["random surfaces: regret at 20, as a share of the best rival's"].value == pytest.approx(0.25)


def test_a_search_that_never_gets_there_is_told_as_such() -> None:
    told = list(table.lines([run_of(math.inf, math.inf, failures=3, ms=4.0, curve=(math.inf,) * 41)], 40))
    assert told[2].split() == ["bayesian", ">", "40", "0.0%", "100.0%", "fails", "3.0", "0.0", "0%", "4.0"]


def test_runs_of_rivals_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rival_runs, "version", lambda library: "1.2")
    file = tmp_path / "runs.jsonl.gz"
    old = run_of(math.inf, math.inf, method="tpe", curve=(math.inf, 0.25), ms=math.nan, shares=())
    rival_runs.save([old, run_of(3)], file)
    assert [repr(one) for one in rival_runs.load(file)] == [repr(old)]
    new = run_of(5, method="tpe", curve=(0.5,))
    rival_runs.save([new, run_of(7, method="smac", seed=3)], file)
    assert [(run.method, run.first) for run in rival_runs.load(file)] == [("smac", 7.0), ("tpe", 5.0)]
    assert rival_runs.load(tmp_path / "none") == []


@pytest.mark.parametrize("moved", [False, True])
def test_kept_runs_that_began_elsewhere_are_left_out(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, moved: bool
) -> None:
    kept = []
    for surface in load(folder):
        for case in cases(surface):
            run = walk("random", case, 0, (1, 2)) if case.name == "pareto" else play("random", case, 0, 2)
            start = 0.5 if moved and case.name == "lat" else next(iter(run.curve), 0.0)
            curve = tuple(round(one, 4) for one in (start, *run.curve[1:]))
            kept.append(replace(run, method="tpe", curve=curve if run.curve else ()))
    monkeypatch.setattr(rival_runs, "load", lambda: kept)

    words = ["--seeds=1", "--experiments=2", "--methods=random", "--jobs=1", "--random-surfaces=0"]
    main([f"--surfaces={folder}", *words])

    out, err = capsys.readouterr()
    told = {title: "  tpe  " in block for title, block in blocks(out).items()}
    assert told["pool-tiny score"]
    assert {told[f"sg-tiny-grid {goal}"] for goal in ("thr", "slo", "lat")} == {not moved}
    assert told["sg-tiny-grid, share of the front's hypervolume"] is not moved
    assert ("sg-tiny-grid: kept runs of rivals began at another baseline" in err) is moved


def blocks(out: str) -> dict[str, str]:
    """Title, without what is near the best -> the lines below it."""
    found: dict[str, str] = {}
    for line in out.splitlines():
        if not line.startswith(" "):
            title = line.partition(" (")[0]
        found[title] = found.get(title, "") + line
    return found
