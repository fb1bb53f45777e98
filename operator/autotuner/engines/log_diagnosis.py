"""Why an engine ended, read from its last words.

The order of the signs matters: one failure echoes in others' words (vLLM reports missing memory as a ValueError that
names a flag, and a missing model as a ValidationError; every rank that loses its peer then complains about NCCL).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Reason = Literal["OutOfMemory", "InvalidArguments", "EngineCrashed", "ModelNotReady"]
_Sign = Callable[[Sequence[str]], str | None]  # the line that tells, if there is one

_LINE_MAX = 400


@dataclass(frozen=True)
class Diagnosis:
    """Why an engine ended.

    Attributes:
        reason: as in the experiment's status.
        line: the engine's own words, or what its exit code means; one line of at most 400 characters.
    """

    reason: Reason
    line: str


@dataclass(frozen=True)
class LogPatterns:
    """What one engine's log says in its own words, beside those of the libraries that every engine uses.

    Each is searched for in a line, whose decoration is taken off.

    Attributes:
        decorations: what its loggers put before a message; each is taken off once, in this order.
        out_of_memory: it wants more memory of the GPU than there is.
        no_model: it finds no model.
        crash: it ended without a fault of the arguments.
        echo: an exception that merely refers to the one which is the cause.
        kills_itself: it ends itself with exit code 137 because one of its processes has failed.
    """

    decorations: tuple[re.Pattern[str], ...]
    out_of_memory: tuple[re.Pattern[str], ...]
    no_model: tuple[re.Pattern[str], ...]
    crash: tuple[re.Pattern[str], ...]
    echo: tuple[re.Pattern[str], ...]
    kills_itself: tuple[re.Pattern[str], ...]

    def __or__(self, other: LogPatterns) -> LogPatterns:
        """The words of either engine."""
        return LogPatterns(
            self.decorations + other.decorations,
            self.out_of_memory + other.out_of_memory,
            self.no_model + other.no_model,
            self.crash + other.crash,
            self.echo + other.echo,
            self.kills_itself + other.kills_itself,
        )


def diagnose(log: str, exit_code: int | None, flags: frozenset[str], own: LogPatterns) -> Diagnosis | None:
    """Judge the end of an engine by the tail of its log, then by its exit code.

    Args:
        log: the tail, in its order.
        exit_code: of its container; None while it runs.
        flags: names of the engine's flags, for errors that name one without dashes.
        own: the engine's own words.

    Returns:
        None when nothing says why and it did not fail: exit code None or 0.
    """
    lines = [_undecorated(line, own.decorations) for line in log.splitlines()]
    signs: tuple[tuple[Reason, _Sign], ...] = (
        ("InvalidArguments", _first(_USAGE_ERROR)),
        ("OutOfMemory", _first(_OUT_OF_MEMORY, *own.out_of_memory)),
        ("ModelNotReady", _first(_NO_MODEL, *own.no_model)),
        ("ModelNotReady", _nothing_loaded),
        ("InvalidArguments", _validation_error),
        ("InvalidArguments", lambda lines: _error_naming_a_flag(lines, flags)),
        ("EngineCrashed", _first(_CRASH, *own.crash)),
    )
    for reason, sign in signs:
        line = sign(lines)
        if line is not None:
            return Diagnosis(reason, _short(line))
    return _by_exit_code(lines, exit_code, own)


# Words of argparse, PyTorch, NCCL, CUDA, huggingface_hub, transformers and Python itself, whatever the engine.
_USAGE_ERROR = re.compile(
    r"\berror: (?:unrecognized arguments|argument |ambiguous option|the following arguments are required)"
)
_OUT_OF_MEMORY = re.compile(r"CUDA out of memory|CUDA error: out of memory|OutOfMemoryError\b")
_NO_MODEL = re.compile(
    r"\b40[13] Client Error|GatedRepo|RepositoryNotFoundError|is not a local folder"
    r"|Cannot find any model weights|does not appear to have a file named"
    r"|No such file or directory: .*(?:/models?/|\bconfig\.json|tokenizer|\.safetensors)"
)
_CRASH = re.compile(
    r"NCCL [Ee]rror|\bnccl[A-Z]\w*Error|CUDA error|Watchdog caught|watchdog timeout"
    r"|[Ss]egmentation fault|Fatal Python error"
)
_EXCEPTION = re.compile(r"^(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Exit|Interrupt)\b")
_FLAG_LIKE = re.compile(r"--[A-Za-z][-\w]*|\b[A-Za-z]+(?:[-_][A-Za-z0-9]+)+\b")


def _undecorated(line: str, decorations: Sequence[re.Pattern[str]]) -> str:
    for decoration in decorations:
        if found := decoration.match(line):
            line = line[found.end() :]
    return line.rstrip()


def _short(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= _LINE_MAX else line[: _LINE_MAX - 1] + "…"


def _first(*patterns: re.Pattern[str]) -> _Sign:
    return lambda lines: next((line for line in lines if _says(line, patterns)), None)


def _says(line: str, patterns: Iterable[re.Pattern[str]]) -> bool:
    return any(pattern.search(line) for pattern in patterns)


def _nothing_loaded(lines: Sequence[str]) -> str | None:
    """A NoneType error whose last message before its traceback was about loading: the folder is empty."""
    for index, line in enumerate(lines):
        if not re.search(r"Error: .*'NoneType'", line):
            continue
        said = (before for before in reversed(lines[:index]) if before and not _in_traceback(before))
        if re.search(r"\b[Ll]oad(?:ing)?\b", next(said, "")):
            return line
    return None


def _in_traceback(line: str) -> bool:
    return line.startswith((" ", "Traceback (most recent call last)")) or "hit an exception: Traceback" in line


def _validation_error(lines: Sequence[str]) -> str | None:
    """Pydantic's complaint, its head line dropped: the field and what is wrong with it."""
    for index, line in enumerate(lines):
        if not re.search(r"\b\d+ validation errors? for \w+", line):
            continue
        told: list[str] = []
        for detail in lines[index + 1 : index + 4]:
            text, bracket, _ = detail.partition(" [type=")
            told.append(text.strip())
            if bracket:
                return ": ".join(told)
        return line
    return None


def _error_naming_a_flag(lines: Sequence[str], flags: frozenset[str]) -> str | None:
    for line in lines:
        if re.search(r"\b(?:ValueError|AssertionError): ", line) and any(
            word.startswith("--") or word.replace("_", "-") in flags for word in _FLAG_LIKE.findall(line)
        ):
            return line
    return None


def _by_exit_code(lines: Sequence[str], exit_code: int | None, own: LogPatterns) -> Diagnosis | None:
    if not exit_code:
        return None
    last = _short(_last_words(lines, own.echo))
    if exit_code == 2 and any(line.startswith("usage: ") for line in lines):
        return Diagnosis("InvalidArguments", last)
    if exit_code == 137 and not any(_says(line, own.kills_itself) for line in lines):
        return Diagnosis("OutOfMemory", "killed (exit code 137), as the kernel does at the memory limit")
    if exit_code == 139:
        return Diagnosis("EngineCrashed", "segmentation fault (exit code 139)")
    return Diagnosis("EngineCrashed", last or f"exit code {exit_code} without a word")


def _last_words(lines: Sequence[str], echo: Sequence[re.Pattern[str]]) -> str:
    """The last exception that does not merely refer to another one, else the last line."""
    exceptions = [line for line in lines if _EXCEPTION.match(line) and not _says(line, echo)]
    return next(reversed(exceptions or [line for line in lines if line]), "")
