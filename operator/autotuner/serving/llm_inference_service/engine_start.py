"""How the container `main` starts vLLM, and how it has to be written for other flags."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotuner.api.common import EngineName
from autotuner.engines import arguments
from autotuner.engines.vllm import VLLM
from autotuner.kubernetes_object import Object
from autotuner.serving.llm_inference_service import preset_script
from autotuner.serving.target import engine_container, variables
from autotuner.serving.target.engine_container import NoEngineError
from autotuner.serving.target.shell_script import UnreadableScriptError

MAIN = "main"
ENGINE = VLLM.name
TENSOR = "tensor-parallel-size"
_NAME = "served-model-name"
# The presets' own; only used to tell a user's arguments apart.
_START = next(words for words in VLLM.start.commands if "-m" not in words)


@dataclass(frozen=True)
class EngineStart:
    """How an engine is started.

    Attributes:
        head: the command line before what can be tuned.
        flags: the rest of it, as the engine is given them.
        evaluated: a shell reads the container's arguments once more.
        served_name: by which requests name the model; empty where no flag says it.
        with_flags: `command` and `args` of the container with other flags; a field that stays is not there.
    """

    head: tuple[str, ...]
    flags: tuple[str, ...]
    evaluated: bool
    served_name: str
    with_flags: Callable[[Sequence[str]], Object]


def read(container: Mapping[str, Any], engine: EngineName | None = None) -> EngineStart:
    """How this container starts vLLM.

    Args:
        container: of the pod.
        engine: that it runs; None where its command has to tell it.

    Raises:
        NoEngineError: it starts another engine, or its flags cannot be read.
    """
    if engine not in (None, ENGINE):
        raise NoEngineError(f"its presets start vLLM alone, and {engine} is wanted; deploy that engine by a Deployment")
    command = list(container.get("command") or ())
    if preset_script.swallows(command):
        raise NoEngineError(
            f"container {MAIN!r}: its script takes no arguments, so every configuration would be the same engine;"
            ' end it with "$@"'
        )
    if preset_script.evaluates(command):
        return _of_preset(container, command, engine)
    found = engine_container.find([container], MAIN, engine)
    if found.engine != ENGINE:
        raise NoEngineError(f"its presets start vLLM alone, and container {MAIN!r} runs {found.engine}")
    return EngineStart(found.head, found.flags, False, found.value(_NAME), found.started_with)


def _of_preset(container: Mapping[str, Any], command: Sequence[str], engine: EngineName | None) -> EngineStart:
    script_words = preset_script.program(command)
    if engine is None and not any(word.rpartition("/")[2].startswith(VLLM.package) for word in script_words):
        raise NoEngineError(f"container {MAIN!r} starts no engine that is known; say target.engine: {ENGINE}")
    head, of_script = _without_tensor(script_words)
    env, args = container.get("env") or (), container.get("args") or ()
    try:
        given = preset_script.words([_additional(env), *args], env)
    except UnreadableScriptError as problem:
        raise NoEngineError(
            f"container {MAIN!r}: its arguments cannot be read: {problem}; the preset's shell reads them once more, so"
            " put each of them in quotes"
        ) from problem
    given = given if _value(given, TENSOR) else [*of_script, *given]
    told = {"name": MAIN, "command": list(_START), "args": list(map(variables.literal, given))}
    found = engine_container.find([told], engine=ENGINE)
    kept = found.head[len(_START) :]

    def with_flags(flags: Sequence[str]) -> Object:
        return {"args": preset_script.quoted([*kept, *flags])}

    named = found.value(_NAME) or _value(head, _NAME)
    return EngineStart((*head, *kept), found.flags, True, named, with_flags)


def _additional(env: Sequence[Mapping[str, Any]]) -> str:
    """What the preset puts before the arguments."""
    for variable in env:
        if variable["name"] == preset_script.ADDITIONAL and "valueFrom" in variable:
            raise NoEngineError(
                f"container {MAIN!r}: the value of {preset_script.ADDITIONAL} is not written in it; put these flags in"
                " args"
            )
    return variables.written_out(env).get(preset_script.ADDITIONAL, "")


def _without_tensor(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The script's words without the one flag that `spec.parallelism` sets, and that flag."""
    for argument in arguments.parse(words):
        if argument.spelling == f"--{TENSOR}" and argument.values:
            end = argument.index + (1 if argument.joined else 2)
            return [*words[: argument.index], *words[end:]], [f"--{TENSOR}={argument.values[0]}"]
    return list(words), []


def _value(words: Sequence[str], flag: str) -> str:
    given = [
        argument.values[0]
        for argument in arguments.parse(words)
        if argument.values and argument.spelling and VLLM.flag_of(argument.spelling) == flag
    ]
    return given[-1] if given else ""


def tensor_degree(flags: Sequence[str]) -> int | None:
    """The tensor parallel degree among an engine's flags; None where they do not say it as a number."""
    value = _value(flags, TENSOR)
    return int(value) if value.isdecimal() and int(value) else None
