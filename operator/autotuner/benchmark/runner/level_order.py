"""Which level is measured next, of a ladder or of a search for the boundary, and how the benchmark ends. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from autotuner.api.experiment import Ladder, Level
from autotuner.benchmark.contract import boundary_search
from autotuner.benchmark.contract.spec import RunnerSpec
from autotuner.benchmark.runner.early_stop import LadderStep, StopCriteria, breaks, ladder_top, would_stop
from autotuner.scoring.figures import told


@dataclass(frozen=True)
class Ended:
    """How a benchmark ended, and why, if it was before all was measured; of a search what it found."""

    ladder: Ladder
    note: str = ""


def criteria(spec: RunnerSpec) -> StopCriteria:
    """What ends the ladder or the search of a benchmark early."""
    weights = {scenario.name: scenario.weight for scenario in spec.scenarios}
    return StopCriteria(spec.ladder, weights, spec.slos, spec.required_throughput, spec.noise_margin)


def next_step(levels: Sequence[Level], spec: RunnerSpec) -> LadderStep | Ended:
    """The scenario and what to offer it next, or the end.

    Args:
        levels: measured so far, in that order.
        spec: of the benchmark.
    """
    return _of_search(levels, spec) if spec.searches else _of_ladder(levels, spec)


def _of_ladder(levels: Sequence[Level], spec: RunnerSpec) -> LadderStep | Ended:
    steps = [(scenario.name, offered) for scenario, offered in spec.levels]
    done = 1 + max((steps.index((level.scenario, level.offered)) for level in levels), default=-1)
    stopped = would_stop(levels, criteria(spec), steps[done:])
    if stopped:
        return Ended(stopped.ladder, f"the ladder ended early: {stopped.why}")
    top = ladder_top(levels, criteria(spec))
    wanted = next((step for step in steps[done:] if top is None or step[1] <= top[0]), None)
    if wanted is not None:
        return wanted
    if top is not None and len(levels) < len(steps):
        return Ended("StoppedSLO", f"the ladder ended early: {top[1]}")
    return Ended("Complete")


def _of_search(levels: Sequence[Level], spec: RunnerSpec) -> LadderStep | Ended:
    names = [scenario.name for scenario in spec.scenarios]
    if levels and not breaks(levels[-1], spec.slos):
        # All scenarios must keep the limits at one common level: the first that does not decides for all.
        missing = [name for name in names if not _measured(levels, name, levels[-1].offered)]
        if missing:
            return missing[0], levels[-1].offered
    verdicts = {
        offered: not any(level.offered == offered and breaks(level, spec.slos) for level in levels)
        for offered in dict.fromkeys(level.offered for level in levels)
    }
    known = boundary_search.bracket(verdicts)
    offered = boundary_search.next_level(spec.ladder, verdicts, spec.start_at, spec.most_levels)
    if offered is None:
        return Ended("Complete", _found(known, spec))
    if why := _hopeless(levels, known, spec):
        return Ended("StoppedHopeless", f"the search ended early: {why}")
    return names[0], offered


def _hopeless(levels: Sequence[Level], known: boundary_search.Bracket, spec: RunnerSpec) -> str:
    """Why what is left cannot reach what was found elsewhere; empty while it may. Never after one level alone."""
    if len({level.offered for level in levels}) < 2:
        return ""
    required = spec.required_boundary
    if required is not None and known.broken is not None and known.broken <= required:
        best, here = (told(offered, spec.open_loop) for offered in (required, known.broken))
        return f"the SLOs break at {here}, and the best so far keeps them up to {best}"
    left = [known.kept, *known.open(spec.ladder)] if known.kept is not None else known.open(spec.ladder)
    steps = [(scenario.name, offered) for offered in known.open(spec.ladder) for scenario in spec.scenarios]
    stopped = would_stop(levels, replace(criteria(spec), ladder=left), steps)
    return stopped.why if stopped else ""


def _found(known: boundary_search.Bracket, spec: RunnerSpec) -> str:
    kept, broken = (
        None if offered is None else told(offered, spec.open_loop) for offered in (known.kept, known.broken)
    )
    if kept is None:
        return f"the SLOs break at {broken} already, the least that the search may try"
    if broken is None:
        return f"the SLOs hold at {kept}, the most that the search may try"
    return f"the SLOs hold up to {kept} and break at {broken}"


def _measured(levels: Sequence[Level], scenario: str, offered: float) -> bool:
    return any(level.scenario == scenario and level.offered == offered for level in levels)
