"""What the commands that list have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from typer import Option, echo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autotuner.api.common import Model
    from autotuner.cli.cluster.catalogue import Catalogue
    from autotuner.cli.shared.cluster_access import Where

Offline = Annotated[bool, Option("--offline", help="Only what is shipped: ask no cluster.")]


def read_catalogue(where: Where, *, offline: bool) -> Catalogue:
    """Read models and runtimes; what may not be read is told on standard error, and left out."""
    import asyncio

    from autotuner.cli.cluster import catalogue
    from autotuner.cli.shared import cluster_access

    found = asyncio.run(catalogue.read(None)) if offline else cluster_access.use(where, catalogue.read)
    for one in found.unread:
        echo(f"autotuner: left out: {one}", err=True)
    return found


def print_rows(
    rows: Sequence[Any],
    record: type[Model],
    shown: tuple[Sequence[str], Sequence[Sequence[str]]],
    output: str,
    *,
    headers: bool,
) -> None:
    """Print a list.

    Args:
        rows: the records, for programs.
        record: their class.
        shown: heads and cells, for people; names come first.
        output: text, json, yaml or name.
        headers: print the heads.
    """
    from autotuner.cli.shared import printing, records

    heads, cells = shown
    if output == "text":
        echo(printing.table(heads, cells, wide=printing.width(), headers=headers), nl=False)
    elif output == "name":
        echo("".join(f"{cell[0]}\n" for cell in cells), nl=False)
    else:
        echo(printing.document(records.listed(list(rows), record), output), nl=False)
