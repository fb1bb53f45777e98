"""Markdown: tables, and code in them or elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from autotuner.policy.conditions import shorten

_CELL_MAX = 200
_CODE_MAX = 180  # in a cell, beside its fences


def lines(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table: heads, rule and rows; no cell can break it."""
    yield _line(heads)
    yield _line(["---"] * len(heads))
    for row in rows:
        yield _line(row)


def code(text: str) -> str:
    """A text as code in one line; its own backticks do not end it."""
    words = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", words)), default=0))
    edge = " " if words.startswith("`") or words.endswith("`") else ""
    return f"{fence}{edge}{words}{edge}{fence}"


def code_cell(text: str) -> str:
    """A text as code in a cell of a table: it is cut before its end is marked."""
    return code(shorten(text, _CODE_MAX))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(shorten(" ".join(cell.split()), _CELL_MAX).replace("|", "\\|") for cell in cells) + " |"
