"""The commands in our documents."""

from __future__ import annotations

import re

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """What a document has its reader type: lines of console blocks that begin with `$ `, continued after a backslash.

    Raises:
        ValueError: a console block with a line that is neither.
    """
    found = []
    for block in _BLOCK.findall(text):
        lines = re.sub(r"\\\n\s*", "", block).splitlines()
        if stray := [line for line in lines if not line.startswith("$ ")]:
            raise ValueError(f"not a command: {stray[0]}")
        found += [line.removeprefix("$ ") for line in lines]
    return found
