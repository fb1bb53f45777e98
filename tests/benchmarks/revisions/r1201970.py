"""The benchmarks of revision 1201970 under this revision's command lines, and their figures under its names.

Runs in that revision's folder and environment: `python r1201970.py BENCHMARK ARGUMENTS --json=FILE`. That revision
only prints, so what its own benchmarks compute is looked at on the way.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import io
import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path.cwd()))

FIGURES: dict[str, list[float]] = {}
ANSWERS: dict[str, list[str]] = {}


def watched(call: Callable[..., Any], look: Callable[..., None]) -> Callable[..., Any]:
    """A function that also shows its result, and then its arguments, to `look`."""

    def called(*args: Any, **named: Any) -> Any:
        result = call(*args, **named)
        look(result, *args)
        return result

    return called


def latency() -> int:
    from tests.benchmarks import latency as own

    measure = own.measure

    async def measured(bed: Any, experiments: int) -> Any:
        found = await measure(bed, experiments)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        FIGURES["operator, CPU seconds"] = [used.ru_utime + used.ru_stime]
        FIGURES["operator, peak memory in MiB"] = [used.ru_maxrss / 1024]
        return found

    def look(_: bool, rows: Sequence[tuple[str, list[float], float | None]]) -> None:
        FIGURES.update({title: values for title, values, _ in rows})

    own.measure = measured
    own.report = watched(own.report, look)
    return own.main()


def loaded(name: str) -> Any:
    """A module of the newer revision's benchmarks that needs nothing else of it."""
    spec = importlib.util.spec_from_file_location(f"tests.benchmarks.{name}", Path(__file__).parents[1] / f"{name}.py")
    assert spec is not None and spec.loader is not None, name
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def operator_cost() -> int:
    from tests.support.operator import Operator
    from tests.testbed import Testbed
    from tests.testbed.api import Api

    from tests.benchmarks import latency as own

    loaded("counting_proxy")
    counted = loaded("counted_task")
    experiments = int(next(one for one in sys.argv if one.startswith("--experiments=")).partition("=")[2])
    with Testbed.start() as bed:
        moments, requests = asyncio.run(counted.measure(bed, experiments, Api, Operator, own))
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    FIGURES.update(counted.figures(moments, requests, used.ru_utime + used.ru_stime))
    return 0


def takeover() -> int:
    from tests.benchmarks import takeover as own

    measure = own.measure

    async def measured(bed: Any, rounds: int, end: Any, title: str) -> list[float]:
        FIGURES[title] = await measure(bed, rounds, end, title)
        return FIGURES[title]

    own.measure = measured
    kept = asyncio.run(own.main(int(sys.argv[1].partition("=")[2])))
    return 0 if kept else 1


def simulator_lateness() -> int:
    from tests.benchmarks import simulator_lateness as own

    def look(found: dict[str, float], scenario: str, _: int) -> None:
        for quantile in ("0.5", "0.95", "0.99"):
            FIGURES.setdefault(f"{scenario}, quantile {quantile} in ms", []).append(found[quantile])

    own.measure = watched(own.measure, look)
    sys.argv[1:] = [sys.argv[1].partition("=")[2]]
    return own.main()


def space() -> int:
    from tests.benchmarks import space as own

    # It reads the clock, which counts what else the machine does.
    time.perf_counter = time.process_time
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        own.main()
    for line in printed.getvalue().splitlines()[1:]:
        print(line)
        if not line.startswith(" "):
            name, figures = line[:20].strip(), line[20:].split()
            ANSWERS[name] = [figures[0].replace(",", "")]
            for what, figure in zip(("build in ms", "at in us", "render in us"), figures[2:], strict=True):
                FIGURES[f"{name}, {what}"] = [float(figure)]
    return 0


def honesty() -> int:
    from tests.benchmarks.honesty import __main__ as own

    def look(shown: tuple[float, float, int], what: str, *_: Any) -> None:
        FIGURES[what] = [shown[0]]

    def played(_: bool, outcomes: Sequence[Any]) -> None:
        ANSWERS.update({f"task {one.task}": [repr(one)] for one in outcomes})

    own._show = watched(own._show, look)
    own._report = watched(own._report, played)
    code = own.main()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    FIGURES["CPU seconds of a task"] = [(used.ru_utime + used.ru_stime) / len(ANSWERS)]
    return code


def ladder() -> int:
    from tests.benchmarks.ladder import __main__ as own

    wanted: list[str] = []

    def asked(_: Any, surface: Any, name: str) -> None:
        wanted.append(f"{surface.name}/{name}")

    def replayed(outcome: Any, *_: Any) -> None:
        ANSWERS.setdefault(wanted[-1], []).append(repr(outcome))

    def look(_: Any, name: str, outcomes: Sequence[Any], __: float) -> None:
        if name in ("ceilings", "every"):
            FIGURES[f"{name}, saved"] = [own.saved(outcomes)]
            FIGURES["wrong ends"] = [sum(one.wrong for one in outcomes)]

    own.goal = watched(own.goal, asked)
    own.replay = watched(own.replay, replayed)
    own._row = watched(own._row, look)
    return own.main()


def search() -> int:
    from tests.benchmarks.search import __main__ as own

    def look(bars: Sequence[Any], runs: Sequence[Any]) -> None:
        FIGURES.update({bar.what: [bar.value] for bar in bars})
        ANSWERS.update(run.told for run in runs)

    # What that revision does not know.
    sys.argv[1:] = [one for one in sys.argv[1:] if not one.startswith(("--rivals", "--random-surfaces"))]
    own.jobs.run = told
    own.table.bars = watched(own.table.bars, look)
    return own.main()


def told(job: Any) -> Any:
    """One run of the search that also tells what it chose; called in processes of their own."""
    from tests.benchmarks.search import jobs, methods

    chosen: list[str] = []

    def proposed(found: Sequence[Any], *_: Any) -> None:
        chosen.extend(repr(one.pairs) for one in found)

    def preferred(found: Any, *_: Any) -> None:
        chosen.append(f"best: {found.pairs if found else found!r}")

    propose, incumbent = methods.Own.propose, methods.Own.incumbent
    methods.Own.propose, methods.Own.incumbent = watched(propose, proposed), watched(incumbent, preferred)
    try:
        run = jobs.run(job)
    finally:
        methods.Own.propose, methods.Own.incumbent = propose, incumbent
    case = f"{run.surface}/{run.goal}, {job.method}, batches of {job.batch}, seed {job.seed}"
    object.__setattr__(run, "told", (case, chosen))
    return run


def proposal_time() -> int:
    import os

    # numpy reads it when it is loaded.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    from made_up_records import SIZES, lengths, records

    from autotuner.api.parameters import SearchParameter
    from autotuner.search import Record, suggest
    from autotuner.search.space import Space

    def record(space: Any, one: Any) -> Any:
        configuration = space.build(one.places)
        if not one.worths:
            return Record(configuration, "crash")
        levels = [(worth, max(beyond)) for worth, beyond in zip(one.worths, one.beyond, strict=True)]
        softened = (max(worth / max(beyond, 1.0) ** 4 for worth, beyond in levels),)
        kept = [worth for worth, beyond in levels if beyond <= 1]
        if kept:
            return Record(configuration, "value", (max(kept),), softened=softened)
        shortfall = min(beyond for _, beyond in levels) - 1
        return Record(configuration, "infeasible", shortfall=shortfall, softened=softened)

    for parameters, count in SIZES:
        offered = [
            SearchParameter(name=f"size-{number}", values=[float(value) for value in range(1, length + 1)])
            if number % 3
            else SearchParameter(name=f"mode-{number}", choices=["x", "y", "z"])
            for number, length in enumerate(lengths(parameters))
        ]
        space = Space.over(offered, engine="Custom")
        told = [record(space, one) for one in records(parameters, count)]
        times = FIGURES.setdefault(f"ms with {count} records", [])
        for seed in range(int(sys.argv[1].partition("=")[2])):
            begun = time.process_time()
            suggest("Bayesian", space, told, [], 1, seed)
            times.append(1e3 * (time.process_time() - begun))
    return 0


BENCHMARKS = (latency, operator_cost, takeover, simulator_lateness, space, honesty, ladder, search, proposal_time)

if __name__ == "__main__":
    benchmark, *arguments, file = sys.argv[1:]
    sys.argv = [benchmark, *arguments]
    code = next(one for one in BENCHMARKS if one.__name__ == benchmark)()
    Path(file.removeprefix("--json=")).write_text(
        json.dumps({"figures": FIGURES, "kept": not code, "answers": ANSWERS})
    )
    sys.exit(code)
