"""Manifests from templates: readable as YAML, no value can break out of its place."""

from __future__ import annotations

from functools import cache
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def _environment() -> Environment:
    # Values go through tojson, which is YAML too; autoescape would turn quotes into HTML.
    return Environment(
        loader=PackageLoader("autotuner", "templates"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_refuse_bare,
    )


class _Json(str):
    """Text that went through tojson."""


def _tojson(value: Any) -> _Json:
    import json

    return _Json(json.dumps(value))


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
    environment = _environment()
    environment.filters["tojson"] = _tojson
    document: dict[str, Any] = yaml.safe_load(environment.get_template(template).render(**values))
    return document
