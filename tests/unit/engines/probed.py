"""What a probe of an image printed."""

from __future__ import annotations

import json
from typing import Any

from autotuner.engines import parser_reading

FLAGS: list[dict[str, Any]] = [
    {"name": "max-num-seqs", "kind": "int", "default": 128},
    {"name": "new-flag", "kind": "str", "choices": ["a", "b"]},
    {"name": "model", "kind": "str"},
]


def printed(flags: list[dict[str, Any]] | None = None, version: str = "0.33.1+cpu", engine: str = "vllm") -> str:
    """The JSON that is packed into a probe's log."""
    return json.dumps({"engine": engine, "version": version, "flags": FLAGS if flags is None else flags})


def logged(text: str = "") -> str:
    """The log of a probe, the engine's own lines included."""
    return "\n".join(["INFO hello", *parser_reading.packed(text or printed()), "WARNING bye", ""])
