"""The variable by which a runtime's command is told how many accelerators its pod has: `--tp-size=$(PARALLELISM_SIZE)`.

Its value follows the pod's own limits, which follow the parallel degrees of an experiment. So a degree that is said by
it is read as the runtime's own number, and said again as that number beside the command: else more replicas of the data
would silently make the tensor degree larger too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotuner.engines import arguments
from autotuner.kubernetes_object import Object

NAME = "PARALLELISM_SIZE"
_REFERENCE = f"$({NAME})"


def count(runner: Mapping[str, Any]) -> int:
    """The accelerators that a container's limits ask for; 0 if it asks for none."""
    limits = (runner.get("resources") or {}).get("limits") or {}
    return sum(int(value) for key, value in limits.items() if key.endswith("/gpu") and str(value).isdecimal())


def mentioned(runner: Mapping[str, Any]) -> bool:
    """Whether a container's command or arguments ask for the variable."""
    return any(_REFERENCE in word for word in (*(runner.get("command") or ()), *(runner.get("args") or ())))


def spelled_out(runner: Mapping[str, Any]) -> Object:
    """The container with the number in the place of the variable, as far as it can be told.

    What the command says by the variable comes first among its arguments, too.
    """
    known = count(runner)
    if not known or not mentioned(runner):
        return dict(runner)
    command, args = list(runner.get("command") or ()), list(runner.get("args") or ())
    said = [one for one in arguments.parse(command) if one.spelling and any(_REFERENCE in word for word in one.values)]
    again = [_with_number(token, known) for argument in said for token in arguments.tokens(argument)]
    return {
        **runner,
        "command": [_with_number(word, known) for word in command],
        "args": [*again, *(_with_number(word, known) for word in args)],
    }


def _with_number(word: str, known: int) -> str:
    return word.replace(_REFERENCE, str(known))
