"""docs/api.md: every field of both kinds, from the models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from autotuner.api import crd
from autotuner.api.experiment import TuningExperiment
from autotuner.api.task import TuningTask

Schema = Mapping[str, Any]

_HEAD = """<!-- Generated from operator/autotuner/api by `make generate`. Do not edit. -->
# API reference

Both kinds are in the group `autotuner.io`, version `v1alpha1`, and namespaced. Fields with `*` are required. What may
still change after the start is said at the end of each kind; conditions and reasons are in
[operations.md](operations.md#troubleshooting), worked examples in [examples](../examples).
"""
_KINDS = (("TuningTask", "tt", TuningTask), ("TuningExperiment", "tx", TuningExperiment))


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for kind, short, model in _KINDS:
        schema = crd.schema(model)
        parts.append(f"\n## {kind}\n\n{schema['description']} Short name: `{short}`.\n")
        parts += [_section(kind, part, schema["properties"][part]) for part in ("spec", "status")]
        parts += [f"- {rule['message']}\n" for rule in schema.get("x-kubernetes-validations", [])]
    return "\n".join(parts)


def _section(kind: str, name: str, schema: Schema) -> str:
    rows = "\n".join(_rows(schema, name))
    return f"### {kind}.{name}\n\n{schema['description']}\n\n| field | type | default | |\n|---|---|---|---|\n{rows}\n"


def _rows(schema: Schema, path: str) -> Iterator[str]:
    required = set(schema.get("required", ()))
    for name, part in schema.get("properties", {}).items():
        where = f"{path}.{name}"
        default = part.get("default")
        shown = "" if default in (None, "") or isinstance(default, dict) else f"`{_plain(default)}`"
        star = "*" if name in required else ""
        yield f"| `{where}`{star} | {_type(part)} | {shown} | {_words(part)} |"
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


def _words(schema: Schema) -> str:
    """What the field is, and its rules; a pipe would end the table's cell."""
    inner = schema["items"] if schema["type"] == "array" else schema
    rules = [*schema.get("x-kubernetes-validations", []), *inner.get("x-kubernetes-validations", [])]
    said = [schema.get("description") or inner.get("description") or ""]
    said += [_sentence(rule) for rule in rules]
    return " ".join(dict.fromkeys(word.replace("|", "\\|").replace("\n", " ") for word in said if word))


def _sentence(rule: Schema) -> str:
    field, message = rule.get("fieldPath", "").removeprefix("."), rule["message"]
    return f"`{field}`: {message}." if field else f"{message[0].upper()}{message[1:]}."


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
