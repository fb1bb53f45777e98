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
# How 1024 is written, if it is -> what a number may end with. Only thousands may be parts of one.
_UNITS = {"Ki": r"((\.[0-9]+)?[kMGT]|[KMGT]i)?", "K": r"((\.[0-9]+)?[kmgt]|[KMGT])?", "k": r"((\.[0-9]+)?[kmgt])?"}
_LONGEST_VERSION = 8  # numbers, marks of pre-releases included

Bounds = Mapping[str, float]
FlagDocument = Mapping[str, Any]


@dataclass(frozen=True)
class Flag:
    """One flag of an engine.

    Attributes:
        name: without dashes.
        kind: what may follow it. switch: nothing. boolean: nothing, and it has a `--no-` form. size: a number with a
            unit (4k). list: any number of words.
        choices: the only values there are; empty where they are not known.
        aliases: other spellings that say the same, with their dashes.
        negations: spellings that say the opposite, with their dashes; a boolean has its `--no-` form at least.
        nullable: `None` is a value.
        bounds: ge, gt, le, lt of a number.
        units: of a size, those of k (1000), K and Ki (1024) that it takes; the larger ones go with them.
        auto: a size may be `auto` or -1.
        default: what its parser takes when nobody sets it; None where that is None, computed, or off.
        renamed: flags that its maker tells people to use instead; empty while it is not deprecated.
    """

    name: str
    kind: FlagKind
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    negations: tuple[str, ...] = ()
    nullable: bool = False
    bounds: Bounds = field(default_factory=dict)
    units: tuple[str, ...] = ()
    auto: bool = False
    default: Any = None
    renamed: tuple[str, ...] = ()

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
        if self.kind == "size" and not self._is_size(text):
            return f"{text} is not a size; write {', '.join(['a number', *(f'4{one}' for one in self.units)])}"
        if self.choices and text not in self.choices:
            return f"{text} is none of its values; choose one of {', '.join(self.choices)}"
        if self.kind in ("int", "float", "size"):
            return self._out_of_bounds(text)
        return None

    def _is_size(self, text: str) -> bool:
        if text in ("auto", "-1"):
            return self.auto
        ends = next((pattern for unit, pattern in _UNITS.items() if unit in self.units), "")
        return re.fullmatch(f"[0-9]+{ends}", text) is not None

    def _out_of_bounds(self, text: str) -> str | None:
        number = float(text.replace("auto", "-1").rstrip("kKmMgGtTi"))
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
        """The flag of a name, given without leading dashes, whatever its spelling; those that negate it included."""
        name = name.replace("_", "-")
        return self._by_name.get(name) or self._by_negation.get(name) or self._part(name)

    def negates(self, name: str) -> bool:
        """Whether a spelling, given without leading dashes, says the opposite of its flag."""
        return name.replace("_", "-") in self._by_negation

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

    def abbreviates(self, spelling: str) -> bool:
        """Whether a spelling begins one flag only, which Python's parser takes for that flag."""
        begun = {
            flag.name for flag in self.flags for one in (f"--{flag.name}", *flag.aliases) if one.startswith(spelling)
        }
        return len(begun) == 1

    def says_all(self, spelling: str) -> bool:
        """Whether flag and value are one word, as in -O3."""
        one_word = self.leniency.one_word
        return one_word is not None and one_word.fullmatch(spelling) is not None

    def closest(self, name: str) -> str | None:
        """The name that was probably meant: the one that it begins, else the one that looks most like it.

        Never the opposite: of a switch that says the contrary, the spelling that negates it is proposed.
        """
        name = name.replace("_", "-")
        begun = {flag.name for known, flag in self._by_name.items() if known.startswith(name)}
        if len(begun) == 1:
            return begun.pop()
        known = [*self._by_name, *self._by_negation]
        alike = [one for one in known if _says_on(one) == _says_on(name)]
        same = [one for one in alike if _subject(one) == _subject(name)]
        found = same[:1] or difflib.get_close_matches(name, alike, n=1, cutoff=0.75)
        if not found:
            return None
        if self.takes(f"--{found[0]}"):
            return found[0]
        return self._by_name[found[0]].name if found[0] in self._by_name else None

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """Other spelling -> name, both without dashes."""
        return {alias.lstrip("-"): flag.name for flag in self.flags for alias in flag.aliases}

    @cached_property
    def _spellings(self) -> frozenset[str]:
        return frozenset(
            spelling for flag in self.flags for spelling in (f"--{flag.name}", *flag.aliases, *flag.negations)
        )

    @cached_property
    def names(self) -> frozenset[str]:
        """All long names."""
        return frozenset(flag.name for flag in self.flags)

    @cached_property
    def _by_negation(self) -> Mapping[str, Flag]:
        own = {flag.name: flag for flag in self.flags}
        found = {spelling.lstrip("-"): flag for flag in self.flags for spelling in flag.negations}
        # --no-disable-x of an older parser; a flag of that very name is itself.
        return {name: flag for name, flag in found.items() if name not in own}

    @cached_property
    def _by_name(self) -> Mapping[str, Flag]:
        own = {flag.name: flag for flag in self.flags}
        return {**{alias: own[name] for alias, name in self.aliases.items()}, **own}


def _says_on(name: str) -> bool:
    """Whether a switch of this name turns its subject on, as far as its words tell."""
    return sum(word in ("no", "disable") for word in name.split("-")[:2]) % 2 == 0


def _subject(name: str) -> str:
    """What a switch of this name is about."""
    return re.sub(r"^(no-)?(enable-|disable-)?", "", name)


def nearest(known: Sequence[FlagTable], version: str) -> FlagTable | None:
    """The table of a version: the newest known one that is not newer, else the oldest; None if none is known.

    Args:
        known: by version, the oldest first.
        version: empty for the newest known.
    """
    if not known or not version:
        return known[-1] if known else None
    older = [one for one in known if order(one.version) <= order(version)]
    return older[-1] if older else known[0]


@dataclass(frozen=True)
class Release:
    """What is known of one version of an engine's package.

    Attributes:
        version: of the package.
        built: the day on which its wheel was built, as 2026-11-30.
        flags: name -> the flag as its document tells it.
    """

    version: str
    built: str
    flags: Mapping[str, Mapping[str, Any]]


def shipped(package: str) -> list[FlagDocument]:
    """What this package ships about an engine's versions, as packaging/engine_flags.py writes it."""
    folder = resources.files("autotuner.engines") / "data"
    return [
        json.loads(item.read_text())
        for item in folder.iterdir()
        if item.name.startswith(f"{package}-") and item.name.endswith(".json")
    ]


def releases(documents: Iterable[FlagDocument]) -> list[Release]:
    """The releases that documents tell of, the oldest first.

    Args:
        documents: a document for each; one that `follows` the release before tells what differs from it.
    """
    found: list[Release] = []
    for document in sorted(documents, key=lambda one: order(one["version"])):
        known = dict(found[-1].flags) if "follows" in document else {}
        for name in document.get("gone", ()):
            del known[name]
        known |= {flag["name"]: flag for flag in document["flags"]}
        found.append(Release(document["version"], document.get("built", ""), known))
    return found


def read(
    documents: Iterable[FlagDocument], engine: str, bounds: Mapping[str, Bounds], leniency: Leniency
) -> tuple[FlagTable, ...]:
    """Read an engine's tables, by version, the oldest first. Versions share the flags in which they do not differ.

    Args:
        documents: as packaging/engine_flags.py writes them.
        engine: what messages call it.
        bounds: flag, by any of its names -> bounds that the engine keeps in its code, not in its parser.
        leniency: of the engine's parser.
    """
    made: dict[int, Flag] = {}

    def flag(item: Mapping[str, Any]) -> Flag:
        if id(item) not in made:
            names = (item["name"], *(alias.lstrip("-") for alias in item.get("aliases", ())))
            made[id(item)] = _flag(item, next((bounds[name] for name in names if name in bounds), {}))
        return made[id(item)]

    found = releases(documents)  # holds all items, so that no two have the same identity
    return tuple(FlagTable(engine, one.version, tuple(map(flag, one.flags.values())), leniency) for one in found)


def _flag(item: Mapping[str, Any], bounds: Bounds) -> Flag:
    return Flag(
        name=item["name"],
        kind=item["kind"],
        choices=tuple(item.get("choices", ())),
        aliases=tuple(item.get("aliases", ())),
        negations=tuple(item.get("negations", (f"--no-{item['name']}",) if item["kind"] == "boolean" else ())),
        nullable=item.get("nullable", False),
        units=tuple(item.get("units", ())),
        auto=item.get("auto", False),
        bounds={**{bound: item[bound] for bound in ("ge", "gt", "le", "lt") if bound in item}, **bounds},
        default=item.get("default"),
        renamed=tuple(item.get("renamed", ())),
    )


def order(version: str) -> tuple[int, ...]:
    """A version as numbers that can be compared: 0.5.5 < 0.5.5.post3 < 0.5.6.dev2 < 0.5.6rc1 < 0.5.6."""
    parts = re.findall(r"(a|b|rc|dev|post)?\.?([0-9]+)", version)
    marks = {"": (), "post": (1,), "dev": (-4,), "a": (-3,), "b": (-2,), "rc": (-1,)}
    numbers = [number for mark, digits in parts for number in (*marks[mark], int(digits))]
    return (*numbers, *([0] * (_LONGEST_VERSION - len(numbers))))
