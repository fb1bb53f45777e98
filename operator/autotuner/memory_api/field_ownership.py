"""Who manages which fields of an object, for server-side apply: what an applier no longer names goes away.

Almost always one applier owns a whole section (the status, a ConfigMap's data) and nobody else touches it. So writes
are only noted down, and looked at field by field once two owners meet in one section.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from autotuner.kubernetes_object import Object
from autotuner.memory_api.schema import Schema

Path = tuple[Any, ...]
"""Steps from the root: a field's name, the identity of an item of a list of named things, the value in a set."""


class Owner(NamedTuple):
    """A field manager in one of its roles."""

    manager: str
    operation: Literal["Apply", "Update"]
    subresource: str = ""


@dataclass(frozen=True)
class _Write:
    """A write that was noted down: what the object was and became, or what was applied."""

    owner: Owner
    old: Object
    new: Object
    sections: frozenset[str]


_NOTED = 16
# Not managed by anybody.
_UNMANAGED = ("apiVersion", "kind")
_MANAGED_METADATA = ("labels", "annotations", "ownerReferences", "finalizers")


@dataclass(frozen=True)
class Ownership:
    """Who manages the fields of one object.

    Attributes:
        owned: by owner, as far as it was looked at.
        noted: writes since, oldest first.
    """

    owned: tuple[tuple[Owner, frozenset[Path]], ...] = ()
    noted: tuple[_Write, ...] = ()

    def updated(self, owner: Owner, old: Object, new: Object, schema: Schema | None) -> Ownership:
        """The ownership after a write that is no apply: whoever changes a field owns it."""
        sections = frozenset(key for key in (*old, *new) if old.get(key) is not new.get(key)).difference(_UNMANAGED)
        write = _Write(owner, old, new, sections)
        return Ownership(self.owned, (*self.noted, write))._bounded(schema)

    def applied(self, owner: Owner, config: Object, schema: Schema | None) -> Ownership:
        """The ownership after an apply that met nobody else."""
        write = _Write(owner, {}, config, frozenset(config).difference(_UNMANAGED))
        noted = tuple(one for one in self.noted if one.owner != owner)
        return Ownership(tuple(pair for pair in self.owned if pair[0] != owner), (*noted, write))._bounded(schema)

    def _alone(self, owner: Owner, sections: Iterable[str]) -> bool:
        """Whether nobody else manages anything in these sections."""
        wanted = set(sections)
        return not any(one.owner != owner and one.sections & wanted for one in self.noted) and not any(
            other != owner and any(path[0] in wanted for path in paths) for other, paths in self.owned
        )

    def _bounded(self, schema: Schema | None) -> Ownership:
        return self if len(self.noted) <= _NOTED else Ownership(self._settled(schema))

    def _settled(self, schema: Schema | None) -> tuple[tuple[Owner, frozenset[Path]], ...]:
        """The owners with their fields, everything noted looked at."""
        owned = dict(self.owned)
        for write in self.noted:
            if write.owner.operation == "Apply":
                owned[write.owner] = frozenset(fields(write.new, schema))
                continue
            old, new = dict(_leaves(write.old, schema)), dict(_leaves(write.new, schema))
            changed = {path for path, value in new.items() if path not in old or old[path] != value}
            touched = changed | (old.keys() - new.keys())
            owned = {other: paths - touched for other, paths in owned.items()}
            owned[write.owner] = owned.get(write.owner, frozenset()) | changed
        return tuple((owner, paths) for owner, paths in owned.items() if paths)

    def merged(
        self, live: Object, config: Object, owner: Owner, schema: Schema | None
    ) -> tuple[Object, Ownership, list[tuple[str, str]]]:
        """What an apply makes of an object.

        Args:
            live: the object.
            config: what is applied.
            owner: who applies.
            schema: of the kind.

        Returns:
            The object, its ownership, and what others manage and would lose: manager and path.
        """
        sections = [key for key in config if key not in ("apiVersion", "kind")]
        if owner.subresource and config.get(owner.subresource) and self._alone(owner, [owner.subresource]):
            rest = {key: value for key, value in live.items() if key != owner.subresource}
            return {**rest, **{key: config[key] for key in sections}}, self.applied(owner, config, schema), []
        owned = dict(self._settled(schema))
        before, wanted = owned.pop(owner, frozenset()), frozenset(fields(config, schema))
        result = _merge(live, config, schema)
        old, new = dict(_leaves(live, schema)), dict(_leaves(result, schema))
        changed = {path for path in wanted if old.get(path, _NOTHING) != new.get(path, _NOTHING)}
        lost = [(one.manager, _text(path)) for one, paths in owned.items() for path in paths & changed]
        owned = {one: paths - changed for one, paths in owned.items()}
        kept = _prefixes(path for paths in (*owned.values(), wanted) for path in paths)
        result = _without(result, (), _prefixes(before) - kept, schema)
        owned[owner] = wanted
        return result, Ownership(tuple((one, paths) for one, paths in owned.items() if paths)), lost


def _text(path: Path) -> str:
    return "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in path)


_NOTHING = object()


def fields(body: Object, schema: Schema | None) -> Iterator[Path]:
    """The paths of all fields of an object that somebody can manage."""
    for path, _ in _leaves(body, schema):
        yield path


def _leaves(body: Object, schema: Schema | None) -> Iterator[tuple[Path, Any]]:
    """The fields that are managed by themselves, with their values; items of lists and maps count besides."""
    for key, value in body.items():
        if key == "metadata":
            for part in _MANAGED_METADATA:
                if part in value:
                    yield from _walk(value[part], _METADATA.properties[part], (key, part))
        elif key not in _UNMANAGED:
            yield from _walk(value, schema.property(key) if schema else None, (key,))


def _walk(value: Any, schema: Schema | None, path: Path) -> Iterator[tuple[Path, Any]]:
    if type(value) is dict and value and not (schema and schema.map_type == "atomic"):
        for name, part in value.items():
            if schema is not None and name not in schema.properties:
                yield (*path, name), _ITEM
            yield from _walk(part, schema.property(name) if schema else None, (*path, name))
    elif type(value) is list and schema is not None and schema.items is not None and schema.list_type != "atomic":
        for item in value:
            step = (*path, schema.identity(item))
            yield step, _ITEM
            if schema.list_type == "map":
                yield from _walk(item, schema.items, step)
    else:
        yield path, value


_ITEM = object()


def _merge(live: Any, config: Any, schema: Schema | None) -> Any:
    """The live value with what is applied laid over it."""
    if type(config) is dict and type(live) is dict and not (schema and schema.map_type == "atomic"):
        result = dict(live)
        for name, part in config.items():
            below = _schema_below(schema, name)
            result[name] = _merge(live[name], part, below) if name in live else part
        return result
    if type(config) is list and type(live) is list and schema is not None and schema.list_type != "atomic":
        return _merge_lists(live, config, schema)
    return config


def _schema_below(schema: Schema | None, name: str) -> Schema | None:
    if name == "metadata":
        return _METADATA
    return schema.property(name) if schema else None


def _merge_lists(live: list[Any], config: list[Any], schema: Schema) -> list[Any]:
    """The applied items in their order; others stay before the applied one that they stood before."""
    known = {schema.identity(item): item for item in live}
    wanted = {schema.identity(item): item for item in config}
    laid = {one: _merge(known[one], item, schema.items) if one in known else item for one, item in wanted.items()}
    waiting, result = list(laid), list[Any]()
    for identity, item in known.items():
        if identity not in laid:
            result.append(item)
        elif identity in waiting:
            place = waiting.index(identity) + 1
            result.extend(laid[one] for one in waiting[:place])
            waiting = waiting[place:]
    return [*result, *(laid[one] for one in waiting)]


def _without(value: Any, path: Path, gone: Set[Path], schema: Schema | None) -> Any:
    """The value without what its applier no longer names: whole, where nobody manages anything inside.

    Of an object that is emptied, null is left, as it is at a real API server, whose validation then refuses it.
    """
    if type(value) is dict and value:
        kept = {name: part for name, part in value.items() if (*path, name) not in gone}
        left = {name: _without(part, (*path, name), gone, _schema_below(schema, name)) for name, part in kept.items()}
        return left or None
    if type(value) is list and schema is not None and schema.list_type != "atomic":
        steps = [((*path, schema.identity(item)), item) for item in value]
        return [_without(item, step, gone, schema.items) for step, item in steps if step not in gone]
    return value


def _prefixes(paths: Iterable[Path]) -> frozenset[Path]:
    """The paths and all that lead to them."""
    return frozenset(path[:length] for path in paths for length in range(1, len(path) + 1))


_METADATA = Schema(
    {
        "type": "object",
        "properties": {
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
            "ownerReferences": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["uid"],
                "items": {"type": "object", "x-kubernetes-map-type": "atomic"},
            },
            "finalizers": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        },
    }
)
