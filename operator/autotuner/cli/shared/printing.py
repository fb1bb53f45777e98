"""How commands print what they list: aligned columns for people, documents and names for programs."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from autotuner import clock, yaml_text

WIDTH = 80  # where nobody says how wide the terminal is
_GAP = "   "
_NARROWEST = 12
NONE = "-"
_AGES = ((86400.0, "d"), (3600.0, "h"), (60.0, "m"))


def width() -> int:
    """The columns of the terminal; WIDTH where the output is none."""
    return shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, wide: int = WIDTH, headers: bool = True, fixed: int = 1
) -> str:
    """The lines of a table whose columns are aligned.

    Args:
        heads: of the columns.
        rows: their cells; an empty cell is printed as a dash.
        wide: characters of a line; longer cells of the widest columns are cut, and end with an ellipsis.
        headers: print the heads.
        fixed: columns at the beginning that are never cut: somebody copies names.
    """
    cells = [[_plain(cell) for cell in row] for row in rows]
    lines = [list(heads), *cells] if headers else cells
    if not lines:
        return ""
    widths = [max(len(line[place]) for line in lines) for place in range(len(heads))]
    spare = wide - len(_GAP) * (len(widths) - 1)
    while sum(widths) > spare:
        widest = max(range(fixed, len(widths)), key=widths.__getitem__, default=None)
        if widest is None or widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
    return "".join(f"{_line(line, widths)}\n" for line in lines)


def _line(line: Sequence[str], widths: Sequence[int]) -> str:
    padded = [_cut(cell, size).ljust(size) for cell, size in zip(line, widths, strict=True)]
    return _GAP.join(padded).rstrip()


def _cut(cell: str, size: int) -> str:
    return cell if len(cell) <= size else f"{cell[: size - 1]}…"


def _plain(cell: str) -> str:
    """A cell in one line, without characters that steer a terminal: others wrote it."""
    return "".join(one if one.isprintable() else " " for one in " ".join(cell.split())) or NONE


def text(words: str) -> str:
    """Lines of others without what steers a terminal."""
    return "".join(one if one.isprintable() or one == "\n" else " " for one in words)


def document(body: Any, form: str) -> str:
    """A document as JSON or YAML."""
    if form == "json":
        return json.dumps(body, indent=2, ensure_ascii=False) + "\n"
    return yaml_text.dump(body, yaml_text.BlockDumper)


def age(since: str | None, now: datetime) -> str:
    """How long ago something was, as kubectl tells it: `5d`, `3h`, `12m`, `40s`."""
    seconds = clock.seconds_between(since, clock.stamp(now))
    if seconds is None:
        return NONE
    for size, unit in _AGES:
        if seconds >= 2 * size:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:.0f}s"
