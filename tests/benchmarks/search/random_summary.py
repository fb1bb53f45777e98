"""What the random surfaces are like: python -m tests.benchmarks.search.random_summary."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from tests.benchmarks.search.random_surfaces import COUNT, RandomSurface, near_share, random_surface

_QUANTILES = (0, 0.1, 0.5, 0.9, 1)


def lines(surfaces: Sequence[RandomSurface]) -> Iterator[str]:
    """Shares of the goals and kinds, then quantiles of what can be counted."""
    yield f"{len(surfaces)} surfaces"
    for name, count in sorted(Counter([told for one in surfaces for told in (*one.kinds, one.goal)]).items()):
        yield f"  {name:24} {count / len(surfaces):6.1%}"
    yield f"  {'quantiles':24}" + "".join(f"{quantile:>10.0%}" for quantile in _QUANTILES)
    runs = [~one.failed[:-1] for one in surfaces]
    figures = {
        "parameters": [len(one.space.dimensions) for one in surfaces],
        "that matter": [len(one.grid.active) for one in surfaces],
        "configurations": [one.space.numbers for one in surfaces],
        "rows": [int(one.grid.listed.sum()) for one in surfaces],
        "share that fails": [1 - each[one.grid.listed].mean() for one, each in zip(surfaces, runs, strict=True)],
        "share within 5 %": [near_share(one.losses[:-1], each) for one, each in zip(surfaces, runs, strict=True)],
        "share keeping the limits": [
            np.isfinite(one.losses[one.reachable]).mean() for one in surfaces if one.goal == "slo"
        ],
        "median / best": [_spread(one) for one in surfaces],
    }
    for name, told in figures.items():
        yield f"  {name:24}" + "".join(f"{one:>10.3g}" for one in np.quantile(np.array(told, dtype=float), _QUANTILES))


def _spread(surface: RandomSurface) -> float:
    """How many times better the best is than the median of what runs and keeps the limits."""
    losses = surface.losses[surface.reachable]
    return float(np.exp(np.median(losses[np.isfinite(losses)]) - losses.min()))


if __name__ == "__main__":
    sys.stdout.write("\n".join(lines([random_surface(seed) for seed in range(COUNT)])) + "\n")
