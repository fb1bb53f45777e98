"""How much of a front is known: the area that its points dominate."""

from __future__ import annotations

from tests.benchmarks.search.surfaces import Floats


def volume(losses: Floats, worst: Floats) -> float:
    """The area that points dominate, up to the worst one.

    Args:
        losses: (n, 2), less is better, none beyond the worst.
        worst: (2,)
    """
    area, reached = 0.0, float(worst[1])
    for first, second in sorted(map(tuple, losses.tolist())):
        if second < reached:
            area += (float(worst[0]) - first) * (reached - second)
            reached = second
    return area
