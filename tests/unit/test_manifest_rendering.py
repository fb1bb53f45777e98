"""Templates: no value can break out of its place, none can be missing, none can be printed bare."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import FileSystemLoader, UndefinedError

from autotuner import manifest_rendering


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of templates in place of those shipped."""
    environment = manifest_rendering._environment()
    monkeypatch.setattr(environment, "loader", FileSystemLoader(tmp_path))
    monkeypatch.setattr(environment, "cache", None)
    yield tmp_path


def rendered(folder: Path, text: str, **values: Any) -> dict[str, Any]:
    (folder / "t.yaml.j2").write_text(text)
    return manifest_rendering.render("t.yaml.j2", **values)


@pytest.mark.parametrize(
    "value",
    [
        'quote " and \\ backslash',
        "a: b\nc: d",
        "- item",
        "# comment",
        "{{ name }} {% raw %}",
        "*alias &anchor !tag",
        "yes",
        "1.0",
        "~",
        "",
        "tab\tnull\x00del\x7fnext\x85line\u2028",
        "emoji 😀 and text \\ud83d\\ude00",
        ["--a", "b: c"],
        {"x": {"y": "z: 1"}, "- k": None},
        True,
        12,
    ],
)
def test_a_value_arrives_as_it_is(templates: Path, value: Any) -> None:
    assert rendered(templates, "key: {{ value | tojson }}\nafter: 1\n", value=value) == {"key": value, "after": 1}


@given(st.text())
def test_any_text_survives_yaml(text: str) -> None:
    assert yaml.safe_load(manifest_rendering._tojson(text)) == text


def test_a_bare_value_is_refused(templates: Path) -> None:
    with pytest.raises(TypeError, match="a template prints 'x' without tojson"):
        rendered(templates, "key: {{ value }}\n", value="x")


def test_a_bare_value_is_refused_also_when_it_looks_harmless(templates: Path) -> None:
    with pytest.raises(TypeError, match="without tojson"):
        rendered(templates, "key: {{ value | tojson | upper }}\n", value="x")


@pytest.mark.parametrize("text", ["key: {{ missing | tojson }}", "{% if missing %}a: 1{% endif %}"])
def test_a_missing_value_is_named(templates: Path, text: str) -> None:
    with pytest.raises(UndefinedError, match="'missing' is undefined"):
        rendered(templates, text)
