"""Command-line flags as data."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of an engine; `kind` reads its value, bool is a bare flag and `negatable` adds its --no- form.

    `several` takes one value or more.
    """

    name: str
    kind: Callable[[str], Any] = str
    default: Any = None
    choices: Sequence[Any] | None = None
    aliases: tuple[str, ...] = ()
    negatable: bool = False
    several: bool = False
    required: bool = False
    help: str = ""

    def add_to(self, group: argparse._ArgumentGroup) -> None:
        """Declare this flag."""
        names = [f"--{name}" if name[0] != "-" else name for name in (self.name, *self.aliases)]
        keywords: dict[str, Any] = {"dest": self.name.replace("-", "_"), "default": self.default, "help": self.help}
        if self.negatable:
            group.add_argument(*names, action=argparse.BooleanOptionalAction, **keywords)
        elif self.kind is bool:
            keywords["default"] = bool(self.default)
            group.add_argument(*names, action="store_true", **keywords)
        else:
            keywords |= {"type": self.kind, "choices": self.choices, "required": self.required}
            keywords |= {"nargs": "+"} if self.several else {}
            group.add_argument(*names, **keywords)


def json_object(text: str) -> Any:
    """A JSON value, refused in vLLM's words."""
    try:
        return json.loads(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"Value {text} cannot be converted to {json.loads}.") from None


class Parser(argparse.ArgumentParser):
    """A parser that takes flags only in full and refuses the rest as argparse does: usage text, exit code 2."""

    def __init__(self, prog: str, description: str = "") -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False)

    def add_flags(self, title: str, flags: Sequence[Flag]) -> None:
        """Declare a titled group of flags."""
        group = self.add_argument_group(title)
        for flag in flags:
            flag.add_to(group)
