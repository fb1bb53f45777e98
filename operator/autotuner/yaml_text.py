"""YAML texts as plain data, parsed by libyaml where PyYAML has it: ten times as fast as in Python."""

from __future__ import annotations

from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(text: str) -> Any:
    """The only document of a text.

    Raises:
        yaml.YAMLError: it is no YAML, or holds several documents.
    """
    return yaml.load(text, Loader=_LOADER)  # noqa: S506
