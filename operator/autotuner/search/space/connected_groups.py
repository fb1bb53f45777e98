"""Partitions into connected components."""

from __future__ import annotations

from collections.abc import Iterable


def partition(count: int, links: Iterable[Iterable[int]]) -> list[tuple[int, ...]]:
    """The connected components of 0 .. count - 1, each ascending, in the order of their first members.

    Args:
        count: how many there are.
        links: groups of numbers that belong together (union-find with path halving).
    """
    parent = list(range(count))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    for link in links:
        roots = [root(number) for number in link]
        for other in roots[1:]:
            parent[root(other)] = root(roots[0])
    groups: dict[int, list[int]] = {}
    for number in range(count):
        groups.setdefault(root(number), []).append(number)
    return [tuple(group) for group in groups.values()]
