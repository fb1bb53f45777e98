"""Is the house in order? `python -m tests.house`: prints its rooms from the top down, and what is against the plan.

arrows: the rooms that a room imports, and how many imports; each goes down at least one floor. Lengths of functions
are lines from `def` to the last one, docstring included. Exits with 1 if anything is against tests/house/plan.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.house import plan, rules
from tests.house.rules import Violation
from tests.house.tree import Tree, read

ROOT = Path(__file__).parents[2]


def violations(tree: Tree) -> Iterator[Violation]:
    """Everything that is against the plan."""
    yield from rules.circles(tree)
    yield from rules.upward_arrows(tree, plan.FLOORS)
    yield from rules.full_folders(tree, plan.MODULES_IN_A_FOLDER)
    yield from rules.repeated_names(tree, plan.TWINS)
    yield from rules.long_functions(tree, plan.LONGEST_FUNCTION, plan.MEDIAN_FUNCTION, plan.LONG_FUNCTION)
    yield from rules.strangers(tree, plan.IMPORTED_ONLY_IN)
    yield from rules.bans(tree, plan.BANS)
    yield from rules.shadows(tree, plan.SHADOWING)
    yield from rules.misplaced_words(tree, plan.WORDS)


def picture(tree: Tree) -> Iterator[str]:
    """The table of floors and rooms."""
    yield f"{'floor':<5} {'room':<30} {'modules':>7} {'lines':>6} {'functions':>9} {'longest':>7}  arrows"
    for number, floor in reversed([*enumerate(plan.FLOORS)]):
        yield f"{number:>5} {floor.what}"
        yield from (f"{'':<5} {_room(tree, room)}" for room in floor.rooms if room in tree.rooms)


def _room(tree: Tree, room: str) -> str:
    modules = tree.rooms[room]
    lengths = [one.length for one in rules.functions(modules)]
    lines = sum(module.text.count("\n") for module in modules)
    arrows = ", ".join(f"{target} {len(imports)}" for target, imports in sorted(tree.arrows[room].items()))
    figures = f"{len(modules):>7} {lines:>6} {len(lengths):>9} {max(lengths, default=0):>7}"
    return f"{room:<30} {figures}  {arrows}".rstrip()


def summary(tree: Tree) -> str:
    """The whole house in a line."""
    lengths = [one.length for one in rules.functions(tree.modules.values())]
    arrows = sum(map(len, tree.arrows.values()))
    return (
        f"{len(tree.modules)} modules in {len(tree.rooms)} rooms on {len(plan.FLOORS)} floors, {arrows} arrows; "
        f"{len(lengths)} functions, median {rules.middle(lengths):g} lines, 90th percentile {rules.tail(lengths)}, "
        f"longest {max(lengths, default=0)}"
    )


def main() -> int:
    """Print the house and what is wrong with it; 1 if anything is."""
    tree = read(ROOT / "operator" / "autotuner")
    print("\n".join([*picture(tree), summary(tree)]))
    found = [str(one).replace(f"{ROOT}/", "") for one in violations(tree)]
    print("\n".join([*found, f"{len(found)} against the plan"]) if found else "everything is in its place")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
