"""The size of a space: how many configurations there are, and what removed the others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from autotuner.search.space.assembly import Assembly
from autotuner.search.space.rules import Rule
from autotuner.search.space.split_components import Component

SAME_ARGUMENTS = "same arguments"


class Count(NamedTuple):
    """The size of a space; see `Space` for what each figure means."""

    size: int
    exact: bool
    removed: tuple[tuple[str, int], ...]
    emptiness: str


def count(pieces: Assembly, components: Sequence[Component]) -> Count:
    """Count over the whole space: what a rule removes of one component counts as often as the others have points."""
    left = [component.counted.before for component in components]
    removed: list[tuple[str, int]] = []
    emptiness = ""
    total = first = math.prod(left)
    for rule in pieces.rules:
        before = total
        total = 0.0 if _forbids_all(rule) else _after(rule, components, left)
        removed.append((rule.name, round(before) - round(total)))
        if before and not total:
            emptiness = _emptied(rule, _reason(rule, components), round(before), round(first))
            break
    before, total = total, total and math.prod(component.counted.left for component in components)
    removed.append((SAME_ARGUMENTS, round(before) - round(total)))
    told = tuple((name, number) for name, number in removed if number > 0)
    known_empty = not total and (_is_constant_empty(pieces) or any(_is_known_empty(one) for one in components))
    exact = known_empty or all(one.exact for one in components)
    if not total and not known_empty:
        emptiness = f"no configuration was found among many that were looked at; {emptiness}"
    return Count(max(round(total), 1) if total else 0, exact, told, emptiness)


def _after(rule: Rule, components: Sequence[Component], left: list[float]) -> float:
    """The points left after a rule; also writes what is left of its own component."""
    for number, component in enumerate(components):
        if rule in component.part.rules:
            left[number] = component.counted.after_rules[component.part.rules.index(rule)]
    return math.prod(left)


def _reason(rule: Rule, components: Sequence[Component]) -> str:
    for component in components:
        if rule in component.part.rules:
            return component.counted.reasons[component.part.rules.index(rule)]
    return rule.refusal(()) or ""


def _forbids_all(rule: Rule) -> bool:
    return not rule.reads and rule.refusal(()) is not None


def _is_constant_empty(pieces: Assembly) -> bool:
    return any(_forbids_all(rule) for rule in pieces.rules)


def _is_known_empty(component: Component) -> bool:
    return component.exact and not component.counted.left


def _emptied(rule: Rule, reason: str, last: int, first: int) -> str:
    what = f"all {first} configurations" if last == first else f"the last {last} of {first} configurations"
    because = f": {reason}" if reason else ""
    advice = "loosen it, or offer other values" if rule.name.startswith("constraints[") else "offer other values"
    return f"{rule.name} removes {'the only configuration' if first == 1 else what}{because}; {advice}"
