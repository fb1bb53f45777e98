"""What every benchmark can do besides measuring: write its figures down, and compare itself with another revision.

`--against REV` runs that revision's own benchmark, in its own worktree and environments, in turns with this one, so
that what else the machine does hits both. A revision that has this module is asked by its command line; an older one
by the adapter of its name in `revisions/`. The ratio is this revision's figure to the other's: the median of the
rounds, each of which compares what ran side by side.
"""

from __future__ import annotations

import argparse
import json
import math
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.benchmarks.checkout import ROOT, Checkout, checkout

# The last revision whose modules were not in the rooms of their subjects.
REVISION = "1201970"
ADAPTERS = Path(__file__).parent / "revisions"
_OWN = ("against", "rounds", "same", "json")


@dataclass(frozen=True)
class Result:
    """What one run of a benchmark found.

    Attributes:
        figures: samples of each figure by its name.
        kept: whether every bar is kept.
        answers: what was decided, by the case; another revision may be asked to decide the same.
    """

    figures: Mapping[str, Sequence[float]]
    kept: bool = True
    answers: Mapping[str, Sequence[str]] = field(default_factory=dict)


def main(
    benchmark: str,
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], Result],
    arguments: Sequence[str] | None = None,
    *,
    rounds: int = 1,
    limits: Mapping[str, float] | None = None,
) -> int:
    """Run a benchmark, or compare it with another revision.

    Args:
        benchmark: its module below `tests.benchmarks`.
        parser: of its own options; each takes one value.
        run: measures and prints.
        arguments: of the command line; the process's own if absent.
        rounds: how often both are run by default.
        limits: the largest ratio of a figure to that of another revision, by its name.

    Returns:
        The exit code: 1 if a bar or a limit is not kept.
    """
    parser.add_argument("--against", metavar="REV", nargs="?", const=REVISION, help=f"compare (default {REVISION})")
    parser.add_argument("--rounds", type=int, default=rounds, help="with --against: how often both are run")
    parser.add_argument("--same", action="store_true", help="with --against: fail unless the answers are the same")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args(arguments)
    if options.against is None:
        result = run(options)
        if options.json:
            options.json.write_text(json.dumps(asdict(result)))
        return 0 if result.kept else 1
    # Whoever ends it by a signal must not leave a worktree behind.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with checkout(options.against) as other:
        pairs = list(_in_turns(benchmark, other, words(options), options.rounds))
    kept = report(pairs, other.commit[:7], limits or {})
    same = report_answers(*pairs[0])
    return 0 if kept and (same or not options.same) else 1


def words(options: argparse.Namespace) -> list[str]:
    """A benchmark's own options as a command line, defaults included: those of another revision may differ."""
    given = {name: value for name, value in vars(options).items() if name not in _OWN and value is not None}
    paths = {name: value.absolute() for name, value in given.items() if isinstance(value, Path)}
    return [f"--{name.replace('_', '-')}={value}" for name, value in (given | paths).items()]


def _in_turns(
    benchmark: str, other: Checkout, arguments: Sequence[str], rounds: int
) -> Iterator[tuple[Result, Result]]:
    ours = [sys.executable, "-m", f"tests.benchmarks.{benchmark}", *arguments]
    theirs = [*command(benchmark, other), *arguments]
    for number in range(rounds):
        found = {}
        for name in ("this", "other") if number % 2 == 0 else ("other", "this"):
            print(f"== round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
            found[name] = _run(ours, ROOT) if name == "this" else _run(theirs, other.tree)
        yield found["this"], found["other"]


def command(benchmark: str, other: Checkout) -> list[str]:
    """How another revision's benchmark is run in its folder.

    Raises:
        SystemExit: it cannot write its figures down, and no adapter does it.
    """
    if (other.tree / "tests" / "benchmarks" / "against.py").exists():
        return [str(other.python), "-m", f"tests.benchmarks.{benchmark}"]
    adapter = ADAPTERS / f"r{other.commit[:7]}.py"
    if not adapter.exists():
        raise SystemExit(f"revision {other.commit[:7]} cannot write its figures down, and there is no {adapter}")
    return [str(other.python), str(adapter), benchmark]


def _run(words: Sequence[str], folder: Path) -> Result:
    """One run; what it prints goes to standard error."""
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "figures.json"
        code = subprocess.run([*words, f"--json={file}"], cwd=folder, stdout=sys.stderr).returncode
        if not file.exists():
            raise SystemExit(f"{' '.join(words)} in {folder} ended with {code} and without figures")
        return Result(**json.loads(file.read_text()))


def report(pairs: Sequence[tuple[Result, Result]], revision: str, limits: Mapping[str, float]) -> bool:
    """Print figures of both side by side; returns whether every limit is kept."""
    names = list(dict.fromkeys(name for pair in pairs for result in pair for name in result.figures))
    width = max(map(len, [*names, "median of the samples"]))
    print(f"{'median of the samples':<{width}} {'n':>5} {'this':>10} {revision:>10} {'ratio':>7}")
    kept = True
    for name in names:
        samples = [[value for pair in pairs for value in pair[side].figures.get(name, ())] for side in (0, 1)]
        medians = "".join(f" {statistics.median(side):>10.4g}" if side else f" {'-':>10}" for side in samples)
        found = ratio(pairs, name)
        line = f"{name:<{width}} {len(samples[0]):>5}{medians} {'-' if found is None else f'{found:.3f}':>7}"
        if name in limits:
            good = found is not None and found <= limits[name]
            kept &= good
            line += f"  at most {limits[name]:g}: {'kept' if good else 'MISSED'}"
        print(line, flush=True)
    return kept


def ratio(pairs: Sequence[tuple[Result, Result]], name: str) -> float | None:
    """This revision's figure by the other's: the median of the rounds; None where it cannot be told."""
    found = []
    for pair in pairs:
        ours, theirs = (result.figures.get(name) for result in pair)
        if ours and theirs and statistics.median(theirs):
            found.append(statistics.median(ours) / statistics.median(theirs))
    return statistics.median(found) if found and all(map(math.isfinite, found)) else None


def report_answers(ours: Result, theirs: Result) -> bool:
    """Print where two runs decided differently; returns whether all that both were asked has the same answer."""
    cases = ours.answers.keys() & theirs.answers.keys()
    differing = sorted(case for case in cases if list(ours.answers[case]) != list(theirs.answers[case]))
    if cases:
        count = sum(len(ours.answers[case]) for case in cases)
        print(f"answers: {count} in {len(cases)} cases, of which {len(differing)} differ")
    for case in differing[:5]:
        print(f"  {case}: {_first_difference(ours.answers[case], theirs.answers[case])}")
    missing = len(ours.answers.keys() ^ theirs.answers.keys())
    if missing:
        print(f"answers: {missing} cases were decided by one of the two only")
    return not differing and not missing


def _first_difference(ours: Sequence[str], theirs: Sequence[str]) -> str:
    for number, (one, other) in enumerate(zip(ours, theirs, strict=False), start=1):
        if one != other:
            return f"number {number} is {one}, was {other}"
    return f"there are {len(ours)}, were {len(theirs)}"
