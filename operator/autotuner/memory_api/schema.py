"""Structural schemas of CustomResourceDefinitions, compiled once: what is pruned, filled in and refused.

The compiled form does in one walk what an API server does in three: unknown fields are dropped and told, defaults are
filled in, and numbers without a fraction become integers. Validation is a second walk that skips what did not change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from autotuner.memory_api import patterns
from autotuner.memory_api.answers import Cause
from autotuner.memory_api.cel_rules import Rule
from autotuner.memory_api.json_values import copied, scalar

_ABSENT = object()
_TYPES = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}


def compiled(document: Mapping[str, Any]) -> Schema:
    """The compiled form of an `openAPIV3Schema`."""
    return Schema(document)


class Schema:
    """One node of a structural schema, with those below it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.type: str = document.get("type", "")
        self.int_or_string = bool(document.get("x-kubernetes-int-or-string"))
        self.nullable = bool(document.get("nullable"))
        self.preserving = bool(document.get("x-kubernetes-preserve-unknown-fields"))
        self.properties = {name: Schema(part) for name, part in document.get("properties", {}).items()}
        more = document.get("additionalProperties")
        self.additional = Schema(more) if isinstance(more, dict) else None
        self.free = more is True or (self.preserving and not self.properties)
        self.items = Schema(document["items"]) if "items" in document else None
        self.keys = tuple(document.get("x-kubernetes-list-map-keys", ()))
        self.list_type = document.get("x-kubernetes-list-type", "atomic")
        self.map_type = document.get("x-kubernetes-map-type", "granular")
        self.required = tuple(document.get("required", ()))
        self.default = document.get("default", _ABSENT)
        self.defaulted = {name: part for name, part in self.properties.items() if part.default is not _ABSENT}
        self._limits = _Limits(document)
        self.rules = tuple(Rule(rule) for rule in document.get("x-kubernetes-validations", ()))
        self.transitions: bool = any(rule.transition for rule in self.rules) or any(
            part.transitions for part in self._parts()
        )
        self.has_defaults: bool = bool(self.defaulted) or any(part.has_defaults for part in self._parts())
        self.numbers: bool = self.type == "number" or any(part.numbers for part in self._parts())

    def _parts(self) -> Iterator[Schema]:
        yield from self.properties.values()
        yield from (part for part in (self.additional, self.items) if part is not None)

    def property(self, name: str) -> Schema | None:
        """The schema of a field; None if it has none."""
        return self.properties.get(name) or self.additional

    def taken(self, value: Any, unknown: list[str], *, defaults: bool = True) -> Any:
        """A copy of the value as it is kept: without unknown fields, with defaults.

        Args:
            value: of the node; whatever has another type is copied as it is, for the validation to refuse.
            unknown: gets the paths of unknown fields, below this node: `.a.b[0]`.
            defaults: whether to fill them in.
        """
        kind = type(value)
        if kind is dict and (self.properties or self.additional or self.type == "object"):
            return self._taken_object(value, unknown, defaults)
        if kind is list and self.items is not None:
            return [_below(unknown, f"[{place}]", self.items, one, defaults) for place, one in enumerate(value)]
        if kind is dict or kind is list:
            return copied(value)
        return scalar(value)

    def _taken_object(self, value: dict[str, Any], unknown: list[str], defaults: bool) -> dict[str, Any]:
        result = {}
        for name, part in value.items():
            schema = self.properties.get(name) or self.additional
            if part is None and schema is not None and not schema.nullable and schema.default is not _ABSENT:
                continue  # null where there is a default is as good as absent
            if schema is not None:
                result[name] = _below(unknown, f".{name}", schema, part, defaults)
            elif self.free or self.preserving:
                result[name] = copied(part)
            else:
                unknown.append(f".{name}")
        for name, schema in self.defaulted.items() if defaults else ():
            if name not in result:
                result[name] = schema.taken(schema.default, unknown)
        return result

    def typed(self, value: Any) -> Any:
        """The value as CEL has it: what the schema calls a number is one, be it whole or not."""
        if not self.numbers:
            return value
        if self.type == "number":
            return float(value) if type(value) is int else value
        if type(value) is list and self.items is not None:
            return [self.items.typed(one) for one in value]
        if type(value) is dict:
            return {name: schema.typed(one) if (schema := self.property(name)) else one for name, one in value.items()}
        return value

    def faults(self, value: Any, old: Any, path: str) -> Iterator[Cause]:
        """What the schema without its rules refuses, but for what was there before.

        Args:
            value: of the node.
            old: what it was; None if it was not.
            path: of the node, for the causes.
        """
        if old is not None and value == old and type(value) is type(old):
            return
        if (cause := self._wrong_type(value, path)) is not None:
            yield cause
            return
        yield from self._limits.faults(value, path)
        if type(value) is dict:
            yield from self._faults_of_object(value, old if type(old) is dict else {}, path)
        elif type(value) is list and self.items is not None:
            yield from self._faults_of_list(value, old, path)

    def _faults_of_object(self, value: dict[str, Any], old: dict[str, Any], path: str) -> Iterator[Cause]:
        for name in self.required:
            if name not in value:
                yield Cause("FieldValueRequired", _joined(path, name), "")
        for name, part in value.items():
            schema = self.properties.get(name) or self.additional
            if schema is not None:
                yield from schema.faults(part, old.get(name), _joined(path, name))

    def _faults_of_list(self, value: list[Any], old: Any, path: str) -> Iterator[Cause]:
        assert self.items is not None
        before = self._correlated(old)
        seen = set()
        for place, one in enumerate(value):
            identity = self.identity(one)
            if identity is not None:
                if identity in seen:
                    yield Cause("FieldValueDuplicate", f"{path}[{place}]", repr(one))
                seen.add(identity)
            yield from self.items.faults(one, before.get(identity) if identity else None, f"{path}[{place}]")

    def identity(self, item: Any) -> Any:
        """What an item of a set or a list of named things is known by; None for those of other lists."""
        if self.list_type == "map" and type(item) is dict:
            return tuple(repr(item.get(key)) for key in self.keys)
        return repr(item) if self.list_type == "set" else None

    def _correlated(self, old: Any) -> dict[Any, Any]:
        """The items of a list of named things, by their identity."""
        if self.list_type != "map" or type(old) is not list:
            return {}
        return {self.identity(one): one for one in old}

    def broken_rules(self, value: Any, old: Any, path: str) -> Iterator[Cause]:
        """The rules in CEL that do not hold; those of a value that did not change are looked at if they compare.

        Args:
            value: of the node, valid but for the rules.
            old: what it was; None if it was not.
            path: of the node, for the causes.
        """
        same = old is not None and value == old
        if same and not self.transitions:
            return
        if self.rules:
            new, before = self.typed(value), self.typed(old)
            for rule in self.rules:
                if (old is None) if rule.transition else same:
                    continue
                if (cause := rule.broken(new, before)) is not None:
                    yield cause._replace(field=f"{path}{cause.field}")
        if type(value) is dict:
            before = old if type(old) is dict else {}
            for name, part in value.items():
                schema = self.properties.get(name) or self.additional
                if schema is not None:
                    yield from schema.broken_rules(part, before.get(name), _joined(path, name))
        elif type(value) is list and self.items is not None:
            correlated = self._correlated(old)
            for place, one in enumerate(value):
                yield from self.items.broken_rules(one, correlated.get(self.identity(one)), f"{path}[{place}]")

    def _wrong_type(self, value: Any, path: str) -> Cause | None:
        if value is None and self.nullable:
            return None
        kind = _TYPES.get(type(value), "null")
        if self.int_or_string:
            fits = kind in ("integer", "string")
        else:
            fits = not self.type or kind == self.type or (self.type == "number" and kind == "integer")
        if fits:
            return None
        wanted = "integer or string" if self.int_or_string else self.type
        return Cause("FieldValueTypeInvalid", path, f'"{kind}": {path} in body must be of type {wanted}: "{kind}"')


class _Limits:
    """Enumerations, patterns, lengths and bounds of one node."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._enum = tuple(document["enum"]) if "enum" in document else None
        self._pattern: re.Pattern[str] | None = None
        if "pattern" in document:
            self._pattern = patterns.compiled(document["pattern"])
        self._at_least = tuple(document.get(name) for name in ("minLength", "minItems", "minimum"))
        self._at_most = tuple(document.get(name) for name in ("maxLength", "maxItems", "maximum"))
        self._properties = document.get("maxProperties")
        self._any = bool(document.keys() & _LIMITS)

    def faults(self, value: Any, path: str) -> Iterator[Cause]:
        """What exceeds the limits."""
        if not self._any:
            return
        if self._enum is not None and not any(value == one and type(value) is type(one) for one in self._enum):
            known = ", ".join(f'"{one}"' for one in self._enum)
            yield Cause("FieldValueNotSupported", path, f'"{value}": supported values: {known}')
        kind = type(value)
        if kind is str:
            if self._pattern is not None and self._pattern.search(value) is None:
                yield Cause("FieldValueInvalid", path, f"should match '{self._pattern.pattern}'")
            yield from self._outside(len(value), path, 0, "FieldValueTooLong", "length")
        elif kind is list:
            yield from self._outside(len(value), path, 1, "FieldValueTooMany", "number of items")
        elif kind is int or kind is float:
            yield from self._outside(value, path, 2, "FieldValueInvalid", "value")
        elif kind is dict and self._properties is not None and len(value) > self._properties:
            yield Cause("FieldValueTooMany", path, f"must have at most {self._properties} properties")

    def _outside(self, size: float, path: str, which: int, too_much: str, what: str) -> Iterator[Cause]:
        least, most = self._at_least[which], self._at_most[which]
        if least is not None and size < least:
            yield Cause("FieldValueInvalid", path, f"{size}: {what} must be at least {least}")
        if most is not None and size > most:
            yield Cause(too_much, path, f"{size}: {what} must be at most {most}")


_LIMITS = {
    *("enum", "pattern", "minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "maxProperties"),
}


def _below(unknown: list[str], step: str, schema: Schema, value: Any, defaults: bool) -> Any:
    """What a node below takes of a value; its unknown fields get their paths from here."""
    before = len(unknown)
    result = schema.taken(value, unknown, defaults=defaults)
    if len(unknown) > before:
        unknown[before:] = [f"{step}{path}" for path in unknown[before:]]
    return result


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
