"""`python -m tests.benchmarks.boundary`: the search for the boundary against ladders, in virtual time.

Plays the product's own order of levels, figures, scores and verdict on the simulated engine's model. Prints what each
bar of issue 19 asks for; ends with code 1 if one is missed.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

from autotuner import scoring
from autotuner.api.benchmark import ConcurrencySearch, RateSearch
from autotuner.api.experiment import Level
from autotuner.api.goals import Slo
from autotuner.scoring import Goal, Score
from autotuner.scoring.confidence import FIRST_LOOK, gain, spent
from autotuner.simulator.config import EngineConfig
from autotuner.simulator.virtual_time import Workload
from tests.benchmarks.boundary import play
from tests.benchmarks.boundary.engine import Load, Measured, rate, users

LOAD = Load(Workload.parse("N(512,64)/(128,16)"))
LONG = Load(LOAD.workload, requests=4000, minutes=120)
ENGINES = [
    EngineConfig(max_running=running, time_scale=scale, step_tokens=tokens)
    for running, scale, tokens in ((256, 8, 8192), (128, 12, 2048), (256, 16, 4096), (512, 6, 8192), (256, 10, 1024))
]
RATES = RateSearch(min=0.5, max=40, precision="5%")
TPOT = [Slo(metric="TPOT", statistic="P90", max="25ms")]
USERS = ConcurrencySearch(min=1, max=256, precision="10%")
FACTOR_4 = (2.0, 8.0, 32.0, 128.0)
REPEATS = 4


def main() -> int:
    """Print the figures of all bars; 1 if one is missed."""
    missed = [*_rates(), *_users(), *_equals()]
    for words in missed:
        print(f"MISSED: {words}")
    return 1 if missed else 0


def _rates(runs: int = 100) -> list[str]:
    """MaxRequestRate against known capacity, beside the whole ladder of the same precision."""
    here = play.goal("MaxRequestRate", TPOT, RATES.grid, open_loop=True, searches=True)
    ladder = replace(here, searches=False)
    errors, spent_here, spent_there, levels, other = [], 0.0, 0.0, 0, []
    for run in range(runs):
        config = ENGINES[run % len(ENGINES)]
        truth = _capacity(run % len(ENGINES))
        measure = _rated(config, str(run))
        found, whole = play.searched(RATES, here, measure), play.climbed(ladder, measure)
        errors.append(abs((found.score.value or 0.0) / truth - 1))
        other.append(abs((whole.score.value or 0.0) / truth - 1))
        spent_here += found.seconds
        spent_there += whole.seconds
        levels += len(found.levels)
    good, share = sum(error <= 0.05 for error in errors), spent_here / spent_there
    print(
        f"MaxRequestRate within 5 % of capacity: {good} of {runs} (ladder: {sum(e <= 0.05 for e in other)}), median"
        f" error {statistics.median(errors):.1%}, largest {max(errors):.1%}; {levels / runs:.1f} levels; GPU time"
        f" {share:.2f} of the ladder's"
    )
    return [] if good >= 0.95 * runs and share <= 0.5 else ["MaxRequestRate: 95 of 100, half the GPU time"]


def _rated(config: EngineConfig, seed: str) -> Callable[[float], Measured]:
    return lambda offered: rate(config, LOAD, offered, seed, seed)


@lru_cache
def _capacity(number: int) -> float:
    """The rate at which a long level without noise breaks the limit, by bisection."""
    config = replace(ENGINES[number], noise=0.0)
    low, high = RATES.min, RATES.max
    while high / low > 1.005:
        middle = (low * high) ** 0.5
        level = rate(config, LONG, middle, "truth", "truth").level
        kept = level.ended is None and level.tpot_seconds is not None and (level.tpot_seconds.p90 or 1) <= 0.025
        low, high = (middle, high) if kept else (low, middle)
    return low


def _configurations(draw: random.Random) -> list[EngineConfig]:
    """A task's space: what batches, prompts' share of a step and the speed of kernels do to one engine."""
    scale = draw.uniform(6, 16)
    return [
        EngineConfig(
            max_running=draw.choice((32, 64, 128, 256)),
            step_tokens=draw.choice((512, 1024, 2048, 4096, 8192)),
            time_scale=scale * draw.uniform(0.9, 1.15),
            mixed=draw.random() < 0.5,
        )
        for _ in range(8)
    ]


def _users(tasks: int = 10) -> list[str]:
    """What is recommended by a search for the users, and by a ladder of factor 4: true throughput under the SLOs."""
    ratios, here_seconds, there_seconds = [], 0.0, 0.0
    for task in range(tasks):
        draw = random.Random(task)
        space, limits = _configurations(draw), _limits(draw)
        here = play.goal("OutputThroughput", limits, USERS.grid, open_loop=False, searches=True)
        there = play.goal("OutputThroughput", limits, FACTOR_4, open_loop=False, searches=False)
        ours, ours_seconds = _best(space, here, task)
        theirs, theirs_seconds = _best(space, there, task)
        here_seconds, there_seconds = here_seconds + ours_seconds, there_seconds + theirs_seconds
        true = [_true(space, chosen, here) for chosen in (ours, theirs)]
        ratios.append(max(true[0], 1.0) / max(true[1], 1.0))
        print(f"  {', '.join(f'{s.metric} {s.max}' for s in limits)}: {true[0]:.0f} tok/s against {true[1]:.0f}")
    mean, share = statistics.geometric_mean(ratios), here_seconds / there_seconds
    print(
        f"throughput under SLOs: {mean:.2f} times that of the ladder of factor 4, with {share:.2f} times its GPU time"
    )
    return [] if mean >= 1.25 and share <= 1.2 else ["concurrencySearch: 1.25 times the throughput, 1.2 the GPU time"]


def _limits(draw: random.Random) -> list[Slo]:
    return [
        Slo(metric="TPOT", statistic="P99", max=f"{draw.uniform(16, 40):.0f}ms"),
        Slo(metric="TTFT", statistic="P99", max=f"{draw.uniform(150, 600):.0f}ms"),
    ]


def _best(space: Sequence[EngineConfig], goal: Goal, task: int) -> tuple[tuple[int, float] | None, float]:
    """The configuration and the users that a search recommends, and the virtual seconds of all its levels."""
    best: tuple[int, Score] | None = None
    seconds = 0.0
    for number, config in enumerate(space):
        measure = _used(config, f"{task}/{number}", str(task))
        incumbent = best[1] if best else None
        found = (
            play.searched(USERS, goal, measure, incumbent) if goal.searches else play.climbed(goal, measure, incumbent)
        )
        seconds += found.seconds
        if found.score.worth is not None and (best is None or found.score.worth > (best[1].worth or 0.0)):
            best = (number, found.score)
    return ((best[0], best[1].at[0]) if best else None), seconds


def _used(config: EngineConfig, seed: str, prompts: str) -> Callable[[float], Measured]:
    return lambda offered: users(config, LOAD, int(offered), seed, prompts)


def _true(space: Sequence[EngineConfig], chosen: tuple[int, float] | None, goal: Goal) -> float:
    """The throughput of a long level at the users chosen; at fewer, where these break the SLOs after all."""
    if chosen is None:
        return 0.0
    config, load = replace(space[chosen[0]], noise=0.0), replace(LONG, requests=3000)
    for offered in reversed([one for one in USERS.grid if one <= chosen[1]] or [1.0]):
        level = users(config, load, int(offered), "truth", "truth").level
        found = scoring.score([level], goal.on([offered]), 1)
        if found.value is not None or (found.outcome == "infeasible" and found.shortfall <= 0.02):
            return level.output_tokens_per_second
    return 0.0


def _equals(tasks: int = 200) -> list[str]:
    """How often two equal configurations are told apart, the one that looks better confirmed by repeats."""
    here = play.goal("OutputThroughput", _limits(random.Random(1)), USERS.grid, open_loop=False, searches=True)
    there = replace(here, ladder=FACTOR_4, searches=False)
    false, of_ladder = (sum(_improved(goal, task) for task in range(tasks)) for goal in (here, there))
    print(f"false Improved between equals: {false} of {tasks} (ladder of factor 4: {of_ladder})")
    return [] if false <= 0.05 * tasks else ["false Improved at most 5 %"]


def _improved(goal: Goal, task: int) -> bool:
    """Whether a configuration is called better than itself."""
    config = ENGINES[task % len(ENGINES)]
    found: list[play.Found] = []
    for who in "ab":
        measure = _used(config, f"{task}/{who}", str(task))
        best = found[0].score if found and found[0].score.feasible else None
        found.append(play.searched(USERS, goal, measure, best) if goal.searches else play.climbed(goal, measure, best))
    if not all(one.score.feasible for one in found):
        return False
    levels = sorted({at for one in found for at in _near(goal, one.score.at[0])})
    runs: list[list[list[Level]]] = [[], []]
    for block in range(1, REPEATS + 1):
        for side, name in enumerate("ab"):
            measure = _used(config, f"{task}/{name}/{block}", f"{task}/{block}")
            runs[side].append([measure(offered).level for offered in levels])
        if block >= FIRST_LOOK and _decided(runs, goal.on(levels), block):
            return True
    return False


def _near(goal: Goal, at: float) -> Sequence[float]:
    place = goal.ladder.index(at)
    return goal.ladder[max(0, place - 1) : place + 2] if goal.searches else [at]


def _decided(runs: Sequence[Sequence[Sequence[Level]]], goal: Goal, block: int) -> bool:
    worths = []
    for one in runs:
        scores = scoring.together(one, goal, 1)
        worths.append([score.worth for score in scores if score.worth])
    if any(len(each) < FIRST_LOOK for each in worths):
        return False
    baseline, leader = worths
    return gain(leader, baseline, spent(block, REPEATS), minimise=False).low > 0


if __name__ == "__main__":
    sys.exit(main())
