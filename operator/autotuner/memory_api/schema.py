"""Structural schemas of CustomResourceDefinitions, compiled once: what is pruned, filled in and refused.

Each walk over a value builds paths only for what it has to tell: a node tells them from itself on, and whoever is above
puts its own step before them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from autotuner.memory_api import patterns
from autotuner.memory_api.answers import FIELD, Cause
from autotuner.memory_api.cel_rules import Rule
from autotuner.memory_api.json_values import copied, scalar

_ABSENT = object()
_TWICE = 2
_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
_SCALARS: dict[str, set[type]] = {"string": {str}, "boolean": {bool}, "integer": {int}, "number": {int, float}}
_LIMITS = {
    *("enum", "pattern", "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "maxProperties"),
}


def compiled(document: Mapping[str, Any]) -> Schema:
    """The compiled form of an `openAPIV3Schema`."""
    return Schema(document)


class Schema:
    """One node of a structural schema, with those below it.

    Attributes:
        properties: the fields that are known by name.
        additional: the schema of all other fields, if they may have any name.
        items: of a list.
        list_type: atomic, set or map, as server-side apply and CEL take it.
        map_type: granular or atomic.
        has_defaults: whether something at or below the node is filled in.
        transitions: whether a rule at or below the node compares with what was before.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.properties = {name: Schema(part) for name, part in document.get("properties", {}).items()}
        more = document.get("additionalProperties")
        self.additional = Schema(more) if isinstance(more, dict) else None
        self.items = Schema(document["items"]) if "items" in document else None
        self.list_type: str = document.get("x-kubernetes-list-type", "atomic")
        self.map_type: str = document.get("x-kubernetes-map-type", "granular")
        self._keys = tuple(document.get("x-kubernetes-list-map-keys", ()))
        self._type: str = document.get("type", "")
        self._int_or_string = bool(document.get("x-kubernetes-int-or-string"))
        self._nullable = bool(document.get("nullable"))
        self._keeps_unknown = more is True or bool(document.get("x-kubernetes-preserve-unknown-fields"))
        self._required = tuple(document.get("required", ()))
        self._default = document.get("default", _ABSENT)
        self._defaulted = {name: part for name, part in self.properties.items() if part._default is not _ABSENT}
        self._limits = _Limits(document) if document.keys() & _LIMITS else None
        self._rules = tuple(Rule(rule) for rule in document.get("x-kubernetes-validations", ()))
        # A value of such a type needs no closer look.
        looked_at = self._limits is not None or self._int_or_string
        self._plain: frozenset[type] = frozenset(() if looked_at else _SCALARS.get(self._type, ()))
        parts = tuple(self._parts())
        self.has_defaults: bool = bool(self._defaulted) or any(part.has_defaults for part in parts)
        self.transitions: bool = any(rule.transition for rule in self._rules) or any(part.transitions for part in parts)
        self._ruled: bool = bool(self._rules) or any(part._ruled for part in parts)
        # What CEL sees differently from how it is kept.
        odd = self._type == "number" or (self.items is not None and self.list_type != "atomic")
        self._retyped: bool = odd or any(part._retyped for part in parts)
        self._filled_below = {name: part for name, part in self.properties.items() if part.has_defaults}
        self._ruled_below = {name: part for name, part in self.properties.items() if part._ruled}

    def _parts(self) -> Iterator[Schema]:
        yield from self.properties.values()
        yield from (part for part in (self.additional, self.items) if part is not None)

    def property(self, name: str) -> Schema | None:
        """The schema of a field; None if it has none."""
        return self.properties.get(name) or self.additional

    def identity(self, item: Any) -> Any:
        """What an item of a set or a list of named things is known by; None for those of other lists."""
        if self.list_type == "map" and type(item) is dict:
            return tuple(repr(item.get(key)) for key in self._keys)
        return repr(item) if self.list_type == "set" else None

    def _told(self, item: Any) -> str:
        """An item that is there twice, as it is told: of a named one, what it is known by."""
        keys = {key: item.get(key) for key in self._keys} if self.list_type == "map" and type(item) is dict else item
        return json.dumps(keys, separators=(",", ":"))

    # What is taken of a request.

    def taken(self, value: Any, unknown: list[str]) -> Any:
        """A copy of the value without unknown fields; numbers without a fraction are integers.

        Args:
            value: of the node; whatever has another type is copied as it is, for the validation to refuse.
            unknown: gets the paths of unknown fields, below this node: `.a.b[0]`.
        """
        kind = type(value)
        if kind is dict and (self.properties or self.additional or self._type == "object"):
            return self._taken_object(value, unknown)
        if kind is list and self.items is not None:
            return self._taken_list(self.items, value, unknown)
        if kind is dict and self._type and not self._keeps_unknown:
            unknown.extend(f".{name}" for name in value)  # where no field is, none is known
            return {}
        return copied(value) if kind is dict or kind is list else scalar(value)

    def _taken_object(self, value: dict[str, Any], unknown: list[str]) -> dict[str, Any]:
        result = {}
        properties, additional = self.properties, self.additional
        for name, part in value.items():
            kind, schema = type(part), properties.get(name) or additional
            if schema is not None:
                if kind is str or kind is int or kind is bool:
                    result[name] = part
                elif part is None and not schema._nullable:
                    continue  # null where it is not allowed is as good as absent
                else:
                    before = len(unknown)
                    result[name] = schema.taken(part, unknown)
                    if len(unknown) > before:
                        unknown[before:] = [f".{name}{path}" for path in unknown[before:]]
            elif self._keeps_unknown:
                result[name] = copied(part)
            else:
                unknown.append(f".{name}")
        return result

    def _taken_list(self, schema: Schema, value: list[Any], unknown: list[str]) -> list[Any]:
        result = []
        for place, one in enumerate(value):
            before = len(unknown)
            result.append(schema.taken(one, unknown))
            if len(unknown) > before:
                unknown[before:] = [f"[{place}]{path}" for path in unknown[before:]]
        return result

    def filled(self, value: Any) -> Any:
        """The value with defaults; itself if there is nothing to fill in."""
        if not self.has_defaults:
            return value
        kind = type(value)
        if kind is list and self.items is not None:
            items = [self.items.filled(one) for one in value]
            return value if all(new is old for new, old in zip(items, value, strict=True)) else items
        if kind is not dict:
            return value
        changes = {}
        for name, schema in self._filled_below.items():
            if name in value and (part := schema.filled(value[name])) is not value[name]:
                changes[name] = part
        if self.additional is not None and self.additional.has_defaults:
            changes |= {name: self.additional.filled(one) for name, one in value.items() if name not in self.properties}
        for name, schema in self._defaulted.items():
            if name not in value:
                changes[name] = schema.filled(copied(schema._default))
        return {**value, **changes} if changes else value

    # What is refused.

    def faults(self, value: Any, old: Any, causes: list[Cause]) -> None:
        """Find what the schema without its rules refuses, but for what was there before.

        Args:
            value: of the node.
            old: what it was; None if it was not.
            causes: gets what is wrong, with paths below this node.
        """
        if old is not None and value == old and type(value) is type(old):
            return
        if (cause := self._wrong_type(value)) is not None:
            causes.append(cause)
            return
        if self._limits is not None:
            self._limits.faults(value, causes)
        if type(value) is dict:
            self._faults_of_object(value, old if type(old) is dict else {}, causes)
        elif type(value) is list and self.items is not None:
            self._faults_of_list(self.items, value, old, causes)

    def _faults_of_object(self, value: dict[str, Any], old: dict[str, Any], causes: list[Cause]) -> None:
        causes.extend(Cause("FieldValueRequired", f".{name}", "") for name in self._required if name not in value)
        properties, additional = self.properties, self.additional
        for name, part in value.items():
            schema = properties.get(name) or additional
            if schema is None or type(part) in schema._plain:
                continue
            before = len(causes)
            schema.faults(part, old.get(name), causes)
            if len(causes) > before:
                _put_below(f".{name}", causes, before)

    def _faults_of_list(self, schema: Schema, value: list[Any], old: Any, causes: list[Cause]) -> None:
        known, seen = self._correlated(old), Counter[Any]()
        for place, one in enumerate(value):
            identity = self.identity(one)
            if identity is not None:
                seen[identity] += 1
                if seen[identity] == _TWICE:  # once for all of them
                    causes.append(Cause("FieldValueDuplicate", f"[{place}]", self._told(one)))
            if self.list_type == "map" and type(one) is not dict:
                words = "must be an object for an array of list-type map"
                causes.append(Cause("FieldValueInvalid", f"[{place}]", words))
            before = len(causes)
            schema.faults(one, known.get(identity), causes)
            if len(causes) > before:
                _put_below(f"[{place}]", causes, before)

    def _correlated(self, old: Any) -> dict[Any, Any]:
        """The items of a list of named things, by their identity; those of other lists are not compared."""
        return {self.identity(one): one for one in old} if self.list_type == "map" and type(old) is list else {}

    def _wrong_type(self, value: Any) -> Cause | None:
        if value is None and self._nullable:
            return None
        kind = _TYPES.get(type(value), "null")
        if self._int_or_string:
            fits = kind in ("integer", "string")
        else:
            fits = not self._type or kind == self._type or (self._type == "number" and kind == "integer")
        if fits:
            return None
        wanted = "integer or string" if self._int_or_string else self._type
        return Cause("FieldValueTypeInvalid", "", f'"{kind}": {FIELD} in body must be of type {wanted}: "{kind}"')

    def broken_rules(self, value: Any, old: Any, causes: list[Cause]) -> None:
        """Find the rules in CEL that do not hold; those of a value that did not change count if they compare.

        Args:
            value: of the node, valid but for the rules.
            old: what it was; None if it was not.
            causes: gets what is wrong, with paths below this node.
        """
        same = old is not None and value == old
        if not self._ruled or (same and not self.transitions):
            return
        if self._rules:
            self._own_broken_rules(value, old, causes, same=same)
        if type(value) is dict:
            earlier = old if type(old) is dict else {}
            for name, schema in self._ruled_parts(value):
                before = len(causes)
                schema.broken_rules(value[name], earlier.get(name), causes)
                if len(causes) > before:
                    _put_below(f".{name}" if name in self.properties else f"[{name}]", causes, before)
        elif type(value) is list and self.items is not None and self.items._ruled:
            known = self._correlated(old)
            for place, one in enumerate(value):
                before = len(causes)
                self.items.broken_rules(one, known.get(self.identity(one)), causes)
                if len(causes) > before:
                    _put_below(f"[{place}]", causes, before)

    def _ruled_parts(self, value: dict[str, Any]) -> Iterator[tuple[str, Schema]]:
        yield from ((name, schema) for name, schema in self._ruled_below.items() if name in value)
        if self.additional is not None and self.additional._ruled:
            yield from ((name, self.additional) for name in value if name not in self.properties)

    def _own_broken_rules(self, value: Any, old: Any, causes: list[Cause], *, same: bool) -> None:
        due = (rule for rule in self._rules if (old is not None if rule.transition else not same))
        for rule in due:
            if (cause := rule.broken(value, old, self)) is not None:
                told = f'"{self._type}": {cause.message}' if cause.reason == "FieldValueInvalid" else cause.message
                causes.append(cause._replace(message=told))

    def typed(self, value: Any) -> Any:
        """The value as CEL has it: what the schema calls a number is one, and sets and maps have no order."""
        if not self._retyped:
            return value
        if self._type == "number":
            return float(value) if type(value) is int else value
        if type(value) is list and self.items is not None:
            items = [self.items.typed(one) for one in value]
            return items if self.list_type == "atomic" else sorted(items, key=lambda one: str(self.identity(one)))
        if type(value) is dict:
            return {name: schema.typed(one) if (schema := self.property(name)) else one for name, one in value.items()}
        return value


def _put_below(step: str, causes: list[Cause], first: int) -> None:
    causes[first:] = [one._replace(field=f"{step}{one.field}") for one in causes[first:]]


class _Limits:
    """Enumerations, patterns, lengths and bounds of one node."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._enum = tuple(document["enum"]) if "enum" in document else None
        self._pattern: re.Pattern[str] | None = None
        if "pattern" in document:
            self._pattern = patterns.compiled(document["pattern"])
        self._text = document.get("pattern", "")
        self._at_least = tuple(document.get(name) for name in ("minLength", "minItems", "minimum"))
        self._at_most = tuple(document.get(name) for name in ("maxLength", "maxItems", "maximum"))
        self._properties = document.get("maxProperties")

    def faults(self, value: Any, causes: list[Cause]) -> None:
        """Find what exceeds the limits."""
        if self._enum is not None and not any(value == one and type(value) is type(one) for one in self._enum):
            known = ", ".join(f'"{one}"' if isinstance(one, str) else json.dumps(one) for one in self._enum)
            causes.append(Cause("FieldValueNotSupported", "", f"{json.dumps(value)}: supported values: {known}"))
        kind = type(value)
        if kind is str:
            if self._pattern is not None and self._pattern.search(value) is None:
                words = f"{json.dumps(value)}: {FIELD} in body should match '{self._text}'"
                causes.append(Cause("FieldValueInvalid", "", words))
            self._outside(value, len(value), 0, causes)
        elif kind is list:
            self._outside(len(value), len(value), 1, causes)
        elif kind is int or kind is float:
            self._outside(value, value, 2, causes)
        elif kind is dict and self._properties is not None and len(value) > self._properties:
            words = f"{len(value)}: must have at most {self._properties} items"
            causes.append(Cause("FieldValueTooMany", "", words))

    def _outside(self, value: Any, size: float, which: int, causes: list[Cause]) -> None:
        least, most = self._at_least[which], self._at_most[which]
        if type(size) is int:  # as the API server has it: it looks at the whole part of a bound
            least, most = least and int(least), most and int(most)
        bound = _BOUNDS[which]
        if least is not None and size < least:
            words = f"{json.dumps(value)}: {FIELD} in body should {bound.least.format(least)}"
            causes.append(Cause("FieldValueInvalid", "", words))
        if most is not None and size > most:
            causes.append(Cause(bound.reason, "", bound.most.format(most, value)))


class _Bound(NamedTuple):
    """How what is outside of bounds is told, given the bound and the value."""

    least: str
    most: str
    reason: str


_BOUNDS = (
    _Bound("be at least {} chars long", "may not be more than {} bytes", "FieldValueTooLong"),
    _Bound("have at least {} items", "{1}: must have at most {0} items", "FieldValueTooMany"),
    _Bound(
        "be greater than or equal to {}",
        f"{{1}}: {FIELD} in body should be less than or equal to {{0}}",
        "FieldValueInvalid",
    ),
)
