"""Why an engine ended, read from its log.

One failure echoes in others' words: vLLM reports missing memory as a ValueError that names a flag and a missing model
as a ValidationError, every open stream repeats that the engine is dead, every rank that loses its peer complains about
NCCL. So the log is read as exceptions, by the process that printed them. What a process died of comes before what was
merely logged, a cause before what its peers say and before its echoes, and the earlier before the later. Of that
exception the words decide, then the file of its last frame, then phrases; the exit code decides where nothing was said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from autotuner.engines.diagnosis.failures import Standing, find
from autotuner.engines.diagnosis.judgement import Context, Judged, Rank, Reason, judge, short
from autotuner.engines.diagnosis.log_lines import Line, last_words, read
from autotuner.engines.diagnosis.log_patterns import LogPatterns, says
from autotuner.engines.diagnosis.plain_lines import fatal_lines, own_words
from autotuner.engines.diagnosis.shared_words import SHARED
from autotuner.engines.diagnosis.usage_errors import usage_error

__all__ = ["Diagnosis", "LogPatterns", "Reason", "diagnose", "notes", "version"]


@dataclass(frozen=True)
class Diagnosis:
    """Why an engine ended.

    Attributes:
        reason: as in the experiment's status.
        line: the engine's own words, or what its exit code means; one line of at most 400 characters.
        killed: one of its processes was killed from outside. The kernel does so when memory runs short, but the log
            cannot tell who it was: the same configuration need not end like this again.
        certain: a process died of it; else it was only logged, or nothing was.
        last: the place in the log of its last line, from 0; None where the log does not tell it.
    """

    reason: Reason
    line: str
    killed: bool = False
    certain: bool = field(default=True, compare=False)
    last: int | None = field(default=None, compare=False)


def diagnose(log: str, exit_code: int | None, flags: frozenset[str], own: LogPatterns) -> Diagnosis | None:
    """Judge the end of an engine by its log, then by its exit code.

    Args:
        log: its lines in their order; parts may be left out.
        exit_code: of its container; None while it runs.
        flags: names of the engine's flags, for errors that name one without dashes.
        own: the engine's own words.

    Returns:
        None when nothing says why and it did not fail: exit code None or 0.
    """
    patterns = _with_shared(own)
    lines = read(log, patterns.decorations)
    if usage := usage_error(lines, exit_code):
        return Diagnosis("InvalidArguments", usage)
    context = _context(lines, flags, patterns)
    failures = find(lines, patterns.fatal)
    judged = [
        judge(failure, context) for failure in failures[:_FAILURES_MAX] + failures[_FAILURES_MAX:][-_FAILURES_MAX:]
    ]
    judged += fatal_lines(lines, context)
    judged += own_words(lines, own)
    best = min(judged, key=_order, default=None)
    if best is None or (best.rank is Rank.ECHO and best.standing is not Standing.FATAL):
        return _by_exit_code(lines, exit_code, patterns)
    certain = best.standing is Standing.FATAL
    return Diagnosis(best.reason, _with_nccl(lines, best), best.killed, certain, best.last)


_NOTES_MAX = 8
_NOTE_LENGTH = 300


def notes(log: str, own: LogPatterns) -> list[str]:
    """What an engine that serves says to have done otherwise than it was asked to.

    It fell back to another backend, clipped a value, ignored a flag. Warnings that differ in numbers only count once.

    Returns:
        At most 8 lines of at most 300 characters, in their order.
    """
    patterns = _with_shared(own)
    found: dict[str, str] = {}
    for line in read(log, patterns.decorations):
        if line.decorated and line.level in ("", "WARNING") and not _ARGUMENTS.search(line.text):
            text = " ".join(line.text.split())
            if says(text, patterns.notes):
                found.setdefault(re.sub(r"\d+", "#", text), text[:_NOTE_LENGTH])
    return list(found.values())[:_NOTES_MAX]


_VERSION_LENGTH = 32


def version(log: str, own: LogPatterns) -> str:
    """The version that an engine says in its log first; empty if it says none; at most 32 characters."""
    for line in read(log, own.decorations):
        for pattern in own.version:
            if match := pattern.search(line.text):
                return match[1][:_VERSION_LENGTH]
    return ""


# Judging one costs about a millisecond; what fails more often fails in the same way.
_FAILURES_MAX = 200


def _order(one: Judged) -> tuple[bool, Standing, Rank, int]:
    return one.rank is Rank.ECHO, one.standing, one.rank, one.number


@lru_cache(maxsize=8)
def _with_shared(own: LogPatterns) -> LogPatterns:
    return own | SHARED


_ARGUMENTS = re.compile(r"non-default args: |server_args=|Initializing a V1 LLM engine|\bServerArgs\(")
_MODEL = re.compile(r"'model': '([^']+)'|\bmodel_path='([^']+)'|\bmodel='([^']+)'")


def _context(lines: Sequence[Line], flags: frozenset[str], own: LogPatterns) -> Context:
    arguments = "\n".join(line.text for line in lines if _ARGUMENTS.search(line.text))
    match = _MODEL.search(arguments)
    return Context(own, flags, arguments, next((group for group in match.groups() if group), "") if match else "")


_NCCL = re.compile(r"NCCL WARN (.*(?:[Ee]rror|failed|No space).*)")


def _with_nccl(lines: Sequence[Line], best: Judged) -> str:
    """NCCL tells the cause in a warning, and then fails with a word that says nothing."""
    if "NCCL" not in best.line and "nccl" not in best.line:
        return best.line
    warned = [match[1] for line in lines[: best.number + 1] if (match := _NCCL.search(line.text))]
    return short(f"{warned[-1]}; {best.line}") if warned else best.line


def _by_exit_code(lines: Sequence[Line], exit_code: int | None, own: LogPatterns) -> Diagnosis | None:
    if not exit_code:
        return None
    if exit_code == 137 and not any(says(line.text, own.kills_itself) for line in lines):
        return Diagnosis("EngineCrashed", _KILLED_WITHOUT_A_WORD, killed=True)
    if exit_code == 139:
        return Diagnosis("EngineCrashed", "segmentation fault (exit code 139)")
    return Diagnosis("EngineCrashed", short(last_words(lines)) or f"exit code {exit_code} without a word")


_KILLED_WITHOUT_A_WORD = (
    "killed (exit code 137) without a word, and Kubernetes does not say OOMKilled: a failed liveness probe or an"
    " overdue grace period ends like this, or the node's kernel when the node itself runs out of memory"
)
