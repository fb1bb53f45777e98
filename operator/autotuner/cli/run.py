"""The command `run`: the tasks of files on this machine, without a cluster."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit, Option, echo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from autotuner.kubernetes_object import Object
    from autotuner.local.running.task_here import TaskHere
    from autotuner.local.running.tuning import Order, Outcome, Show

EXAMPLES = (
    "run task.yaml",
    "run --engine-python /usr/bin/python3 task.yaml",
    "run --parallel 2 --folder results task.yaml",
)

INVALID, UNREADABLE, FAILED, NO_GAIN, INTERRUPTED = 1, 2, 3, 4, 130


def run(
    files: Annotated[list[str], Argument(metavar="FILE", help="YAML with TuningTasks; - is standard input.")],
    parallel: Annotated[
        int | None, Option(min=1, max=64, help="Experiments side by side; by default what the file says.")
    ] = None,
    folder: Annotated[
        Path | None, Option(metavar="DIR", help="Where each run keeps its folder NAME.autotuner; by default here.")
    ] = None,
    engine_python: Annotated[
        Path | None,
        Option(metavar="PATH", help="The Python of an environment with the engine."),
    ] = None,
    require_gain: Annotated[
        bool, Option("--require-gain", help="Exit with 4 where no configuration is proved better than the baseline.")
    ] = False,
) -> None:
    """Tune on this machine, without a cluster.

    An engine that is installed runs as a process; so does the simulated one.

    Everything is kept in NAME.autotuner. Ctrl-C releases what runs; the same command goes on where it was.

    Exit code: 0 succeeded, 1 a spec is wrong, 2 a file, a folder or an environment cannot be used, 3 the task failed,
    4 see --require-gain, 130 interrupted. Of several tasks the first that is not 0 counts, and ends the run.
    """
    from autotuner.local.containers.finding import NoEngineError
    from autotuner.local.running.benchmark_environment import NoBenchmarkEnvironmentError
    from autotuner.local.running.kept_objects import DamagedFolderError
    from autotuner.local.running.run_folder import FolderInUseError
    from autotuner.local.running.tuning import ChangedTaskError

    unusable = (
        OSError,
        NoBenchmarkEnvironmentError,
        NoEngineError,
        FolderInUseError,
        DamagedFolderError,
        ChangedTaskError,
    )
    try:
        orders = _orders(files, parallel, (folder or Path()).absolute(), engine_python)
        codes = (_tuned(order, require_gain=require_gain) for order in orders)
        code = next((code for code in codes if code), 0)
    except unusable as problem:
        echo(f"autotuner: {problem}", err=True)
        raise Exit(UNREADABLE) from None
    if code:
        raise Exit(code)


def _orders(files: Sequence[str], parallel: int | None, folder: Path, engine_python: Path | None) -> Iterator[Order]:
    """What is to be tuned, in the order of the files.

    Raises:
        Exit: a file cannot be read, or a task cannot run here; all is told.
    """
    from autotuner.local.running import benchmark_environment, task_here

    tasks = [task_here.adapted(body, parallel) for body in _read(files)]
    for task in tasks:
        name = task.body["metadata"].get("name", "?")
        for note in task.notes:
            echo(f"{name}: {note}", err=True)
        for words in task.refused:
            echo(f"autotuner: {name}: {words}", err=True)
    if any(task.refused for task in tasks):
        raise Exit(INVALID)
    if engine_python is not None and not engine_python.exists():
        echo(f"autotuner: --engine-python: there is no {engine_python}", err=True)
        raise Exit(UNREADABLE)
    python = benchmark_environment.python(lambda words: echo(words, err=True))
    return (_order(task, folder, python, engine_python) for task in tasks)


def _read(files: Sequence[str]) -> Sequence[Object]:
    """The tasks of files; what else is in them is told."""
    from autotuner.cli.validate import INVALID as WRONG
    from autotuner.cli.validate import _presets, judge_files

    answer = judge_files(files, _presets(None), {})
    for one in answer.unreadable:
        echo(f"autotuner: {one.file}: {one.why}", err=True)
    if answer.unreadable:
        raise Exit(UNREADABLE)
    if answer.code == WRONG:
        echo(answer.text, nl=False, err=True)
        raise Exit(INVALID)
    bodies = [(one.file, one.document.body) for one in answer.checked]
    found = [body for _, body in bodies if body.get("kind") == "TuningTask"]
    for file, body in bodies:
        if body.get("kind") != "TuningTask":
            echo(f"{file}: {body.get('kind')} is left out: this runs TuningTasks", err=True)
    if not found:
        echo(f"autotuner: {', '.join(files)}: there is no TuningTask", err=True)
        raise Exit(UNREADABLE)
    return found


def _order(task: TaskHere, folder: Path, python: Path, engine_python: Path | None) -> Order:
    from autotuner import presets
    from autotuner.local.programs import Programs
    from autotuner.local.running.hub_cache import hub_cache
    from autotuner.local.running.run_folder import SUFFIX, RunFolder
    from autotuner.local.running.tuning import Order, this_machine

    own = engine_python.absolute() if engine_python is not None else None
    place = RunFolder(folder / f"{task.body['metadata']['name']}{SUFFIX}")
    programs = Programs(python, own, tuple(task.command))
    return Order(
        task.body, place, this_machine(task.body, presets.load(presets.default_folder())), programs, hub_cache()
    )


def _tuned(order: Order, *, require_gain: bool) -> int:
    """Tune one task and tell its answer; returns the exit code."""
    import asyncio

    from rich.console import Console

    from autotuner.cli import screen
    from autotuner.kube import KubeError
    from autotuner.local.running.equipment import tune_with_equipment
    from autotuner.local.running.tuning import write_answer

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = 120
    try:
        with _shown(console) as (show, tell):
            outcome = asyncio.run(tune_with_equipment(order, show, tell))
    except KubeError as problem:
        echo(f"autotuner: {order.task['metadata'].get('name', '?')}: {problem.message}", err=True)
        return INVALID
    folder = order.folder.path
    if outcome.interrupted:
        console.print(
            f"Interrupted; nothing runs any more. The same command goes on; all is in {folder}", soft_wrap=True
        )
        return INTERRUPTED
    if outcome.condition("Valid") == "False":
        echo(f"autotuner: {order.task['metadata']['name']}: {outcome.task['status'].get('message')}", err=True)
        return INVALID
    if not console.is_terminal:
        console.print(screen.progress(outcome.task, outcome.experiments, 0))
    console.print(f"\n{screen.answer(outcome.task)}", soft_wrap=True)
    paths = write_answer(order.folder, outcome.task)
    for path in paths:
        console.print(f"  {path}", soft_wrap=True)
    console.print(f"Everything that was measured is in {folder}", soft_wrap=True)
    return _code(outcome, require_gain=require_gain)


def _code(outcome: Outcome, *, require_gain: bool) -> int:
    if outcome.condition("Succeeded") != "True":
        return FAILED
    verdict = ((outcome.task["status"].get("best") or {}).get("confidence") or {}).get("verdict", "Improved")
    return NO_GAIN if require_gain and verdict in ("NoSignificantDifference", "Unconfirmed") else 0


@contextlib.contextmanager
def _shown(console: object) -> Iterator[tuple[Show, Callable[[str], None]]]:
    """What shows the progress: a table that lives, or a line for each change where there is no terminal."""
    from rich.console import Console
    from rich.live import Live

    from autotuner.cli import screen

    assert isinstance(console, Console)
    said = ""
    with Live(console=console, refresh_per_second=4) if console.is_terminal else contextlib.nullcontext() as live:

        def show(task: Object, experiments: Sequence[Object], seconds: float) -> None:
            nonlocal said
            if live is not None:
                live.update(screen.progress(task, experiments, seconds))
            elif (text := screen.line(task)) != said:
                said = text
                console.print(f"{seconds:5.0f} s  {text}", soft_wrap=True)

        yield show, lambda words: console.print(words, soft_wrap=True)
