"""YAML as kubectl reads it: which document is where, and what each scalar means.

The grammar of kubectl's library is libyaml's, and so is PyYAML's; what a plain word means is told by `yaml_text.word`.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from autotuner import yaml_text

Path = tuple[str | int, ...]
# Nodes of a document with its aliases replaced; a file of kilobytes can stand for more than any machine holds.
NODES_MAX = 500_000

_YAML = "tag:yaml.org,2002:"
_PLAIN = "plain"  # a scalar without quotes and without a tag
_STRING, _BINARY, _NULL, _BOOL, _INT, _FLOAT, _TIMESTAMP, _MERGE = (
    f"{_YAML}{name}" for name in ("str", "binary", "null", "bool", "int", "float", "timestamp", "merge")
)

_SEPARATOR = "---"


@dataclass(frozen=True)
class Position:
    """A line and a column of a file, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Reading:
    """What one document says.

    Attributes:
        value: made of what JSON has.
        marks: the position of each value, by path; that of a mapping's value is the position of its key.
        duplicates: the paths of keys that a mapping has twice: kubectl takes the last, without a word.
    """

    value: Any
    marks: dict[Path, Position]
    duplicates: Sequence[Path]


class NotYamlError(ValueError):
    """kubectl would refuse a file; `position` is where."""

    def __init__(self, words: str, line: int, column: int = 1) -> None:
        super().__init__(f"not YAML: line {line}: {words}")
        self.position = Position(line, column)


def read(text: str) -> Iterator[Reading]:
    """The documents of a text, as kubectl takes it apart; empty ones are left out.

    Raises:
        NotYamlError: kubectl would refuse it.
    """
    lines, first = text.splitlines(keepends=True), 0
    for number, line in enumerate([*lines, _SEPARATOR]):
        if not line.startswith(_SEPARATOR):
            continue
        if (rest := line[len(_SEPARATOR) :].strip()) and not rest.startswith("#"):
            raise NotYamlError("kubectl takes nothing but a comment after --- in its line", number + 1)
        yield from _document("".join(lines[first:number]), first)
        first = number + 1


def _document(text: str, above: int) -> Iterator[Reading]:
    """The document of a part of a file, if it is not empty; `above` is the number of lines before the part."""
    if text.lstrip().startswith("{"):  # JSON may be indented by tabs, where YAML takes none
        text = re.sub(r"^[ \t]+", lambda indent: " " * len(indent[0]), text, flags=re.MULTILINE)
    try:
        root = _root(text)
        if root is not None:
            reader = _Reader(above)
            value = reader.read(root, ())
            if value is not None:
                yield Reading(value, reader.marks, reader.duplicates)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        words = ", ".join(filter(None, (problem.context, problem.problem)))
        raise NotYamlError(words, line + above + 1, column + 1) from problem
    except yaml.YAMLError as problem:
        raise NotYamlError(str(problem).partition("\n")[0], above + 1) from problem
    except RecursionError as problem:
        raise NotYamlError("nested too deeply", above + 1) from problem


def _root(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
        return node
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """PyYAML's grammar, without its own idea of what plain words mean."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else _STRING
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]

    def compose_scalar_node(self, anchor: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if event.tag == "!":
            event.tag = _STRING
        return super().compose_scalar_node(anchor)


class _Reader:
    """Reads the nodes of a document."""

    def __init__(self, above: int) -> None:
        self.marks: dict[Path, Position] = {}
        self.duplicates: list[Path] = []
        self._above, self._open, self._nodes = above, set[int](), 0

    def read(self, node: yaml.Node, path: Path) -> Any:
        """The value of a node."""
        self.marks.setdefault(path, self._position(node))
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise _refused(node, f"the aliases up to here stand for more than {NODES_MAX} values")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if id(node) in self._open:
            raise _refused(node, "an anchor contains itself")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        """The pairs of a mapping: later ones win, and so do those of merges that are written later."""
        result: dict[str, Any] = {}
        written = set()
        for key, value in node.value:
            if _is_merge(key):
                result |= self._merged(value, path)
                continue
            name = _key(key)
            if name in written:
                self.duplicates.append((*path, name))
            written.add(name)
            self.marks[(*path, name)] = self._position(key)
            result[name] = self.read(value, (*path, name))
        return result

    def _merged(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        """What `<<` names: a mapping, or a list of them of which the earlier ones win."""
        result: dict[str, Any] = {}
        for item in reversed(node.value) if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(item, yaml.MappingNode):
                raise _refused(item, "<< takes a mapping or a list of mappings")
            result |= self.read(item, path)
        return result

    def _position(self, node: yaml.Node) -> Position:
        return Position(node.start_mark.line + self._above + 1, node.start_mark.column + 1)


def _refused(node: yaml.Node, words: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=words, problem_mark=node.start_mark)


def _is_merge(key: yaml.Node) -> bool:
    """Whether a key is `<<`, which is no key."""
    return isinstance(key, yaml.ScalarNode) and key.value == "<<" and key.tag in (_PLAIN, _MERGE)


def _key(key: yaml.Node) -> str:
    """A key as JSON has it: a number or boolean becomes a text.

    Raises:
        YAMLError: it is null, a list or a mapping.
    """
    value = _scalar(key) if isinstance(key, yaml.ScalarNode) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str | int):
        return str(value)
    raise _refused(key, "a key is a text")


def _scalar(node: yaml.ScalarNode) -> Any:
    """What a scalar means: a string, number, boolean or None.

    Raises:
        YAMLError: it is not what its tag says, or no number of JSON.
    """
    tag, text = node.tag, str(node.value)
    if tag == _BINARY:
        try:
            return base64.b64decode(text, validate=False).decode(errors="replace")
        except binascii.Error as problem:
            raise _refused(node, "!!binary, but not base64") from problem
    value = yaml_text.word(text) if tag in (_PLAIN, _NULL, _BOOL, _INT, _FLOAT) else text
    if tag == _FLOAT and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    kinds = {_NULL: type(None), _BOOL: bool, _INT: int, _FLOAT: float}
    if tag in kinds and type(value) is not kinds[tag]:
        raise _refused(node, f"{text!r} is no {tag.removeprefix(_YAML)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise _refused(node, f"{text} is no number that JSON has")
    return value
