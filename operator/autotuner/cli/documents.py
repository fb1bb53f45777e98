"""YAML documents that remember the line and column of each field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from autotuner.kubernetes_object import Object

Path = tuple[str | int, ...]

_STEP = re.compile(r"([^.\[\]]+)|\[([^\]]*)\]")


@dataclass(frozen=True)
class Position:
    """A line and a column of a file, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Document:
    """One object of a file.

    Attributes:
        body: the object.
        marks: the position of each of its values, by path; that of a mapping's value is the position of its key.
    """

    body: Object
    marks: dict[Path, Position] = field(repr=False)

    def position(self, path: Path) -> Position:
        """Return the position of a field, or of the nearest field around it that the file has."""
        while path not in self.marks:
            path = path[:-1]
        return self.marks[path]

    def path(self, written: str) -> Path:
        """Return the path of a field that a message names, like `parameters[tp-size].values`.

        An item of a list is named by its number, or by its field `name`. The path ends where the document has nothing
        by that name.
        """
        found: Path = ()
        here: Any = self.body
        for name, item in _STEP.findall(written):
            step = name or _index(here, item)
            here = _at(here, step)
            if here is None:
                break
            found = (*found, step)
        return found


def _index(here: Any, item: str) -> str | int:
    """Return the index of `[item]`: a number, or the name of one of the items; the name itself if none has it."""
    if item.isdecimal():
        return int(item)
    if isinstance(here, list):
        names = [one.get("name") if isinstance(one, dict) else None for one in here]
        return names.index(item) if item in names else item
    return item


def _at(here: Any, step: str | int) -> Any:
    if isinstance(here, dict):
        return here.get(step)
    if isinstance(here, list) and isinstance(step, int) and step < len(here):
        return here[step]
    return None


def read(text: str) -> list[Document]:
    """Return all objects of a text, those of a List one by one; empty documents are left out.

    Raises:
        ValueError: it is not YAML, or a document is not a mapping.
    """
    try:
        return list(_documents(text))
    except yaml.YAMLError as problem:
        raise ValueError(f"not YAML: {problem}") from problem


def _documents(text: str) -> Iterator[Document]:
    for node in yaml.compose_all(text, yaml.SafeLoader):
        if node is None or node.tag == "tag:yaml.org,2002:null":
            continue
        body = _value(node)
        if not isinstance(body, dict):
            raise ValueError(f"line {node.start_mark.line + 1}: a document is a mapping with apiVersion and kind")
        marks = dict(_marks(node, ()))
        if body.get("kind") == "List":
            for index, item in enumerate(body.get("items") or []):
                yield _item(item, marks, ("items", index))
        else:
            yield Document(body, marks)


def _value(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _item(body: Object, marks: dict[Path, Position], prefix: Path) -> Document:
    own = {path[len(prefix) :]: mark for path, mark in marks.items() if path[: len(prefix)] == prefix}
    return Document(body, own)


def _marks(node: yaml.Node, path: Path) -> Iterator[tuple[Path, Position]]:
    if not path:
        yield path, _position(node)
    if isinstance(node, yaml.MappingNode):
        pairs: Sequence[tuple[yaml.Node, yaml.Node]] = node.value
        for key, value in pairs:
            yield (*path, str(key.value)), _position(key)
            yield from _marks(value, (*path, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*path, index), _position(item)
            yield from _marks(item, (*path, index))


def _position(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)
