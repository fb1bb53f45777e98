"""The objects of a file, which remember the line and column of each field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from autotuner.cli import kubectl_yaml
from autotuner.cli.kubectl_yaml import NotYamlError, Path, Position, Reading
from autotuner.kubernetes_object import Object

_STEP = re.compile(r"([^.\[\]]+)|\[([^\]]*)\]")


@dataclass(frozen=True)
class Document:
    """One object of a file.

    Attributes:
        body: the object.
        marks: the position of each of its values, by path; that of a mapping's value is the position of its key.
        duplicates: the paths of keys that stand there twice.
    """

    body: Object
    marks: dict[Path, Position] = field(repr=False)
    duplicates: Sequence[Path] = ()

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
        NotYamlError: kubectl could not read it, or a document is not a mapping.
    """
    return [document for reading in kubectl_yaml.read(text) for document in _documents(reading)]


def _documents(reading: Reading) -> Iterator[Document]:
    body = reading.value
    whole = _document(reading, body, ())
    kind = body.get("kind") if isinstance(body, dict) else None
    items = body.get("items") if isinstance(kind, str) and kind.endswith("List") else None
    if not isinstance(items, list):
        yield whole
        return
    for index, item in enumerate(items):
        yield _document(reading, item, ("items", index))


def _document(reading: Reading, body: Any, prefix: Path) -> Document:
    if not isinstance(body, dict):
        mark = reading.marks[prefix]
        raise NotYamlError("a document is a mapping with apiVersion and kind", mark.line, mark.column)
    marks = {path[len(prefix) :]: mark for path, mark in reading.marks.items() if path[: len(prefix)] == prefix}
    twice = [path[len(prefix) :] for path in reading.duplicates if path[: len(prefix)] == prefix]
    return Document(body, marks, twice)
