"""Why an engine ended, read from its log.

One failure echoes in others' words: vLLM reports missing memory as a ValueError that names a flag and a missing model
as a ValidationError, every open stream repeats that the engine is dead, every rank that loses its peer complains about
NCCL. So the log is read as exceptions, by the process that printed them. What a process died of comes before what was
merely logged, a cause before what its peers say and before its echoes, and the earlier before the later. Of that
exception the words decide, then the file of its last frame, then phrases; the exit code decides where nothing was said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from autotuner.engines.diagnosis.failures import Standing, find
from autotuner.engines.diagnosis.judgement import Context, Judged, Rank, Reason, judge, short, validation
from autotuner.engines.diagnosis.log_lines import Line, read
from autotuner.engines.diagnosis.log_patterns import LogPatterns, says
from autotuner.engines.diagnosis.shared_words import SHARED

__all__ = ["Diagnosis", "LogPatterns", "Reason", "diagnose"]


@dataclass(frozen=True)
class Diagnosis:
    """Why an engine ended.

    Attributes:
        reason: as in the experiment's status.
        line: the engine's own words, or what its exit code means; one line of at most 400 characters.
        killed: one of its processes was killed from outside. The kernel does so when memory runs short, but the log
            cannot tell who it was: the same configuration need not end like this again.
    """

    reason: Reason
    line: str
    killed: bool = False


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
    if usage := _usage_error(lines, exit_code):
        return Diagnosis("InvalidArguments", usage)
    context = _context(lines, flags, patterns)
    judged = [judge(failure, context) for failure in find(lines, patterns.fatal)]
    judged += _fatal_lines(lines, context)
    best = min(judged, key=_order, default=None)
    if best is None or (best.rank is Rank.ECHO and best.standing is not Standing.FATAL):
        return _by_exit_code(lines, exit_code, patterns)
    return Diagnosis(best.reason, _with_nccl(lines, best), best.killed)


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


_USAGE_ERROR = re.compile(r"^(?:[\w./-]+ ?(?:serve|launch|bench)?: |\w[\w. -]{0,40}: )error: (.+)")
_USAGE = re.compile(r"^usage: ", re.IGNORECASE)


def _usage_error(lines: Sequence[Line], exit_code: int | None) -> str | None:
    """What the command line's parser refused; of a flag whose value is JSON, what is wrong inside."""
    for index, line in enumerate(lines):
        if not _USAGE_ERROR.match(line.text) or not (exit_code == 2 or _usage_before(lines, index)):
            continue
        further = [one.text for one in lines[index + 1 : index + 20]]
        if re.search(r"\d+ validation errors? for ", line.text):
            head = re.split(r"\d+ validation errors? for ", line.text)[0]
            return short(head + validation("\n".join([line.text, *further])))
        return short(" ".join([line.text, *_until_blank(further)]) if line.text.endswith(":") else line.text)
    if exit_code == 2 and _usage_before(lines, len(lines)):
        return _last(lines)
    return None


def _usage_before(lines: Sequence[Line], index: int) -> bool:
    return any(_USAGE.match(line.text) for line in lines[:index])


def _until_blank(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if not line:
            return
        yield line


_CHILD_ENDED = re.compile(
    r"died unexpectedly|crashed with exit code|scheduler is dead|process(?:es)? .{0,60}(?:died|killed)|exited with code"
)
_EXIT_CODE = re.compile(r"(?i)exit(?:ed with)? ?code:? ?\(?(-?\d+)")
_DIED = re.compile(
    r"[Ww]atchdog (?:timeout|caught)|Fatal Python error: |\bSegmentation fault\b|\bSIG(?:SEGV|ABRT|BUS|ILL)\b"
    r"|terminate called after throwing|\bBus error\b|double free or corruption"
)
_OUT_OF_MEMORY_LOGGED = re.compile(
    r"^(?:CUDA|HIP|Triton) (?:error: )?out of memory|CUDA error: out of memory|\boom-kill", re.I
)


def _fatal_lines(lines: Sequence[Line], context: Context) -> Iterator[Judged]:
    """Lines that tell of a death without an exception."""
    for index, line in enumerate(lines):
        if line.harmless:
            continue
        if _CHILD_ENDED.search(line.text):
            told = " ".join(one.text for one in lines[index : index + 2] if one is line or "xit code" in one.text)
            code = _EXIT_CODE.search(told)
            killed = code is not None and code[1] == "-9"
            rank = Rank.CAUSE if killed else Rank.PEER
            reason: Reason = "OutOfMemory" if killed else "EngineCrashed"
            yield Judged(line.number, Standing.FATAL, rank, reason, short(told), killed)
        elif _DIED.search(line.text):
            told = line.text
            if "terminate called" in told and index + 1 < len(lines):
                told += " " + lines[index + 1].text.strip()
            memory = says(told, context.own.out_of_memory)
            yield Judged(
                line.number, Standing.FATAL, Rank.CAUSE, "OutOfMemory" if memory else "EngineCrashed", short(told)
            )
        elif _OUT_OF_MEMORY_LOGGED.search(line.text) and not line.text.startswith(" "):
            yield Judged(line.number, Standing.SURVIVED, Rank.CAUSE, "OutOfMemory", short(line.text))


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
    return Diagnosis("EngineCrashed", _last(lines) or f"exit code {exit_code} without a word")


def _last(lines: Sequence[Line]) -> str:
    return short(next((line.text for line in reversed(lines) if line.text), ""))


_KILLED_WITHOUT_A_WORD = (
    "killed (exit code 137) without a word, and Kubernetes does not say OOMKilled: a failed liveness probe or an"
    " overdue grace period ends like this, or the node's kernel when the node itself runs out of memory"
)
