"""The rules of a schema in CEL (`x-kubernetes-validations`), evaluated by the library that the product has anyway.

That library turns a value into its own form at some 10 us for each number, string and list in it, so a rule is given
the parts only that it names, and its answer is remembered for the same parts.
"""

from __future__ import annotations

import marshal
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import cel

from autotuner.memory_api.answers import Cause

_REMEMBERED = 512
# self or oldSelf, the fields below it, and whether the last of them is a method that is called.
_PATH = re.compile(r"(?<![\w.])(self|oldSelf)\b((?:\.[A-Za-z_]\w*)*)(\s*\()?")
_NO_VERSION_MARKS = 2  # marshal's version that writes equal values as equal bytes


class Typing(Protocol):
    """Knows what values of a schema are in CEL."""

    def typed(self, value: Any) -> Any:
        """The value as CEL has it."""


class Rule:
    """One rule of a schema.

    Attributes:
        transition: it compares with the object before, so it holds for changes only.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._text: str = document["rule"]
        self._message = document.get("message") or f"failed rule: {self._text}"
        self._reason = document.get("reason", "FieldValueInvalid")
        self._field: str = document.get("fieldPath", "")
        self._program = cel.compile(self._text)
        paths = _paths(self._text)
        self._new, self._old = _outermost(paths["self"]), _outermost(paths["oldSelf"])
        self.transition = bool(paths["oldSelf"])
        self._answers: OrderedDict[bytes, bool] = OrderedDict()

    def broken(self, new: Any, old: Any, schema: Typing) -> Cause | None:
        """What is wrong, with the field below the value that the rule is about; None if it holds.

        Args:
            new: the value.
            old: what it was; only looked at by rules of transition.
            schema: of the value.
        """
        variables = {"self": _part(new, self._new)}
        if self.transition:
            variables["oldSelf"] = _part(old, self._old)
        key = marshal.dumps(variables, _NO_VERSION_MARKS)
        holds = self._answers.get(key)
        if holds is None:
            typed = {name: schema.typed(value) for name, value in variables.items()}
            holds = self._answers[key] = self._evaluate(typed)
            if len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
        return None if holds else Cause(self._reason, self._field, self._message)

    def _evaluate(self, variables: dict[str, Any]) -> bool:
        try:
            return self._program.execute(variables) is True
        except (LookupError, RuntimeError, TypeError, ValueError):
            return False  # as an API server has it: a rule without an answer is a rule that is broken


def _paths(text: str) -> dict[str, set[tuple[str, ...]]]:
    found: dict[str, set[tuple[str, ...]]] = {"self": set(), "oldSelf": set()}
    for name, fields, called in _PATH.findall(text):
        path = tuple(fields.split(".")[1:])
        found[name].add(path[:-1] if called else path)
    return found


def _outermost(paths: Iterable[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """The paths without those below another one."""
    kept: list[tuple[str, ...]] = []
    for path in sorted(paths, key=len):
        if not any(path[: len(one)] == one for one in kept):
            kept.append(path)
    return tuple(kept)


def _part(value: Any, paths: tuple[tuple[str, ...], ...]) -> Any:
    """A value with nothing but what is at these paths."""
    if () in paths or not isinstance(value, dict):
        return value
    result: dict[str, Any] = {}
    for path in paths:
        source, target = value, result
        for step in path[:-1]:
            if not isinstance(source, dict) or step not in source:
                break
            source = source[step]
            target = target.setdefault(step, {})
        else:
            if isinstance(source, dict) and path[-1] in source:
                target[path[-1]] = source[path[-1]]
    return result
