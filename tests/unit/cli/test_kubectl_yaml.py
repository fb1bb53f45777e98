"""YAML means what it means to kubectl: `tests/data/kubectl-yaml.json` was written by a real one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autotuner.cli import kubectl_yaml
from autotuner.memory_api.json_values import copied

# Texts, each with what kubectl makes of it; alone where it refuses the file.
WORDS: list[list[Any]] = json.loads((Path(__file__).parents[2] / "data" / "kubectl-yaml.json").read_text())


def value(text: str) -> Any:
    (reading,) = kubectl_yaml.read(f"v: {text}\n")
    return reading.value["v"]


@pytest.mark.parametrize("row", WORDS, ids=[row[0] for row in WORDS])
def test_a_text_means_what_it_means_to_kubectl(row: list[Any]) -> None:
    text, *meant = row
    if not meant:
        with pytest.raises(ValueError, match="not YAML: line 1"):
            value(text)
        return
    found = copied(value(text))
    assert (type(found) is bool) == (type(meant[0]) is bool)
    # JSON says no more of a large number than a float holds.
    assert found == (pytest.approx(meant[0]) if isinstance(meant[0], int | float) else meant[0])


def test_a_number_of_more_than_64_bits_is_no_whole_one() -> None:
    assert value("0x1ffffffffffffffff") == "0x1ffffffffffffffff"
    assert value("9" * 5000) == "9" * 5000
    assert value("0" * 70 + "7") == 7


DOCUMENTS: list[tuple[str, list[Any]]] = [
    ("", []),
    ("---\n# nothing\n---\n~\n", []),
    ("a: 1\n--- # the next\nb: 2\n---\nc: 3", [{"a": 1}, {"b": 2}, {"c": 3}]),
    ('{\n\t"a": [\n\t\t1\n\t]\n}\n', [{"a": [1]}]),
    ("\ufeffa: 1\r\nb: y\r\n", [{"a": 1, "b": True}]),
    ("a: |\n  ---\n  b\n", [{"a": "---\nb\n"}]),
]


@pytest.mark.parametrize(("text", "found"), DOCUMENTS)
def test_documents_are_those_that_kubectl_finds(text: str, found: list[Any]) -> None:
    assert [reading.value for reading in kubectl_yaml.read(text)] == found


def test_places_are_those_of_the_file_also_in_a_later_document() -> None:
    _, second = kubectl_yaml.read("a: 1\n---\nb: &x {c: 1}\nd:\n  <<: *x\n  e: [2, 3]\n")
    assert second.value == {"b": {"c": 1}, "d": {"c": 1, "e": [2, 3]}}
    marks = {path: (mark.line, mark.column) for path, mark in second.marks.items()}
    assert marks["b",] == (3, 1)
    assert marks["d", "c"] == (3, 8)
    assert marks["d", "e", 1] == (6, 10)


def test_a_key_that_stands_there_twice_is_told_and_the_last_one_counts() -> None:
    (reading,) = kubectl_yaml.read("a: 1\nb: {c: 1, d: 2, c: 3}\na: 4\n")
    assert reading.value == {"a": 4, "b": {"c": 3, "d": 2}}
    assert reading.duplicates == [("b", "c"), ("a",)]
    assert reading.marks["a",].line == 3


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LAUGHS, "more than"),
        ("[" * 20000, "not YAML"),
        ("a: " * 3, "line 1"),
        ("a: 1\n---\nb: [", "line 3"),
        ("a: 1\n--- {b: 2}\n", "line 2: kubectl takes nothing but a comment"),
        ("a: \x01", "not YAML"),
        ("a: 1\n...\nb: 2\n", "not YAML"),
    ],
    ids=["aliases", "depth", "colons", "a later document", "after the separator", "control characters", "two in one"],
)
def test_what_is_no_yaml_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        list(kubectl_yaml.read(text))
