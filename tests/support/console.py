"""The commands in our documents, and the programs that they call."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from testbed.gomodule import GoModule

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_STAMP = "k8s.io/component-base/version"
_KUBECTL = GoModule(
    Path(__file__).parents[1] / "kubectl",
    ("main.go", "go.mod", "go.sum"),
    ("-buildvcs=false", "-ldflags", f"-s -w -X {_STAMP}.gitVersion=v1.34.4"),
    "kubectl",
    "or install kubectl",
)


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


def kubectl() -> Path:
    """This machine's kubectl, or else one that is built, once."""
    program = shutil.which("kubectl")
    return Path(program) if program else _KUBECTL.build("kubectl")
