"""Why an engine ended, read from its last words.

The order of the rules matters: one failure echoes in others' words (vLLM reports missing memory as a ValueError that
names a flag, and a missing model as a ValidationError; every rank that loses its peer then complains about NCCL).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Reason = Literal["OutOfMemory", "InvalidArguments", "EngineCrashed", "ModelNotReady"]
Rule = Callable[[Sequence[str]], str | None]

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


def diagnose(log: str, exit_code: int | None, flags: frozenset[str]) -> Diagnosis | None:
    """Judge the end of an engine by the tail of its log, then by its exit code.

    Args:
        log: the tail, in its order.
        exit_code: of its container; None while it runs.
        flags: names of the engine's flags, for errors that name one without dashes.

    Returns:
        None when nothing says why and it did not fail: exit code None or 0.
    """
    lines = [_undecorated(line) for line in log.splitlines()]
    rules: tuple[tuple[Reason, Rule], ...] = (
        ("InvalidArguments", _first(_USAGE_ERROR)),
        ("OutOfMemory", _first(_OUT_OF_MEMORY)),
        ("ModelNotReady", _first(_NO_MODEL)),
        ("ModelNotReady", _nothing_loaded),
        ("InvalidArguments", _validation_error),
        ("InvalidArguments", lambda lines: _error_naming_a_flag(lines, flags)),
        ("EngineCrashed", _first(_CRASH)),
    )
    for reason, rule in rules:
        line = rule(lines)
        if line is not None:
            return Diagnosis(reason, _short(line))
    return _by_exit_code(lines, exit_code)


# What loggers put before a message, for example
# "(EngineCore_0 pid=272) ERROR 09-12 10:00:00 [core.py:700] " and "[2025-09-12 10:00:00 TP0] ".
_DECORATION = re.compile(
    r"^(?:\([\w ]+?pid=\d+\) ?)?"
    r"(?:(?:DEBUG|INFO|WARNING|ERROR|CRITICAL) \d\d-\d\d \d\d:\d\d:\d\d (?:\[[^\]]*\] ?)?)?"
    r"(?:\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[^\]]*\] ?)?"
)
_USAGE_ERROR = re.compile(
    r"\berror: (?:unrecognized arguments|argument |ambiguous option|the following arguments are required)"
)
_OUT_OF_MEMORY = re.compile(
    r"CUDA out of memory|CUDA error: out of memory|OutOfMemoryError\b"
    r"|Not enough memory\. Please try to increase --mem-fraction-static"
    r"|(?:Prefill|Decode) out of memory\."
    r"|No available memory for the cache blocks"
    r"|larger than the available KV cache memory"
    r"|Free memory on device .* is less than desired GPU memory utilization"
)
_NO_MODEL = re.compile(
    r"\b40[13] Client Error|GatedRepo|RepositoryNotFoundError"
    r"|is not a local folder|Invalid repository ID or local directory"
    r"|Cannot find any model weights|does not appear to have a file named"
    r"|No such file or directory: .*(?:/models?/|\bconfig\.json|tokenizer|\.safetensors)"
)
_CRASH = re.compile(
    r"NCCL [Ee]rror|\bnccl[A-Z]\w*Error|CUDA error|Watchdog (?:caught|timeout)|watchdog timeout"
    r"|[Ss]egmentation fault|Fatal Python error"
)
_EXCEPTION = re.compile(r"^(?:[\w.]+\.)?[A-Z]\w*(?:Error|Exception|Exit|Interrupt)\b")
_FLAG_LIKE = re.compile(r"--[A-Za-z][-\w]*|\b[A-Za-z]+(?:[-_][A-Za-z0-9]+)+\b")


def _undecorated(line: str) -> str:
    return _DECORATION.sub("", line).rstrip()


def _short(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= _LINE_MAX else line[: _LINE_MAX - 1] + "…"


def _first(pattern: re.Pattern[str]) -> Rule:
    return lambda lines: next((line for line in lines if pattern.search(line)), None)


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


def _by_exit_code(lines: Sequence[str], exit_code: int | None) -> Diagnosis | None:
    if not exit_code:
        return None
    last = _short(_last_words(lines))
    if exit_code == 2 and any(line.startswith("usage: ") for line in lines):
        return Diagnosis("InvalidArguments", last)
    # SGLang kills itself when one of its processes has failed; that is no sign of missing memory.
    if exit_code == 137 and not any("Received sigquit from a child process" in line for line in lines):
        return Diagnosis("OutOfMemory", "killed (exit code 137), as the kernel does at the memory limit")
    if exit_code == 139:
        return Diagnosis("EngineCrashed", "segmentation fault (exit code 139)")
    return Diagnosis("EngineCrashed", last or f"exit code {exit_code} without a word")


def _last_words(lines: Sequence[str]) -> str:
    """The last exception that does not merely refer to another one, else the last line."""
    exceptions = [line for line in lines if _EXCEPTION.match(line) and "See root cause above" not in line]
    return next(reversed(exceptions or [line for line in lines if line]), "")
