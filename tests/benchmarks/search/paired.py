"""Is one search worse than another one? Paired by the seed, which decides start points and noise of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tests.benchmarks.search.goals import NEAR
from tests.benchmarks.search.runs import Run
from tests.benchmarks.search.surfaces import Floats

Pair = tuple[Run, Run]

_LATER = 2.0  # experiments
_SELDOMER = 0.1
_LEVEL = 0.05
_SHUFFLES = 4000


def by_case(ours: Sequence[Run], theirs: Sequence[Run]) -> Mapping[tuple[str, str], list[Pair]]:
    """The pairs of runs on each surface and goal, ours first, of the seeds that both have."""
    known = {(run.surface, run.goal, run.seed): run for run in theirs}
    found: dict[tuple[str, str], list[Pair]] = {}
    for run in ours:
        if other := known.get((run.surface, run.goal, run.seed)):
            found.setdefault((run.surface, run.goal), []).append((run, other))
    return found


def later(pairs: Sequence[Pair], experiments: int) -> bool:
    """Whether ours need more than two experiments more; whoever is never there needs one more than all."""
    firsts = np.array([[min(run.first, experiments + 1) for run in pair] for pair in pairs])
    return _above(firsts[:, 0] - firsts[:, 1] - _LATER)


def seldomer(pairs: Sequence[Pair]) -> bool:
    """Whether ours end near the best less often, by more than ten points."""
    there = np.array([[float(run.regret <= NEAR) for run in pair] for pair in pairs])
    return _above(there[:, 1] - there[:, 0] - _SELDOMER)


def _above(differences: Floats) -> bool:
    """Whether the mean is above zero, by a test that turns signs at random (Fisher 1935), at five per cent."""
    if differences.mean() <= 0:
        return False
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(_SHUFFLES, len(differences)))
    turned = (signs * differences).mean(axis=1)
    return bool((turned >= differences.mean()).mean() <= _LEVEL)
