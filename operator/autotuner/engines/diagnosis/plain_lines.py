"""What a log says of a death outside of exceptions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from autotuner.engines.diagnosis.failures import Standing, goes_on
from autotuner.engines.diagnosis.judgement import Context, Judged, Rank, Reason, short
from autotuner.engines.diagnosis.log_lines import Line
from autotuner.engines.diagnosis.log_patterns import LogPatterns, says
from autotuner.engines.diagnosis.shared_words import SHARED

_CHILD_ENDED = re.compile(
    r"died unexpectedly|crashed with exit code|scheduler is dead|process(?:es)? .{0,60}(?:died|killed)|exited with code"
)
_EXIT_CODE = re.compile(r"(?i)exit(?:ed with)? ?code:? ?\(?(-?\d+)")
_DIED = re.compile(
    r"[Ww]atchdog (?:timeout|caught)|Fatal Python error: |\bSegmentation fault\b|\bSIG(?:SEGV|ABRT|BUS|ILL)\b"
    r"|terminate called after throwing|\bBus error\b|double free or corruption"
)
_MEMORY = re.compile(r"^(?:CUDA|HIP|Triton) (?:error: )?out of memory|CUDA error: out of memory")


def fatal_lines(lines: Sequence[Line], context: Context) -> Iterator[Judged]:
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
            yield Judged(line.number, line.number, Standing.FATAL, rank, reason, short(told), killed)
        elif _DIED.search(line.text):
            told = line.text
            if "terminate called" in told and index + 1 < len(lines):
                told += " " + lines[index + 1].text.strip()
            memory = says(told, context.own.out_of_memory)
            yield Judged(
                line.number,
                line.number,
                Standing.FATAL,
                Rank.CAUSE,
                "OutOfMemory" if memory else "EngineCrashed",
                short(told),
            )


def own_words(lines: Sequence[Line], own: LogPatterns) -> Iterator[Judged]:
    """The engine's own words outside of exceptions; they decide only where nothing else does."""
    reasons: tuple[tuple[Reason, tuple[re.Pattern[str], ...]], ...] = (
        ("OutOfMemory", (_MEMORY, *own.out_of_memory)),
        ("ModelUnsupported", own.unsupported_model),
        ("ModelNotReady", own.broken_model),
        ("EngineCrashed", (*own.crash, *SHARED.crash)),
    )
    for line in lines:
        if line.harmless or goes_on(line.text) or line.text.startswith(" "):
            continue
        for reason, patterns in reasons:
            if says(line.text, patterns):
                yield Judged(line.number, line.number, Standing.SURVIVED, Rank.CAUSE, reason, short(line.text))
