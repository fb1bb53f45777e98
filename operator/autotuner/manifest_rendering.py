"""Manifests from templates: readable as YAML, no value can break out of its place."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Undefined

from autotuner import yaml_text

_PAIR = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})")


@cache
def _environment() -> Environment:
    # Values go through tojson, which is YAML too; autoescape would turn quotes into HTML.
    environment = Environment(
        loader=PackageLoader("autotuner", "templates"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_refuse_bare,
    )
    environment.filters["tojson"] = _tojson
    return environment


class _Json(str):
    """Text that went through tojson."""


def _tojson(value: Any) -> _Json:
    if isinstance(value, Undefined):
        str(value)  # raises the error that names it
    # YAML knows no surrogate pairs: one character is one escape.
    return _Json(_PAIR.sub(_one_escape, json.dumps(value)))


def _one_escape(pair: re.Match[str]) -> str:
    high, low = (int(half, 16) for half in pair.groups())
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def _refuse_bare(value: Any) -> Any:
    if not isinstance(value, _Json):
        raise TypeError(f"a template prints {value!r} without tojson")
    return value


def render(template: str, **values: Any) -> dict[str, Any]:
    """The object that the template makes of the values.

    Raises:
        jinja2.UndefinedError: a value that the template names is missing.
        TypeError: the template prints a value without `tojson`.
    """
    text = _environment().get_template(template).render(**values)
    document: dict[str, Any] = yaml_text.read(text)
    return document
