"""What the API server refuses for its type is refused by the models too: `validate` must not say otherwise."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from autotuner.api.task import TaskSpec
from autotuner.kubernetes_object import Object

EVERYTHING: Object = yaml.safe_load((Path(__file__).parents[2] / "data" / "everything.yaml").read_text())["spec"]
FREE = ("overrides", "custom", "requestParams")


def switches(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where there is a boolean, but for objects of any shape."""
    if isinstance(value, bool):
        yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        if key not in FREE:
            yield from switches(item, (*path, key))


SWITCHES = [*switches(EVERYTHING), ("runtime", "probe"), ("runtime", "allowUnknownFlags")]


def with_value(path: tuple[Any, ...], value: Any) -> Object:
    spec = copy.deepcopy(EVERYTHING)
    place: Any = spec
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return spec


@pytest.mark.parametrize("path", SWITCHES, ids=[".".join(map(str, path)) for path in SWITCHES])
def test_a_switch_is_true_or_false_and_nothing_like_it(path: tuple[Any, ...]) -> None:
    TaskSpec.model_validate(with_value(path, True))
    for value in ("yes", "true", "on", 1):
        with pytest.raises(ValidationError):
            TaskSpec.model_validate(with_value(path, value))
