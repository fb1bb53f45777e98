"""JSON values: copies of them, and how two of them are merged."""

from __future__ import annotations

from typing import Any


def copied(value: Any) -> Any:
    """A deep copy, as it would come back from an API server: a number without a fraction is an integer.

    Raises:
        TypeError: something in it is not JSON.
    """
    kind = type(value)
    if kind is dict:
        return {key: copied(part) for key, part in value.items()}
    if kind is list:
        return [copied(part) for part in value]
    return scalar(value)


def scalar(value: Any) -> Any:
    """A string, number, boolean or null as an API server returns it.

    Raises:
        TypeError: it is none of them.
    """
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        return int(value) if value.is_integer() and abs(value) < 2**63 else value
    if isinstance(value, dict | list):
        return copied(dict(value) if isinstance(value, dict) else list(value))
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"{kind.__name__} is not JSON: {value!r}")


def merge_patched(target: Any, patch: Any) -> Any:
    """What a JSON merge patch (RFC 7386) makes of a value; neither is changed."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patched(result.get(key), value)
    return result
