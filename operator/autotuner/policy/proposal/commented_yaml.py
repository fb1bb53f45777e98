"""YAML for people: every entry may say why it is as it is."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from autotuner import yaml_text

_WIDTH = 100


@dataclass(frozen=True)
class Entry:
    """One field, or one item of a list.

    Attributes:
        key: of the field; empty for an item of a list.
        value: plain data, in one line; or entries below it, which are all fields or all items.
        why: comments above it, each from a line of its own on.
    """

    key: str
    value: Any
    why: Sequence[str] = ()


def written(entries: Iterable[Entry]) -> str:
    """The text of these fields."""
    return "".join(f"{line}\n" for entry in entries for line in _lines(entry, ""))


def _lines(entry: Entry, indent: str) -> Iterator[str]:
    for comment in entry.why:
        yield from _wrapped(comment, f"{indent}# ")
    name = f"{entry.key}:" if entry.key else "-"
    if not _is_nested(entry.value):
        yield f"{indent}{name} {yaml_text.in_one_line(entry.value)}"
        return
    yield f"{indent}{name}"
    for below in entry.value:
        yield from _lines(below, f"{indent}  ")


def _wrapped(comment: str, begin: str) -> list[str]:
    """The lines of a comment; names with dashes in them stay whole."""
    return textwrap.wrap(
        " ".join(comment.split()),
        _WIDTH,
        initial_indent=begin,
        subsequent_indent=begin,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _is_nested(value: Any) -> bool:
    return isinstance(value, Sequence) and len(value) > 0 and all(isinstance(one, Entry) for one in value)
