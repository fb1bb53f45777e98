"""Checks of flags before a GPU is touched."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from autotuner.api.parameters import SearchParameter, Variant
from autotuner.engines import arguments, json_flags
from autotuner.engines.arguments import Argument, Value
from autotuner.engines.flag_table import Flag, FlagTable, order
from autotuner.validation_messages import Finding, Kind

_SIMULATED = "sim-"  # the names of the simulated engine's own flags begin so (docs/simulator.md)
_EXPANDED = "{{"  # begins a template in the values of a serving object


class EngineFlags(Protocol):
    """What the checks ask of an engine."""

    @property
    def reserved(self) -> Mapping[str, str]:
        """Flags that users must not set -> what to do instead."""

    @property
    def aliases(self) -> Mapping[str, str]:
        """Spellings that the engine takes besides those of its package -> the canonical name."""

    @property
    def tables(self) -> Sequence[FlagTable]:
        """The flags of every known release, the oldest first."""

    def canonical(self, name: str) -> str:
        """One name for all spellings of a flag."""

    def flag_of(self, token: str) -> str | None:
        """The flag that a token begins with."""


@dataclass(frozen=True)
class Checker:
    """Judges what a user wrote.

    Attributes:
        engine: whose flags they are.
        table: the flags that its version knows; None if nothing is known.
        doubt: the kind of finding that tells what the table refuses where another one counts in the end; None where
            this one does.
        allow_unknown: the user says that the engine takes more than the table knows.
        simulated: it is the simulated engine, which has flags of its own beside those of the engine that it plays.
        json_keys: JSON flag -> all keys that it takes; a flag that is not there may take any.
    """

    engine: EngineFlags
    table: FlagTable | None
    doubt: Kind | None
    allow_unknown: bool
    simulated: bool = False
    json_keys: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def arguments(self, args: Sequence[str], field: str) -> Iterator[Finding]:
        """What is wrong with the list of arguments in a field; each finding is about `field[index]`."""
        for index, token in enumerate(args):
            if _EXPANDED in token:
                yield Finding(f"{field}[{index}]", Kind.TEMPLATE_IN_VALUE)
        for argument in arguments.parse(args):
            finding = self._argument(argument, f"{field}[{argument.index}]")
            if finding:
                written = argument.spelling or argument.values[0]
                quoted = f"{written}=" if argument.joined and not argument.values[0] else written
                yield replace(finding, argument=quoted)

    def _argument(self, argument: Argument, field: str) -> Finding | None:
        flag = self.engine.flag_of(argument.spelling) if argument.spelling else None
        if flag is not None and flag in self.engine.reserved:
            return Finding(field, Kind.FLAG_RESERVED, {"instead": self.engine.reserved[flag]})
        if finding := _malformed(argument, field):
            return finding
        known = self._known(argument.spelling, field)
        if not isinstance(known, Flag):
            return self._judged(known)
        return self._judged(_misused(known, argument, field) or self._unknown_key(flag or "", argument.values, field))

    def _unknown_key(self, flag: str, values: Sequence[str], field: str) -> Finding | None:
        """The first key of a JSON flag that its engine does not take.

        Args:
            flag: canonical; of a part of the JSON with its key.
            values: that the flag is given.
            field: where they are written.
        """
        name, dot, part = flag.partition(".")
        known = self.json_keys.get(name)
        if known is None:
            return None
        given = [part.partition(".")[0].rstrip("+")] if dot else [key for one in values for key in json_flags.keys(one)]
        for key in given:
            if key not in known:
                details = {"engine": str(self.table), "flag": name, "key": key}
                if meant := difflib.get_close_matches(key, known, n=1):
                    return Finding(field, Kind.JSON_KEY_MISSPELT, {**details, "meant": meant[0]})
                return Finding(field, Kind.JSON_KEY_UNKNOWN, details)
        return None

    def _judged(self, finding: Finding | None) -> Finding | None:
        """What the table finds wrong, with how sure that is; None where the user knows better."""
        if finding is None or self.allow_unknown:
            return None
        finding = replace(finding, details={"engine": str(self.table), **finding.details})
        return finding if self.doubt is None else replace(finding, kind=self.doubt, details={"complaint": finding})

    def _known(self, spelling: str, field: str, dashes: str = "--") -> Flag | Finding | None:
        """The flag of a spelling; what is wrong if there is none; None if that cannot be told.

        Args:
            spelling: with its dashes.
            field: where it is written.
            dashes: before the names that a finding proposes.
        """
        if self.table is None or self.table.says_all(spelling):
            return None
        name = spelling.lstrip("-")
        found = self.table.find(name) or self.table.find(self.engine.aliases.get(name, name))
        if found is not None:
            short = spelling.removeprefix("--") in self.engine.aliases and self.table.abbreviates(spelling)
            if self.table.takes(spelling) or short:
                return found
            return Finding(field, Kind.SPELLING_UNKNOWN, {"meant": f"{dashes}{found.name}"})
        if self.simulated and name.startswith(_SIMULATED):
            return None
        return self._missing(name.replace("_", "-"), field, dashes)

    def _missing(self, name: str, field: str, dashes: str) -> Finding:
        """What to say of a flag that this release does not have: other releases may have it."""
        assert self.table is not None
        releases = [one for one in self.engine.tables if one.find(name)]
        for release in releases:  # it may be another spelling of what this one has too
            flag = release.find(name)
            if flag and (own := self.table.find(flag.name)) and (says := self._spelled(own, release.negates(name))):
                return Finding(field, Kind.FLAG_MISSPELT, {"meant": f"{dashes}{says}"})
        earlier = [one for one in releases if order(one.version) < order(self.table.version)]
        if earlier and (instead := self._renamed(name)):
            return Finding(field, Kind.FLAG_RENAMED, {"meant": " or ".join(f"{dashes}{one}" for one in instead)})
        if earlier:
            return Finding(field, Kind.FLAG_GONE, {"last": earlier[-1].version})
        if releases:
            return Finding(field, Kind.FLAG_TOO_NEW, {"first": releases[0].version})
        if meant := self.table.closest(name):
            return Finding(field, Kind.FLAG_MISSPELT, {"meant": f"{dashes}{meant}"})
        return Finding(field, Kind.FLAG_UNKNOWN)

    @staticmethod
    def _spelled(flag: Flag, negated: bool) -> str:
        """How a flag is said, or its opposite; empty if it has none."""
        return next((one.lstrip("-") for one in flag.negations), "") if negated else flag.name

    def _renamed(self, name: str, seen: frozenset[str] = frozenset()) -> tuple[str, ...]:
        """What a flag that is gone is called in this release; the names may have changed more than once."""
        assert self.table is not None
        known = (one.find(name) for one in reversed(self.engine.tables))
        instead = next((flag.renamed for flag in known if flag and flag.renamed), ())
        found: list[str] = []
        for one in instead:
            if self.table.find(one):
                found.append(one)
            elif one not in seen:
                found += self._renamed(one, seen | {name})
        return tuple(dict.fromkeys(found))

    def parameters(self, parameters: Sequence[SearchParameter], fixed: Sequence[str]) -> Iterator[Finding]:
        """What is wrong with search parameters; each finding is about `parameters[name]` or a part of it.

        Args:
            parameters: of the task.
            fixed: its `runtime.extraArgs`, which must not set the same flags.
        """
        fixed_at = {flag: index for index, token in enumerate(fixed) if (flag := self.engine.flag_of(token))}
        searched: dict[str, str] = {}
        for parameter in parameters:
            field = f"parameters[{parameter.name}]"
            if parameter.variants is not None:
                yield from self._variants(parameter.variants, field, fixed_at)
                continue
            yield from self._parameter(parameter, field)
            flag = self.engine.canonical(parameter.name)
            if flag in searched:
                yield Finding(field, Kind.FLAG_SEARCHED_TWICE, {"other": searched[flag]})
            if flag in fixed_at:
                yield Finding(field, Kind.FLAG_FIXED_TOO, {"index": fixed_at[flag]})
            searched.setdefault(flag, parameter.name)

    def _variants(self, variants: Sequence[Variant], field: str, fixed_at: Mapping[str, int]) -> Iterator[Finding]:
        for variant in variants:
            inside = f"{field}.variants[{variant.name}].args"
            yield from self.arguments(variant.args, inside)
            for index, token in enumerate(variant.args):
                at = fixed_at.get(self.engine.flag_of(token) or "")
                if at is not None:
                    yield Finding(f"{inside}[{index}]", Kind.FLAG_FIXED_TOO, {"index": at})

    def _parameter(self, parameter: SearchParameter, field: str) -> Iterator[Finding]:
        flag = self.engine.canonical(parameter.name)
        if flag in self.engine.reserved:
            yield Finding(field, Kind.FLAG_RESERVED, {"instead": self.engine.reserved[flag]})
            return
        known = self._known(f"--{parameter.name}", field, dashes="")
        found: list[Finding | None] = [known] if isinstance(known, Finding) else []
        if isinstance(known, Flag):
            offered = [arguments.text(one) for one in parameter.choices or parameter.values or []]
            found = [*_misoffered(known, parameter, field), self._unknown_key(flag, offered, field)]
        yield from filter(None, map(self._judged, found))
        if any(_EXPANDED in choice for choice in parameter.choices or []):
            yield Finding(field, Kind.TEMPLATE_IN_VALUE)


def _malformed(argument: Argument, field: str) -> Finding | None:
    """What is wrong with an argument, whatever its flag takes."""
    if not argument.spelling:
        return Finding(field, Kind.NOT_A_FLAG)
    if any(character.isspace() for character in argument.spelling):
        meant = "=".join(argument.spelling.split(maxsplit=1))
        return Finding(field, Kind.FLAG_MIXED_WITH_VALUE, {"meant": meant})
    if argument.joined and not argument.values[0]:
        return Finding(field, Kind.VALUE_MISSING)
    return None


def _misused(flag: Flag, argument: Argument, field: str) -> Finding | None:
    """What is wrong with the values that follow a flag."""
    if not flag.takes_value:
        return Finding(field, Kind.SWITCH_WITH_VALUE) if argument.values else None
    if not argument.values:
        return None if flag.kind == "list" else Finding(field, Kind.VALUE_MISSING)
    if flag.kind != "list" and len(argument.values) > 1:
        return Finding(field, Kind.VALUES_TOO_MANY, {"count": len(argument.values)})
    for value in argument.values:
        if refusal := flag.refuses(value):
            return Finding(field, Kind.VALUE_REFUSED, {"value": value, "refusal": refusal})
    return None


def _misoffered(flag: Flag, parameter: SearchParameter, field: str) -> Iterator[Finding]:
    """What is wrong with the values that a parameter offers for its flag."""
    if parameter.toggle:
        if flag.takes_value:
            yield Finding(field, Kind.TOGGLE_OF_VALUE)
        return
    if not flag.takes_value:
        yield Finding(field, Kind.VALUES_OF_SWITCH)
        return
    if parameter.range is not None:
        if parameter.range.type == "Float" and flag.kind == "int":
            yield Finding(field, Kind.RANGE_NOT_WHOLE)
            return
        offered: dict[str, Sequence[Value]] = {"range.min": [parameter.range.min], "range.max": [parameter.range.max]}
    else:
        offered = {"values": parameter.values or [], "choices": parameter.choices or []}
    for part, values in offered.items():
        for value in values:
            if refusal := flag.refuses(arguments.text(value)):
                yield Finding(field, Kind.OFFER_REFUSED, {"part": part, "value": value, "refusal": refusal})
