"""Several objectives: which configurations no other one beats in everything."""

from __future__ import annotations

from collections.abc import Sequence

Point = Sequence[float]


def dominates(a: Point, b: Point, minimise: Sequence[bool]) -> bool:
    """Whether `a` is at least as good as `b` in every objective, and better in one."""
    losses = [(x - y) if less else (y - x) for x, y, less in zip(a, b, minimise, strict=True)]
    return all(loss <= 0 for loss in losses) and any(loss < 0 for loss in losses)


def front(points: Sequence[Point], minimise: Sequence[bool]) -> list[int]:
    """The places of the points that no other one dominates, in their order; of equal ones the first.

    Args:
        points: of feasible configurations, one figure per objective.
        minimise: for each objective, whether less is better.
    """
    return [
        number
        for number, point in enumerate(points)
        if not any(dominates(other, point, minimise) for other in points)
        and not any(tuple(other) == tuple(point) for other in points[:number])
    ]


def spread(points: Sequence[Point], limit: int) -> list[int]:
    """The places of at most `limit` points that cover the front: its ends, then always the farthest.

    Distances are of shares of each objective's range (farthest-first traversal: Gonzalez, 1985).
    """
    if len(points) <= limit:
        return list(range(len(points)))
    dimensions = range(len(points[0]))
    low = [min(point[k] for point in points) for k in dimensions]
    width = [max(point[k] for point in points) - low[k] or 1.0 for k in dimensions]
    scaled = [[(point[k] - low[k]) / width[k] for k in dimensions] for point in points]
    ends = [min(range(len(points)), key=lambda n: scaled[n][k]) for k in dimensions]
    chosen = list(dict.fromkeys(ends))[:limit]
    while len(chosen) < limit:
        rest = [number for number in range(len(points)) if number not in chosen]
        chosen.append(max(rest, key=lambda n: min(_distance(scaled[n], scaled[c]) for c in chosen)))
    return sorted(chosen)


def _distance(a: Point, b: Point) -> float:
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))
