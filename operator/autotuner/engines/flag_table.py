"""The flags that each version of an engine knows, as data read out of its published package."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import resources
from typing import Any, Literal

from autotuner.engines import json_flags

FlagKind = Literal["switch", "boolean", "int", "float", "size", "str", "json", "list"]

_WHOLE = re.compile(r"-?[0-9]+")
_DECIMAL = re.compile(r"-?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_UNITS = "kKmMgGtT"
_SIZE = re.compile(rf"-1|auto|[0-9]+(\.[0-9]+)?[{_UNITS}]?")
_VERSION = re.compile(r"v?([0-9]+(?:\.[0-9]+)+(?:\.?post[0-9]+)?)")

Bounds = Mapping[str, float]
FlagDocument = Mapping[str, Any]


@dataclass(frozen=True)
class Flag:
    """One flag of an engine.

    Attributes:
        name: without dashes.
        kind: what may follow it. switch: nothing. boolean: nothing, and it has a `--no-` form. size: a number with a
            unit (4k), or auto. list: any number of words.
        choices: the only values there are; empty where they are not known.
        aliases: other spellings, with their dashes.
        nullable: `None` is a value.
        bounds: ge, gt, le, lt of a number.
    """

    name: str
    kind: FlagKind
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    nullable: bool = False
    bounds: Bounds = field(default_factory=dict)

    @property
    def takes_value(self) -> bool:
        """Whether words follow it."""
        return self.kind not in ("switch", "boolean")

    def refuses(self, text: str) -> str | None:
        """Why a value is none of this flag's, and which are; None if it may be one."""
        if self.nullable and text == "None":
            return None
        if self.kind == "int" and not _WHOLE.fullmatch(text):
            return f"{text} is not a whole number"
        if self.kind == "float" and not _DECIMAL.fullmatch(text):
            return f"{text} is not a number"
        if self.kind == "json" and (why := json_flags.fault(text)):
            return why
        if self.kind == "size" and not _SIZE.fullmatch(text):
            return f"{text} is not a size; write a number, 4k or auto"
        if self.choices and text not in self.choices:
            return f"{text} is none of its values; choose one of {', '.join(self.choices)}"
        if self.kind in ("int", "float", "size"):
            return self._out_of_bounds(text)
        return None

    def _out_of_bounds(self, text: str) -> str | None:
        number = float(text.replace("auto", "-1").rstrip(_UNITS))
        words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
        kept = {
            "ge": lambda bound: number >= bound,
            "gt": lambda bound: number > bound,
            "le": lambda bound: number <= bound,
            "lt": lambda bound: number < bound,
        }
        if all(kept[name](bound) for name, bound in self.bounds.items()):
            return None
        return f"{text} is out of range; it must be " + " and ".join(
            f"{words[name]} {bound:g}" for name, bound in self.bounds.items()
        )


@dataclass(frozen=True)
class Leniency:
    """What an engine's parser takes beyond the spellings that its package tells.

    Attributes:
        underscores: `--a_b` for `--a-b`.
        json_parts: `--a.key=1` for a part of the JSON that `--a` takes.
        one_word: words that are flag and value in one, as in -O3; None if there are none.
    """

    underscores: bool
    json_parts: bool
    one_word: re.Pattern[str] | None


STRICT = Leniency(underscores=False, json_parts=False, one_word=None)


@dataclass(frozen=True)
class FlagTable:
    """All flags of one version of an engine.

    Attributes:
        engine: what messages call it.
        version: of the engine's package.
        flags: all that this version has.
        leniency: of the engine's parser.
    """

    engine: str
    version: str
    flags: tuple[Flag, ...]
    leniency: Leniency

    def __str__(self) -> str:
        return f"{self.engine} {self.version}"

    def find(self, name: str) -> Flag | None:
        """The flag of a name, given without leading dashes, whatever its spelling; `no-` forms included."""
        name = name.replace("_", "-")
        return self._by_name.get(name) or self._negated(name) or self._part(name)

    def _negated(self, name: str) -> Flag | None:
        found = self._by_name.get(name.removeprefix("no-")) if name.startswith("no-") else None
        return found if found and found.kind == "boolean" else None

    def _part(self, name: str) -> Flag | None:
        whole, dot, _ = name.partition(".")
        found = self._by_name.get(whole) if dot and self.leniency.json_parts else None
        return replace(found, kind="str") if found and found.kind == "json" else None

    def takes(self, spelling: str) -> bool:
        """Whether the engine's parser knows a flag by this very spelling, dashes included."""
        if self.says_all(spelling):
            return True
        spelling = spelling.partition(".")[0]
        if self.leniency.underscores and spelling.startswith("--"):
            spelling = spelling.replace("_", "-")
        return spelling in self._spellings

    def says_all(self, spelling: str) -> bool:
        """Whether flag and value are one word, as in -O3."""
        one_word = self.leniency.one_word
        return one_word is not None and one_word.fullmatch(spelling) is not None

    def closest(self, name: str) -> str | None:
        """The name that was probably meant: the one that it begins, else the one that looks most like it."""
        name = name.replace("_", "-")
        begun = {flag.name for known, flag in self._by_name.items() if known.startswith(name)}
        if len(begun) == 1:
            return begun.pop()
        found = difflib.get_close_matches(name, self._by_name, n=1, cutoff=0.75)
        if not found:
            return None
        return found[0] if self.takes(f"--{found[0]}") else self._by_name[found[0]].name

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """Other spelling -> name, both without dashes."""
        return {alias.lstrip("-"): flag.name for flag in self.flags for alias in flag.aliases}

    @cached_property
    def _spellings(self) -> frozenset[str]:
        written = {spelling for flag in self.flags for spelling in (f"--{flag.name}", *flag.aliases)}
        booleans = {f"--no-{flag.name}" for flag in self.flags if flag.kind == "boolean"}
        return frozenset(written | booleans)

    @cached_property
    def names(self) -> frozenset[str]:
        """All long names."""
        return frozenset(flag.name for flag in self.flags)

    @cached_property
    def _by_name(self) -> Mapping[str, Flag]:
        own = {flag.name: flag for flag in self.flags}
        return {**{alias: own[name] for alias, name in self.aliases.items()}, **own}


def of_image(known: Sequence[FlagTable], package: str, image: str) -> FlagTable | None:
    """The table of the version that an image's tag names, or of the known one nearest to it; None if none is known.

    Args:
        known: by version, the oldest first.
        package: the engine's, which names its images' repositories too. Without it or a version in its tag, the newest
            known is meant: the tag of some other image is a version of something else.
        image: of the runtime.
    """
    if not known:
        return None
    repository, _, tag = image.partition("@")[0].rpartition(":")
    wanted = _VERSION.search(tag) if package in repository.lower() else None
    if wanted is None:
        return known[-1]
    older = [one for one in known if _order(one.version) <= _order(wanted.group(1))]
    return older[-1] if older else known[0]


def shipped(package: str) -> list[FlagDocument]:
    """What this package ships about an engine's versions: one document for each, as it was read out of `package`."""
    folder = resources.files("autotuner.engines") / "data"
    return [
        json.loads(item.read_text())
        for item in folder.iterdir()
        if item.name.startswith(f"{package}-") and item.name.endswith(".json")
    ]


def read(
    documents: Iterable[FlagDocument], engine: str, bounds: Mapping[str, Bounds], leniency: Leniency
) -> tuple[FlagTable, ...]:
    """Read an engine's tables, by version, the oldest first.

    Args:
        documents: as packaging/engine_flags.py writes them.
        engine: what messages call it.
        bounds: flag -> bounds that the engine keeps in its code, not in its parser.
        leniency: of the engine's parser.
    """
    tables = [
        FlagTable(
            engine, one["version"], tuple(_flag(item, bounds.get(item["name"], {})) for item in one["flags"]), leniency
        )
        for one in documents
    ]
    return tuple(sorted(tables, key=lambda one: _order(one.version)))


def _flag(item: Mapping[str, Any], bounds: Bounds) -> Flag:
    return Flag(
        name=item["name"],
        kind=item["kind"],
        choices=tuple(item.get("choices", ())),
        aliases=tuple(item.get("aliases", ())),
        nullable=item.get("nullable", False),
        bounds={**{bound: item[bound] for bound in ("ge", "gt", "le", "lt") if bound in item}, **bounds},
    )


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", version))
