"""Tasks and experiments drawn at random, right and wrong: mutations of whole ones, and ones made from the schema.

The same seed draws the same. What a text may be is taken from the examples, by the place where they have it, so that
about half of what is drawn is right; bounds, lengths, enumerations and types are tried at and beyond their edges.
"""

from __future__ import annotations

import copy
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from autotuner.api import crd
from autotuner.api.common import EXPERIMENTS, GROUP, TASKS
from autotuner.cli import documents
from autotuner.kubernetes_object import Object
from tests.support.objects import make_experiment, make_task

ROOT = Path(__file__).parents[2]
Place = tuple[Any, ...]
Schema = dict[str, Any]

_KINDS = {"TuningTask": TASKS, "TuningExperiment": EXPERIMENTS}
_ODD: Sequence[Any] = (
    *(None, True, False, 0, 1, -1, 3.5, 1e-5, 1e13, 2**53, 1e22, -(2**40), 1e300, 7.0),
    *("", " ", "x", "4", "true", "a b", "A", "-", "a-", "a.b", "a..b", "a/b", "nvidia.com/gpu", "é", "x" * 64),
    *("x" * 300, "$(X)", "a\nb", [], {}, [None], [[]], ["a", "a"], [1, 1.0], {"": ""}, {"a": None}, {"foo": 1}, [{}]),
)  # fmt: skip
_LONG = 5000


@cache
def schema(kind: str) -> Schema:
    """The schema of a kind, as its definition has it."""
    definition = crd.definitions()[f"{GROUP}_{_KINDS[kind]}.yaml"]
    found: Schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


@cache
def wholes() -> tuple[Object, ...]:
    """Every example, and what the tests' own builders make; all of them are right."""
    paths = [*sorted((ROOT / "examples").glob("*.yaml")), ROOT / "tests" / "data" / "everything.yaml"]
    ours = [one.body for path in paths for one in documents.read(path.read_text()) if one.body["kind"] in _KINDS]
    return (*ours, make_task(), make_experiment())


def draw(seed: int) -> Object:
    """One object: of each five, three are mutations and two are made from the schema."""
    rng = random.Random(seed)
    if seed % 5 < 3:
        body = copy.deepcopy(rng.choice(wholes()))
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            _mutate(rng, body)
        return body
    kind = rng.choice(("TuningTask", "TuningTask", "TuningExperiment"))
    oddness = rng.choice((0.0, 0.0, 0.004, 0.02))
    spec = _Made(rng, oddness).value(schema(kind)["properties"]["spec"], ("spec",))
    if oddness == 0.0 and rng.random() < 0.8:
        spec = _likely(rng, kind, spec)
    return {"apiVersion": "autotuner.io/v1alpha1", "kind": kind, "metadata": {"name": "drawn"}, "spec": spec}


def _likely(rng: random.Random, kind: str, spec: Object) -> Object:
    """A whole one with a few of its parts made anew, so that more than a few are right in all."""
    base: Object = copy.deepcopy(rng.choice([one for one in wholes() if one["kind"] == kind]))["spec"]
    for name in rng.sample(sorted(spec), k=min(len(spec), rng.randint(1, 4))):
        base[name] = spec[name]
    return base


# Mutations.


def _mutate(rng: random.Random, body: Object) -> None:
    places = list(_places(body, ()))
    weights = [1 if place[0] == "spec" else 0.3 for place in places]
    (place,) = rng.choices(places, weights)
    rng.choice(_MUTATIONS)(rng, body, place)


def _places(value: Any, place: Place) -> Iterator[Place]:
    """Where something is, but for what every object has."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, part in steps:
        if (*place, step) not in (("apiVersion",), ("kind",)):
            yield (*place, step)
            yield from _places(part, (*place, step))


def _at(body: Any, place: Place) -> Any:
    for step in place:
        body = body[step]
    return body


def _remove(_: random.Random, body: Object, place: Place) -> None:
    del _at(body, place[:-1])[place[-1]]


def _replace(rng: random.Random, body: Object, place: Place) -> None:
    _at(body, place[:-1])[place[-1]] = copy.deepcopy(rng.choice(_ODD))


def _borrow(rng: random.Random, body: Object, place: Place) -> None:
    """What another example has in that place."""
    known = corpus().get(_general(place))
    _at(body, place[:-1])[place[-1]] = copy.deepcopy(rng.choice(known)) if known else rng.choice(_ODD)


def _edge(rng: random.Random, body: Object, place: Place) -> None:
    found = _schema_at(body["kind"], place)
    _at(body, place[:-1])[place[-1]] = rng.choice(list(_edges(found))) if found else rng.choice(_ODD)


def _double(_: random.Random, body: Object, place: Place) -> None:
    holder = _at(body, place[:-1])
    if isinstance(holder, list):
        holder.append(copy.deepcopy(holder[place[-1]]))
    elif isinstance(holder[place[-1]], list) and holder[place[-1]]:
        holder[place[-1]] *= 2
    else:
        holder[f"{place[-1]}s"] = copy.deepcopy(holder[place[-1]])


def _add(rng: random.Random, body: Object, place: Place) -> None:
    """A field that the schema has and the object has not, made from the schema."""
    holder, found = _at(body, place), _schema_at(body["kind"], place) or {}
    missing = sorted(set(found.get("properties", {})) - set(holder if isinstance(holder, dict) else ()))
    if not isinstance(holder, dict) or not missing:
        _edge(rng, body, place)
        return
    name = rng.choice(missing)
    holder[name] = _Made(rng, 0.02).value(found["properties"][name], (*place, name))


def _text_edge(rng: random.Random, body: Object, place: Place) -> None:
    """A text with something before, behind or within it."""
    value = _at(body, place)
    if not isinstance(value, str):
        _edge(rng, body, place)
        return
    at, more = rng.choice((0, len(value), len(value) // 2)), rng.choice((" ", "-", ".", "\n", "A", "é", "{{", "$", "/"))
    _at(body, place[:-1])[place[-1]] = f"{value[:at]}{more}{value[at:]}"


_MUTATIONS: Sequence[Callable[[random.Random, Object, Place], None]] = (
    *(_remove, _replace, _borrow, _borrow, _edge, _edge, _double, _add, _add, _text_edge),
)


# What is known of places.


@cache
def corpus() -> dict[Place, list[Any]]:
    """What the examples have, by the place without numbers."""
    found: defaultdict[Place, list[Any]] = defaultdict(list)
    for body in wholes():
        for place in _places(body, ()):
            found[_general(place)].append(_at(body, place))
    return dict(found)


def _general(place: Place) -> Place:
    return tuple("[]" if isinstance(step, int) else step for step in place)


def _schema_at(kind: str, place: Place) -> Schema | None:
    node: Any = schema(kind)
    for step in place:
        more = node.get("additionalProperties")
        below = node.get("items") if isinstance(step, int) else node.get("properties", {}).get(step, more)
        if not isinstance(below, dict):
            return None
        node = below
    return node if node is not schema(kind) else None


def _edges(node: Schema) -> Iterator[Any]:
    """Values at the bounds of a schema, and just beyond them."""
    yield from node.get("enum", ())
    for name, step in (("minimum", -1), ("maximum", 1)):
        if name in node:
            yield from (node[name], node[name] + step, node[name] + step / 2)
    for name in ("minLength", "maxLength"):
        if name in node:
            yield from ("a" * (node[name] + more) for more in (-1, 0, 1) if 0 <= node[name] + more < _LONG)
    yield from (None, "a", 1, [], {})


def _distinct(items: list[Any], node: Schema) -> list[Any]:
    """The items of a list without those that a set or a list of named things has already."""
    keys = node.get("x-kubernetes-list-map-keys", ())
    known: dict[str, Any] = {}
    for one in items:
        known.setdefault(repr([one.get(key) for key in keys] if keys and isinstance(one, dict) else one), one)
    return list(known.values())


class _Made:
    """Makes values from a schema."""

    def __init__(self, rng: random.Random, oddness: float) -> None:
        self._rng, self._oddness = rng, oddness

    def value(self, node: Schema, place: Place) -> Any:
        """A value of a schema's node; an odd one now and then."""
        if self._rng.random() < self._oddness:
            return copy.deepcopy(self._rng.choice(_ODD))
        known = corpus().get(_general(place), ())
        kind = node.get("type")
        if kind == "object":
            return self._object(node, place, known)
        if kind == "array":
            most = min(node.get("maxItems", 4), 4)
            count = self._rng.randint(min(node.get("minItems", 0), most), most)
            items = [self.value(node["items"], (*place, index)) for index in range(count)]
            return items if self._rng.random() < self._oddness * 10 else _distinct(items, node)
        if "enum" in node:
            return self._rng.choice(node["enum"])
        if known and self._rng.random() < 0.9:
            return copy.deepcopy(self._rng.choice(known))
        return self._scalar(node)

    def _object(self, node: Schema, place: Place, known: Sequence[Any]) -> Any:
        if "properties" not in node or node.get("x-kubernetes-preserve-unknown-fields"):
            return copy.deepcopy(self._rng.choice(known)) if known else self._rng.choice(({}, {"a": "b"}))
        if known and self._rng.random() < 0.5:
            return copy.deepcopy(self._rng.choice(known))
        required = node.get("required", ())
        return {
            name: self.value(part, (*place, name))
            for name, part in node["properties"].items()
            if name in required or self._rng.random() < 0.3
        }

    def _scalar(self, node: Schema) -> Any:
        low, high = node.get("minimum", -10), node.get("maximum", 1000)
        if node.get("type") == "boolean":
            return self._rng.random() < 0.5
        if node.get("type") == "integer":
            return self._rng.choice((int(low), int(high), self._rng.randint(int(low), int(min(high, low + 64)))))
        if node.get("type") == "number":
            return self._rng.choice((low, high, self._rng.uniform(low, min(high, low + 64)), 1))
        return self._rng.choice(("a", "tp-size", "default", "x1", "a.b/c", "1", "500ms"))
