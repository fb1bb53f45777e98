"""The hidden command `__complete`: candidates for the last word of a command line, as kubectl's plugins print them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

from typer import Argument, Context, echo

if TYPE_CHECKING:
    from autotuner.kubernetes_object import Resource

_SECONDS = 3.0  # a shell waits for no cluster longer
_NO_FILES = ":4"  # the directive by which kubectl offers no files instead
_FILES = ":0"
# Commands whose arguments are names of the cluster.
_NAMES = {
    **dict.fromkeys(("suspend", "resume", "apply", "watch"), ("tuningtasks",)),
    **dict.fromkeys(("explain", "compare", "logs"), ("tuningtasks", "tuningexperiments")),
    "cancel": ("tuningexperiments",),
}

_Words = Annotated[list[str] | None, Argument(help="The words so far; the last may be empty.")]


def run(context: Context, words: _Words = None) -> None:
    """Print candidates for the last word, a line for each, then a directive."""
    parent = context.parent
    assert parent is not None, "it is a command of a group"
    *before, begun = words or [""]
    found = candidates(getattr(parent.command, "commands", {}), before, begun)
    for one in found:
        echo(one)
    echo(_NO_FILES if found or (before and before[0] in _NAMES) else _FILES)


def candidates(commands: Mapping[str, Any], before: Sequence[str], begun: str) -> list[str]:
    """The words that may follow.

    Args:
        commands: by name, as the library that parses the command line keeps them.
        before: the words in front of the one that is being written.
        begun: what is written of it.
    """
    named = next((one for one in before if not one.startswith("-")), "")
    if not named:
        possible = [name for name, one in commands.items() if not one.hidden]
    elif begun.startswith("-") and named in commands:
        possible = [text for one in commands[named].params for text in one.opts if text.startswith("--")]
    elif choices := _choices(commands.get(named), before):
        possible = choices
    else:
        possible = _names(named, before)
    return sorted(one for one in possible if one.startswith(begun))


def _choices(command: Any, before: Sequence[str]) -> list[str]:
    """The words that an option or the argument takes, where they are known."""
    if command is None:
        return []
    option = before[-1] if before[-1].startswith("-") else ""
    for one in command.params:
        of_argument = not option and one.param_type_name == "argument" and len(before) == 1
        if (option and option in one.opts) or of_argument:
            return _literals(get_type_hints(command.callback)[one.name])
    return []


def _literals(hint: Any) -> list[str]:
    """The words that a parameter of this type takes; none where any do."""
    return list(get_args(hint)) if get_origin(hint) is Literal else []


def _names(command: str, before: Sequence[str]) -> list[str]:
    """Names of the cluster that a command takes; none where it does not answer at once."""
    plurals = _NAMES.get(command, ())
    if not plurals or before[-1] in ("-n", "--namespace", "--context", "--kubeconfig"):
        return []
    from autotuner.cli.shared.cluster_access import ToldError, Where, opened
    from autotuner.kube import EXPERIMENT, TASK, KubeError

    kinds: list[Resource] = [one for one in (TASK, EXPERIMENT) if one.plural in plurals]

    async def read() -> list[str]:
        where = Where(_after(before, "-n", "--namespace"), _after(before, "--context"), _after(before, "--kubeconfig"))
        async with asyncio.timeout(_SECONDS), opened(where) as (kube, namespace):
            return [one["name"] for kind in kinds for one in await kube.list_metadata(kind, namespace)]

    with contextlib.suppress(ToldError, KubeError, TimeoutError):
        return asyncio.run(read())
    return []


def _after(words: Sequence[str], *options: str) -> str:
    """The value of an option; empty without it."""
    for place, word in enumerate(words):
        if word in options and place + 1 < len(words):
            return words[place + 1]
        for option in options:
            if word.startswith(f"{option}="):
                return word.partition("=")[2]
    return ""
