"""Writes docs/api.md, which lists every field of both kinds, from the models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from autotuner.api import crd
from autotuner.api.experiment import TuningExperiment
from autotuner.api.task import TuningTask

Schema = Mapping[str, Any]

_HEAD = """<!-- Generated from operator/autotuner/api by `make generate`. Do not edit. -->
# API reference

This page lists every field of the two kinds, TuningTask and TuningExperiment. Both are namespaced, in the group
`autotuner.io`, version `v1alpha1`. A `*` marks required fields. The rules that concern a whole object stand at the end
of its section. [operations.md](operations.md#troubleshooting) explains conditions and reasons, and
[examples](../examples) holds tasks to copy.

`kubectl explain tuningtask.spec.search` shows the same texts.
"""
_TABLE = "| field | type | default | description |\n|---|---|---|---|\n"
_KINDS = (("TuningTask", "tt", TuningTask), ("TuningExperiment", "tx", TuningExperiment))


def page() -> str:
    """Renders the page as Markdown."""
    parts = [_HEAD]
    for kind, short, model in _KINDS:
        schema = crd.schema(model)
        parts.append(f"\n## {kind}\n\n{schema['description']} Its short name is `{short}`.\n")
        parts += [_section(kind, part, schema["properties"][part]) for part in ("spec", "status")]
        parts += [f"- {_sentence(rule)}\n" for rule in schema.get("x-kubernetes-validations", [])]
    return "\n".join(parts)


def _section(kind: str, name: str, schema: Schema) -> str:
    rows = "\n".join(_rows(schema, name))
    return f"### {kind}.{name}\n\n{schema['description']}\n\n{_TABLE}{rows}\n"


def _rows(schema: Schema, path: str) -> Iterator[str]:
    required = set(schema.get("required", ()))
    for name, part in schema.get("properties", {}).items():
        where = f"{path}.{name}"
        default = part.get("default")
        shown = "" if default in (None, "") or isinstance(default, dict) else f"`{_plain(default)}`"
        star = "*" if name in required else ""
        yield f"| `{where}`{star} | {_type(part)} | {shown} | {_words(part, with_rules=path.startswith('spec'))} |"
        inner, suffix = (part["items"], "[]") if part["type"] == "array" else (part, "")
        yield from _rows(inner, where + suffix)


def _type(schema: Schema) -> str:
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}"
    if "enum" in schema:
        return " or ".join(f"`{_plain(value)}`" for value in schema["enum"])
    if schema["type"] in ("integer", "number") and "minimum" in schema:
        return f"{schema['type']}, {schema['minimum']:g} to {schema['maximum']:g}"
    if "maxLength" in schema:
        return f"string, at most {schema['maxLength']}"
    if "additionalProperties" in schema:
        return "mapping of strings"
    return "free-form object" if "x-kubernetes-preserve-unknown-fields" in schema else str(schema["type"])


def _words(schema: Schema, *, with_rules: bool) -> str:
    """Says what the field is and, on demand, which rules it has; escapes pipes, which would end the table's cell."""
    inner = schema["items"] if schema["type"] == "array" else schema
    rules = [*schema.get("x-kubernetes-validations", []), *inner.get("x-kubernetes-validations", [])]
    said = [schema.get("description") or inner.get("description") or ""]
    said += [_sentence(rule) for rule in rules if with_rules]
    return " ".join(dict.fromkeys(" ".join(text.replace("|", "\\|").split()) for text in said if text))


def _sentence(rule: Schema) -> str:
    field, message = rule.get("fieldPath", "").removeprefix("."), rule["message"]
    if message.startswith("metadata."):
        field, _, message = message.partition(": ")
    return f"`{field}`: {message}." if field else f"{message[0].upper()}{message[1:]}."


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
