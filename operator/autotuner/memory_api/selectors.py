"""Label and field selectors, as lists and watches take them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from autotuner.memory_api import answers

_REQUIREMENT = re.compile(
    r"\s*(?:!\s*(?P<absent>[\w./-]+)"
    r"|(?P<key>[\w./-]+)\s*(?:(?P<sign>==|=|!=)\s*(?P<value>[\w.-]*)"
    r"|(?P<word>in|notin)\s*\((?P<values>[^)]*)\))?)\s*(?:,|$)"
)
_FIELD = re.compile(r"\s*(?P<path>[^=!,\s]+)\s*(?P<sign>==|=|!=)\s*(?P<value>[^,]*?)\s*(?:,|$)")

Labels = Mapping[str, str]


@dataclass(frozen=True)
class LabelSelector:
    """A selector over labels.

    Attributes:
        tests: all of them have to hold.
        equal: a label and the value that it must have, to look it up; None if it demands none.
    """

    tests: tuple[Callable[[Labels], bool], ...] = ()
    equal: tuple[str, str] | None = None

    @property
    def only_equal(self) -> bool:
        """Whether it demands nothing but what `equal` says."""
        return len(self.tests) == (0 if self.equal is None else 1)

    def matches(self, labels: Labels) -> bool:
        """Whether an object with these labels is meant."""
        return all(test(labels) for test in self.tests)


@lru_cache(maxsize=4096)
def label_selector(text: str) -> LabelSelector:
    """The selector that a text like `a=b,c!=d,e in (f,g),h,!i` means.

    Raises:
        RejectedError: it cannot be read.
    """
    tests, equal, place = [], None, 0
    while place < len(text):
        found = _REQUIREMENT.match(text, place)
        if found is None or found.end() == place:
            raise answers.bad_request(f'unable to parse requirement: found "{text[place:]}"')
        place = found.end()
        tests.append(_test(found))
        if equal is None and found["sign"] in ("=", "=="):
            equal = found["key"], found["value"]
    return LabelSelector(tuple(tests), equal)


def _test(found: re.Match[str]) -> Callable[[Labels], bool]:
    key = found["absent"] or found["key"]
    if found["absent"]:
        return lambda labels: key not in labels
    if found["sign"] == "!=":
        return lambda labels: labels.get(key) != found["value"]
    if found["sign"]:
        return lambda labels: labels.get(key) == found["value"]
    if found["word"]:
        values = {one.strip() for one in found["values"].split(",")}
        wanted = found["word"] == "in"
        return lambda labels: (labels.get(key) in values) is wanted
    return lambda labels: key in labels


@dataclass(frozen=True)
class FieldSelector:
    """A selector over fields: path, value, and whether it must have it or must not."""

    terms: tuple[tuple[tuple[str, ...], str, bool], ...] = ()

    def matches(self, body: Mapping[str, Any]) -> bool:
        """Whether an object is meant; a field that is absent is like an empty one."""
        return all((_text(body, path) == value) is wanted for path, value, wanted in self.terms)


@lru_cache(maxsize=4096)
def field_selector(text: str, known: Collection[str]) -> FieldSelector:
    """The selector that a text like `a.b=c,d!=e` means.

    Args:
        text: the selector.
        known: the fields that objects of the kind can be selected by.

    Raises:
        RejectedError: it cannot be read, or names another field.
    """
    terms, place = [], 0
    while place < len(text):
        found = _FIELD.match(text, place)
        if found is None:
            raise answers.bad_request(f"invalid selector: '{text[place:]}'; can't understand it")
        if found["path"] not in known:
            raise answers.bad_request(f"field label not supported: {found['path']}")
        place = found.end()
        terms.append((tuple(found["path"].split(".")), found["value"], found["sign"] != "!="))
    return FieldSelector(tuple(terms))


def _text(body: Any, path: tuple[str, ...]) -> str:
    for step in path:
        body = body.get(step) if isinstance(body, Mapping) else None
    return str(body).lower() if isinstance(body, bool) else "" if body is None else str(body)
