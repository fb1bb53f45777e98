"""What an engine's parser of its command line refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from autotuner.engines.diagnosis.judgement import short, validation
from autotuner.engines.diagnosis.log_lines import Line, last_words

_REFUSED = re.compile(r"^(?:[\w./-]+ ?(?:serve|launch|bench)?: |\w[\w. -]{0,40}: )error: (.+)")
_ARGPARSE = re.compile(
    r"error: (?:unrecognized arguments|argument |ambiguous option|the following arguments are required)"
)
_USAGE = re.compile(r"^usage: ", re.IGNORECASE)


def usage_error(lines: Sequence[Line], exit_code: int | None) -> str | None:
    """What the command line's parser refused; of a flag whose value is JSON, what is wrong inside."""
    usage = next((index for index, line in enumerate(lines) if _USAGE.match(line.text)), len(lines))
    for index, line in enumerate(lines):
        if not _REFUSED.match(line.text):
            continue
        if not (exit_code == 2 or usage < index or _ARGPARSE.search(line.text)):
            continue
        further = [one.text for one in lines[index + 1 : index + 20]]
        if re.search(r"\d+ validation errors? for ", line.text):
            head = re.split(r"\d+ validation errors? for ", line.text)[0]
            return short(head + validation("\n".join([line.text, *further])))
        return short(" ".join([line.text, *_until_blank(further)]) if line.text.endswith(":") else line.text)
    if exit_code == 2 and usage < len(lines):
        return short(last_words(lines))
    return None


def _until_blank(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        if not line:
            return
        yield line
