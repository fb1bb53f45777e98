"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from autotuner.policy.conditions import shorten

_CELL_MAX = 200


def lines(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Heads, rule and rows; no cell can break the table."""
    yield _line(heads)
    yield _line(["---"] * len(heads))
    for row in rows:
        yield _line(row)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(shorten(" ".join(cell.split()), _CELL_MAX).replace("|", "\\|") for cell in cells) + " |"
