"""What one engine's log says in its own words: the table that each engine fills in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class LogPatterns:
    """What one engine's log says in its own words, beside those of the libraries that every engine uses.

    Each pattern is searched for in a line, whose decoration is taken off, or in an exception's whole message.

    Attributes:
        decorations: what its loggers put before a message; each is taken off once, in this order. Their groups tell
            the process, the level and that a logger wrote it (`time`): what has no time was printed by the interpreter.
        argument_modules: files of its argument stage, below the folder of its packages: what is raised there is a
            refusal of what was asked for.
        fatal: what it says before the traceback that a process of it dies of.
        echo: an exception or line that merely refers to the one which is the cause.
        peer: what the others say when one of its processes has failed; a cause only where there is no other.
        out_of_memory: it wants more memory than there is.
        broken_model: it finds no model, or one that cannot be read.
        unsupported_model: it does not know the kind of model.
        crash: it ended without a fault of the arguments.
        kills_itself: it ends itself with exit code 137 because one of its processes has failed.
        draft_modules: files that load models beside the one that is served.
        notes: what it says when it serves otherwise than it was asked to.
        version: how it says its own version, which is the group.
    """

    decorations: tuple[re.Pattern[str], ...]
    argument_modules: tuple[re.Pattern[str], ...]
    fatal: tuple[re.Pattern[str], ...]
    echo: tuple[re.Pattern[str], ...]
    peer: tuple[re.Pattern[str], ...]
    out_of_memory: tuple[re.Pattern[str], ...]
    broken_model: tuple[re.Pattern[str], ...]
    unsupported_model: tuple[re.Pattern[str], ...]
    crash: tuple[re.Pattern[str], ...]
    kills_itself: tuple[re.Pattern[str], ...]
    draft_modules: tuple[re.Pattern[str], ...]
    notes: tuple[re.Pattern[str], ...]
    version: tuple[re.Pattern[str], ...]

    def __or__(self, other: LogPatterns) -> LogPatterns:
        """The words of either engine."""
        names = [field.name for field in fields(self)]
        return LogPatterns(**{name: getattr(self, name) + getattr(other, name) for name in names})


def says(text: str, patterns: Iterable[re.Pattern[str]]) -> bool:
    """Whether one of the patterns is found in a text."""
    return any(pattern.search(text) for pattern in patterns)
