"""The checks of the house: each looks at a tree and tells what is against the plan."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from tests.house.plan import Ban, Floor, Twins, Words
from tests.house.tree import Function, Module, Tree, within

# Python's own names.
_GIVEN = ("__init__", "__main__")


@dataclass(frozen=True)
class Violation:
    """One thing that is against the plan.

    Attributes:
        where: file, module or room.
        what: is wrong.
        todo: what to do about it.
    """

    where: str
    what: str
    todo: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.todo}"


def circles(tree: Tree) -> Iterator[Violation]:
    """Find a circle of modules, and one of rooms."""
    rooms = {room: set(targets) for room, targets in tree.arrows.items()}
    for kind, graph in (("modules", tree.graph), ("rooms", rooms)):
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            # It lists who is imported before who imports.
            path = " -> ".join(reversed(error.args[1]))
            yield Violation(path, f"{kind} import in a circle", "move what both need below both")


def upward_arrows(tree: Tree, floors: Sequence[Floor]) -> Iterator[Violation]:
    """Find imports that do not go down, rooms without a floor and floors without a room."""
    height = {room: number for number, floor in enumerate(floors) for room in floor.rooms}
    for room in sorted(tree.rooms.keys() - height.keys()):
        yield Violation(room, "the room has no floor", "add it to FLOORS in tests/house/plan.py, above what it imports")
    for room in sorted(height.keys() - tree.rooms.keys()):
        yield Violation(room, "FLOORS names a room that is not there", "take it out of tests/house/plan.py")
    for room, targets in tree.arrows.items():
        for target, imports in targets.items():
            if room in height and target in height and height[target] >= height[room]:
                for here, there in imports:
                    what = f"imports {there}, and {target} is not below {room}"
                    yield Violation(here, what, "move the function, or pass its result in")


def full_folders(tree: Tree, most: int) -> Iterator[Violation]:
    """Find folders with too many modules, not counting their `__init__.py`."""
    counts = Counter(module.path.parent for module in tree.modules.values() if module.path.name != "__init__.py")
    for folder, count in counts.items():
        if count > most:
            yield Violation(str(folder), f"{count} modules, at most {most}", "make a room of those with one subject")


def repeated_names(tree: Tree, twins: Sequence[Twins]) -> Iterator[Violation]:
    """Find file names that occur more than once without a reason, and reasons for what does not."""
    found: dict[str, set[str]] = {}
    for name, module in tree.modules.items():
        if module.path.stem not in _GIVEN:
            found.setdefault(module.path.stem, set()).add(name.removeprefix(f"{tree.package}."))
    repeated = {frozenset(names) for names in found.values() if len(names) > 1}
    listed = {frozenset(one.modules) for one in twins}
    for names in sorted(map(sorted, repeated - listed)):
        what = f"the same file name {len(names)} times"
        yield Violation(", ".join(names), what, "rename, or list them in TWINS with what each does for its subject")
    for names in sorted(map(sorted, listed - repeated)):
        yield Violation(", ".join(names), "TWINS lists what is not so", "correct the entry in tests/house/plan.py")


def long_functions(tree: Tree, longest: int, median: float, ninetieth: float) -> Iterator[Violation]:
    """Find functions that are too long, and too many that are long."""
    for module in tree.modules.values():
        for one in module.functions:
            if one.length > longest:
                where = f"{module.path}:{one.line}"
                yield Violation(
                    where, f"{one.name} has {one.length} lines, at most {longest}", "let helpers have names"
                )
    lengths = [one.length for one in functions(tree.modules.values())]
    for what, limit, found in (("median", median, middle(lengths)), ("90th percentile", ninetieth, tail(lengths))):
        if found > limit:
            yield Violation(
                tree.package, f"{what} of functions {found:g} lines, at most {limit:g}", "shorten the longest"
            )


def functions(modules: Iterable[Module]) -> Iterator[Function]:
    """All functions of some modules."""
    for module in modules:
        yield from module.functions


def middle(lengths: Sequence[int]) -> float:
    """The median; 0 of nothing."""
    return statistics.median(lengths) if lengths else 0


def tail(lengths: Sequence[int]) -> int:
    """The 90th percentile: nine of ten are at most as long; 0 of nothing."""
    return sorted(lengths)[-(-9 * len(lengths) // 10) - 1] if lengths else 0


def strangers(tree: Tree, only: Mapping[str, Sequence[str]]) -> Iterator[Violation]:
    """Find libraries that are imported outside the rooms that may."""
    for name, module in tree.modules.items():
        for library, rooms in only.items():
            if not _inside(tree, name, rooms) and any(within(one, library) for one in module.imports):
                yield Violation(name, f"imports {library}", f"only {', '.join(rooms)} may: hand the result over")


def bans(tree: Tree, rules: Sequence[Ban]) -> Iterator[Violation]:
    """Find what rooms reach although they must not."""
    for rule in rules:
        for name in tree.modules:
            if _inside(tree, name, rule.rooms):
                reached = sorted(one for one in tree.reachable(name) if within(one, *rule.names))
                if reached:
                    yield Violation(name, f"reaches {', '.join(reached)}", f"{rule.why}: pass in what it needs")


def shadows(tree: Tree, names: frozenset[str]) -> Iterator[Violation]:
    """Find modules that would hide the standard library's."""
    for module in tree.modules.values():
        if module.path.stem in names:
            yield Violation(str(module.path), "hides a module of the standard library", "rename it")
        if module.name == tree.package and (module.path.parents[1] / "__init__.py").exists():
            yield Violation(str(module.path.parents[1]), "has an __init__.py, so it hides `operator`", "remove that")


def misplaced_words(tree: Tree, rules: Sequence[Words]) -> Iterator[Violation]:
    """Find words that belong to other rooms; one violation a file."""
    for rule in rules:
        for name, module in tree.modules.items():
            lines = [n for n, line in enumerate(module.text.splitlines(), start=1) if re.search(rule.pattern, line)]
            if lines and not _inside(tree, name, rule.rooms):
                shown = ", ".join(map(str, lines[:5])) + (" ..." if len(lines) > 5 else "")
                what = f"words that belong to {', '.join(rule.rooms)} in line {shown}"
                yield Violation(str(module.path), what, rule.instead)


def _inside(tree: Tree, module: str, rooms: Sequence[str]) -> bool:
    return within(module, *(f"{tree.package}.{room}" for room in rooms))
