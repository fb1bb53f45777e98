"""Flags that users must not set, and what to do instead."""

from __future__ import annotations

from collections.abc import Mapping

_MODEL = "the flag is set by the operator; choose the model in spec.model"

RESERVED: Mapping[str, str] = {
    "host": "the flag is set by the operator; remove it",
    "port": "the flag is set by the operator; remove it",
    "model": _MODEL,
    "model-path": _MODEL,
    "served-model-name": "the flag is set by the operator; remove it",
    "api-key": "a key among the arguments is readable by everyone who may see the pod; remove it",
}
