"""The script by which KServe's presets start vLLM: `bash -c SCRIPT --`, and at its end `eval "exec vllm serve ... $@"`.

So a shell reads the arguments of the container once more: spaces, quotes, braces and dollars in them mean something,
and an argument arrives unharmed only if it is quoted. Nowhere else does it need quotes, and there they would arrive.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from autotuner.engines.vllm import VLLM
from autotuner.serving.target import variables
from autotuner.serving.target.shell_script import UnreadableScriptError, last_command, script_index

# The presets put the value of this variable before the arguments, unquoted like them.
ADDITIONAL = "VLLM_ADDITIONAL_ARGS"
# What eval is given ends with its line, unless that goes on after a backslash.
_EVAL = re.compile(r"(?:^|[\s;&|({])eval\s+(?P<text>(?:\\\n|[^\n])*)")
_PASSED_ON = re.compile(r"\$(?:[@*]|\{[@*]\})")
_PROGRAM = re.compile(r"\bexec\s+")
_UNKNOWN = re.compile(r"[$`{}]")
# Stands for the program where only its arguments are read.
_ANY = "engine"


def evaluates(command: Sequence[str]) -> bool:
    """Whether this command gives the container's arguments to a shell once more."""
    return any(map(_PASSED_ON.search, _evaluated(command)))


def swallows(command: Sequence[str]) -> bool:
    """Whether its script starts an engine by `eval` and takes no arguments: every configuration would be the same."""
    return not evaluates(command) and any(VLLM.package in text for text in _evaluated(command))


def program(command: Sequence[str]) -> list[str]:
    """The words with which the script starts its engine, up to the arguments; those apart that only a shell can read.

    Args:
        command: that `evaluates`.
    """
    text = next(text for text in _evaluated(command) if _PASSED_ON.search(text))
    text = text[: _first(text, _PASSED_ON)]
    started = _PROGRAM.search(text)
    words = text[started.end() if started else 0 :].replace("\\\n", " ").split()
    return [word.strip("\"'\\") for word in words if not _UNKNOWN.search(word) and word.strip("\"'\\")]


def words(arguments: Iterable[str], env: Iterable[Mapping[str, object]]) -> list[str]:
    """What a program is given whose arguments a shell reads once more.

    Args:
        arguments: as they stand in the container.
        env: of the container.

    Raises:
        UnreadableScriptError: only a shell could tell.
    """
    known = variables.written_out(env)
    text = " ".join(variables.read(argument, known) for argument in arguments)
    found = last_command(f"{_ANY} {text}", known)
    if found.before:
        raise UnreadableScriptError("they hold more than one command")
    return list(found.words[1:])


def quoted(arguments: Iterable[str]) -> list[str]:
    """Arguments as the container has to hold them, so that the shell gives exactly these to the program."""
    return [variables.literal(shlex.quote(argument)) for argument in arguments]


def _evaluated(command: Sequence[str]) -> list[str]:
    """What the script gives to each `eval`; nothing without a script."""
    index = script_index(command)
    return [found["text"] for found in _EVAL.finditer(command[index])] if index is not None else []


def _first(text: str, pattern: re.Pattern[str]) -> int:
    found = pattern.search(text)
    return found.start() if found else len(text)
