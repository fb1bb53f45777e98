"""Command lines as lists of flags: reading, writing and merging them, whatever the engine."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

# vllm/utils/argparse_utils.py, human_readable_int: 4k are 4000, 4K are 4096.
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kmgtKMGT])")
_UNITS = {
    **{unit: 1000**power for power, unit in enumerate("kmgt", 1)},
    **{unit: 1024**power for power, unit in enumerate("KMGT", 1)},
}

Value = bool | int | float | str

# A digit after one dash is a negative number, that is a value; after two dashes it begins a flag's name.
_FLAG = re.compile(r"(--[A-Za-z0-9]|-[A-Za-z])[^=]*")


@dataclass(frozen=True)
class Argument:
    """One flag with its values as it occurs in a list, or a stray word.

    Attributes:
        spelling: with its dashes, for example `--tp-size`; empty for a word that belongs to no flag.
        values: what follows it; one for `--a=b`, none for a bare flag.
        joined: written as `--a=b`.
        index: where it begins in its list.
    """

    spelling: str
    values: tuple[str, ...]
    joined: bool
    index: int


def written(word: str) -> str:
    """A word with a number as it is written in configurations: 0.8 for 0.80; any other word as it is."""
    try:
        return text(float(word))
    except ValueError:
        return word


def with_unit(text: str) -> int | None:
    """The number that a text with a unit means; None if it is none."""
    size = _SIZE.fullmatch(text)
    return int(float(size.group(1)) * _UNITS[size.group(2)]) if size else None


def is_flag(token: str) -> bool:
    """Whether a token begins with a flag; negative numbers do not."""
    return _FLAG.fullmatch(token.partition("=")[0]) is not None


def parse(tokens: Sequence[str]) -> list[Argument]:
    """The flags of a list, each with the words that follow it up to the next flag."""
    found: list[Argument] = []
    for index, token in enumerate(tokens):
        if is_flag(token):
            spelling, equals, value = token.partition("=")
            found.append(Argument(spelling, (value,) if equals else (), bool(equals), index))
        elif found and found[-1].spelling and not found[-1].joined:
            found[-1] = replace(found[-1], values=(*found[-1].values, token))
        else:
            found.append(Argument("", (token,), False, index))
    return found


def tokens(argument: Argument) -> list[str]:
    """The argument as it is passed on: a single value joined by `=`, so that no word can be taken for another's.

    A short flag stays as it was written (not every program splits `-x=1`), and so does an empty value.
    """
    if not argument.spelling:
        return list(argument.values)
    joinable = argument.spelling.startswith("--") and len(argument.values) == 1 and argument.values[0]
    if argument.joined or joinable:
        return [f"{argument.spelling}={argument.values[0]}"]
    return [argument.spelling, *argument.values]


def merge(lists: Iterable[Sequence[str]], identity: Callable[[Argument], str]) -> list[str]:
    """Merge lists flag by flag: a flag of a later list replaces all its occurrences in the earlier ones.

    A replaced flag keeps its first place, new ones follow in their order; a flag that is repeated within one list
    stays repeated. Stray words come first, where no bare flag can take them for its value.

    Args:
        lists: from the weakest to the strongest.
        identity: the same for all spellings of a flag.
    """
    merged: list[Argument] = []
    for later in map(parse, lists):
        merged = _override(merged, later, identity)
    merged.sort(key=lambda argument: argument.spelling != "")
    return [token for argument in merged for token in tokens(argument)]


def _override(earlier: list[Argument], later: list[Argument], identity: Callable[[Argument], str]) -> list[Argument]:
    replacements: dict[str, list[Argument]] = defaultdict(list)
    for argument in later:
        replacements[identity(argument)].append(argument)
    result: list[Argument] = []
    placed: set[str] = set()
    for argument in earlier:
        flag = identity(argument)
        if flag not in replacements:
            result.append(argument)
        elif flag not in placed:
            result += replacements[flag]
            placed.add(flag)
    return result + [argument for argument in later if identity(argument) not in placed]


def text(value: Value) -> str:
    """A value as it is written on a command line: no exponent, no `.0`, booleans in lower case."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        number = format(Decimal(repr(value)), "f")
        return number.rstrip("0").rstrip(".") if "." in number else number
    return value
