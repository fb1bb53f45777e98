"""The container of a pod that runs an inference engine: which one it is, and where its flags are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from autotuner import engines
from autotuner.api.common import EngineName
from autotuner.engines import Engine, arguments
from autotuner.engines.arguments import Argument
from autotuner.serving.target import variables
from autotuner.serving.target.shell_script import UnreadableScriptError, last_command, script_index

# Writes `command` and `args` with these flags.
Writer = Callable[[Sequence[str]], dict[str, list[str]]]


class NoEngineError(Exception):
    """No container can be said to run an engine, or its flags cannot be read; the message says why and what to do."""


class NoEngineThereError(NoEngineError):
    """All that the containers start can be read, and none of it is an engine."""


@dataclass(frozen=True)
class EngineContainer:
    """A container that runs an engine.

    Attributes:
        name: the container's.
        engine: which one.
        image: that it runs in.
        program: the words with which the head begins, before any flag or operand.
        head: the command line before what can be tuned: the program, the model, host, port, served name, and flags
            whose values are not written in the container.
        flags: the rest of it, as the program is given them.
        operand: the first word after the program that belongs to no flag, as the model in ``vllm serve MODEL``.
        started_with: the container's `command` and `args` with other flags in the place of its own, in the form that it
            has; a field that it does not have is not there.
    """

    name: str
    engine: EngineName
    image: str
    program: tuple[str, ...]
    head: tuple[str, ...]
    flags: tuple[str, ...]
    operand: str
    started_with: Writer

    def value(self, flag: str) -> str:
        """What a flag is given, by its canonical name; the last time, as parsers take it, and empty for nothing."""
        engine = engines.get(self.engine)
        given = [
            argument.values[0]
            for argument in arguments.parse([*self.head, *self.flags])
            if argument.values and argument.spelling and engine.flag_of(argument.spelling) == flag
        ]
        return given[-1] if given else ""


def find(
    containers: Sequence[Mapping[str, Any]],
    name: str = "",
    engine: EngineName | None = None,
    kept: int = 0,
    elsewhere: Mapping[str, str] = MappingProxyType({}),
) -> EngineContainer:
    """The container that runs the engine.

    Args:
        containers: of the pod, without its init containers.
        name: of the container; empty for the only one that can be meant.
        engine: that it runs; None for the one that its command or its image tells.
        kept: how many of the first words of its command line nobody can change; flags among them stay in the head.
        elsewhere: variables that no container names, because the product which makes the pods adds them: name -> value,
            empty where that is not known here.

    Raises:
        NoEngineThereError: there is none.
        NoEngineError: there is more than one, or its flags cannot be read.
    """
    there = ", ".join(container["name"] for container in containers)
    if name:
        named = [container for container in containers if container["name"] == name]
        if not named:
            raise NoEngineError(f"there is no container {name!r}; there are {there}")
        if (found := _read(named[0], engine, kept, elsewhere)) is None:
            raise NoEngineThereError(f"container {name!r} starts no engine that is known: {_started(named[0])}")
        return found
    readable, problems = [], []
    for container in containers:
        try:
            if (found := _read(container, engine, kept, elsewhere)) is not None:
                readable.append(found)
        except NoEngineError as problem:
            problems.append(str(problem))
    if len(readable) == 1:
        return readable[0]
    if readable:
        names = ", ".join(found.name for found in readable)
        raise NoEngineError(f"more than one container runs an engine: {names}; say which one in target.container")
    if problems:
        raise NoEngineError("; ".join(problems))
    seen = "; ".join(f"{container['name']}: {_started(container)}" for container in containers)
    raise NoEngineThereError(f"no container starts an engine that is known ({seen}); say which one in target.container")


def _read(
    container: Mapping[str, Any], wanted: EngineName | None, kept: int, elsewhere: Mapping[str, str]
) -> EngineContainer | None:
    """What a container runs; None for something else than an engine."""
    env = container.get("env") or ()
    known, unknown = variables.written_out(env) | _valued(elsewhere), _unknown(elsewhere)
    command, args = list(container.get("command") or ()), list(container.get("args") or ())
    words = [variables.read(word, known) for word in (*command, *args)]
    if (index := script_index(words)) is not None:
        return _of_script(container, wanted, words, index, elsewhere)
    found = _engine_of(words, wanted, "" if command else str(container.get("image") or ""))
    if found is None:
        return None
    engine, start = found
    # As they are written, since the kubelet knows what a Secret or a field holds.
    written = [variables.expanded(word, known) for word in (*command, *args)]
    fixed, free = _split(engine, words, start, [*_from_elsewhere(env), *unknown], kept)
    flags = tuple(words[index] for index in free)

    def started_with(flags: Sequence[str]) -> dict[str, list[str]]:
        own = list(map(variables.literal, flags))
        first = [written[index] for index in fixed if index < len(command)]
        second = [written[index] for index in fixed if index >= len(command)]
        return _fields([*first, *own], []) if command and not args else _fields(first, [*second, *own])

    head, image = tuple(words[index] for index in fixed), str(container.get("image") or "")
    program, operand = tuple(words[:start]), _operand(words[start:])
    return EngineContainer(container["name"], engine.name, image, program, head, flags, operand, started_with)


def _of_script(
    container: Mapping[str, Any],
    wanted: EngineName | None,
    words: Sequence[str],
    index: int,
    elsewhere: Mapping[str, str],
) -> EngineContainer | None:
    """What a shell's script runs in the end."""
    env, unknown = container.get("env") or (), _unknown(elsewhere)
    script, name = words[index], container["name"]
    mentioned = [label for engine in _known(wanted) for label in engine.start.commands if label[-1] in script]
    if not mentioned:
        return None
    for hidden in _from_elsewhere(env):
        if f"$({hidden})" in script:
            raise NoEngineError(f"container {name!r}: the value of $({hidden}) is not written in the container")
    try:
        known = variables.written_out(env) | _valued(elsewhere)
        last = last_command(variables.hidden(script, unknown), known)
    except UnreadableScriptError as problem:
        raise NoEngineError(
            f"container {name!r}: the engine's flags cannot be read: {problem}; start it by command and args"
        ) from problem
    given = [*map(variables.shown, last.words), *(words[index + 2 :] if last.takes_arguments else ())]
    found = _engine_of(given, wanted, "")
    if found is None:
        return None
    engine, start = found
    fixed, free = _split(engine, given, start, unknown)
    head = tuple(given[position] for position in fixed)
    in_command = len(container.get("command") or ())

    def started_with(flags: Sequence[str]) -> dict[str, list[str]]:
        # The kubelet puts in what others set, before the shell sees it.
        kept = [variables.hidden(word, unknown) for word in head]
        new = variables.shown(variables.literal(last.with_words([*kept, *flags])))
        if index < in_command:
            return _fields([*words[:index], new], [])
        return _fields(list(words[:in_command]), [*words[in_command:index], new])

    image, flags = str(container.get("image") or ""), tuple(given[position] for position in free)
    program, operand = tuple(given[:start]), _operand(given[start:])
    return EngineContainer(name, engine.name, image, program, head, flags, operand, started_with)


def _known(wanted: EngineName | None) -> list[Engine]:
    return [engine for engine in engines.with_parsers() if wanted in (None, engine.name)]


def _engine_of(words: Sequence[str], wanted: EngineName | None, image: str) -> tuple[Engine, int] | None:
    """The engine that a command line starts, and where its server's flags begin.

    Args:
        words: of the command line.
        wanted: the only engine that counts; None for any.
        image: that starts its engine by itself; empty where the words are the whole command line.
    """
    for engine in _known(wanted):
        for start in engine.start.commands:
            for index in range(len(words) - len(start) + 1):
                program, *rest = words[index : index + len(start)]
                if (program.rpartition("/")[2], *rest) == start:
                    return engine, index + len(start)
    if image and (name := engines.named_by(image)) and wanted in (None, name):
        engine = engines.get(name)
        if engine.start.by_image and (len(words) < 2 or any(map(arguments.is_flag, words[:2]))):
            return engine, 0
    return (engines.get(wanted), _after_program(words)) if wanted and words else None


def _after_program(words: Sequence[str]) -> int:
    """Where the flags of a command line begin whose program nobody here knows."""
    python = words[0].rpartition("/")[2].startswith("python")
    if python and "-m" in words[:-1]:
        return list(words).index("-m") + 2
    return next((index for index, word in enumerate(words) if arguments.is_flag(word)), len(words))


def _split(
    engine: Engine, words: Sequence[str], start: int, hidden: Iterable[str], kept: int = 0
) -> tuple[Sequence[int], Sequence[int]]:
    """Which words of a command line stay as they are, and which are flags that can be tuned.

    Args:
        engine: whose flags they are.
        words: of the command line.
        start: where its flags begin.
        hidden: variables whose values nobody knows here.
        kept: words at the beginning that stay, whatever they are.
    """
    fixed, free = list(range(start)), list[int]()
    parsed = arguments.parse(words[start:])
    ends = [argument.index for argument in parsed[1:]] + [len(words) - start]
    for argument, end in zip(parsed, ends, strict=False):  # no argument ends nowhere
        span = range(start + argument.index, start + end)
        unknown = any(f"$({name})" in words[index] for index in span for name in hidden)
        stays = span.start < kept or unknown or _stays(engine, argument)
        (fixed if stays else free).extend(span)
    return fixed, free


def _operand(words: Sequence[str]) -> str:
    stray = [argument for argument in arguments.parse(words) if not argument.spelling]
    return stray[0].values[0] if stray else ""


def _stays(engine: Engine, argument: Argument) -> bool:
    """Whether a copy keeps an argument: a word that is no flag, or a flag that says where and as what is served."""
    return not argument.spelling or engine.flag_of(argument.spelling) in engine.reserved


def _valued(elsewhere: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in elsewhere.items() if value}


def _unknown(elsewhere: Mapping[str, str]) -> list[str]:
    return [name for name, value in elsewhere.items() if not value]


def _from_elsewhere(env: Iterable[Mapping[str, Any]]) -> list[str]:
    return [variable["name"] for variable in env if "valueFrom" in variable]


def _fields(command: list[str], args: list[str]) -> dict[str, list[str]]:
    return {**({"command": command} if command else {}), **({"args": args} if args else {})}


def _started(container: Mapping[str, Any]) -> str:
    """What a container starts, in short."""
    words = " ".join((*(container.get("command") or ()), *(container.get("args") or ())))
    return (words[:60] + "..." if len(words) > 60 else words) or f"what {container.get('image')} starts by itself"
