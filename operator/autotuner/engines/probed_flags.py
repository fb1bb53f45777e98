"""The flags that an image's own parser told: what a probe runs inside the image, and how its answer is read."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from dataclasses import dataclass, field
from importlib import resources

from autotuner.engines import image_tags
from autotuner.engines.flag_table import FlagDocument
from autotuner.engines.parser_reading import MARK

_LINE = re.compile(rf"^(?:.* )?{MARK} ([0-9a-f]{{64}}) ([0-9]+)/([0-9]+) ([A-Za-z0-9+/=]+)$", re.MULTILINE)
_KINDS = ("switch", "boolean", "int", "float", "size", "str", "json", "list")


@dataclass(frozen=True)
class ProbedFlags:
    """All flags of the engine in one image, as its own parser told them; equal where their digests are.

    Attributes:
        digest: SHA-256 of `text`, as hex digits.
        text: the JSON that the probe printed.
        document: the same as a flag table is read from, without the name of a build in its version.
    """

    digest: str
    text: str = field(compare=False, repr=False)
    document: FlagDocument = field(compare=False, repr=False)

    @property
    def package(self) -> str:
        """The package whose parser was asked, in lower case."""
        return str(self.document["engine"])

    @property
    def version(self) -> str:
        """The release that the package says it is; empty for a build that says none."""
        return str(self.document["version"])

    @property
    def count(self) -> int:
        """The number of flags."""
        return len(self.document["flags"])


def of(text: str) -> ProbedFlags:
    """The flags in what a probe printed.

    Raises:
        ValueError: it is not what a probe prints; says why.
    """
    try:
        told = json.loads(text)
        flags = told["flags"]
        odd = [one["name"] for one in flags if one["kind"] not in _KINDS or not isinstance(one["name"], str)]
        document = {"engine": told["engine"], "version": image_tags.number(told["version"]), "flags": flags}
    except (ValueError, KeyError, TypeError) as problem:
        raise ValueError(f"no table of flags: {problem!r:.200}") from problem
    if odd or not flags:
        raise ValueError(f"a table of flags with {f'odd kinds ({odd[0]})' if odd else 'no flags'}")
    return ProbedFlags(hashlib.sha256(text.encode()).hexdigest(), text, document)


def in_log(log: str) -> ProbedFlags:
    """The flags that a probe printed into a log, whatever else stands there.

    Raises:
        ValueError: they are not there, not all there, or damaged; says which.
    """
    found = _LINE.findall(log)
    if not found:
        raise ValueError(f"the log has no line that begins with {MARK}")
    digest, _, count = found[-1][:3]  # of a pod that ran twice, the last answer
    parts = {int(number): part for told, number, total, part in found if (told, total) == (digest, count)}
    missing = [number for number in range(1, int(count) + 1) if number not in parts]
    if missing:
        raise ValueError(f"the log lacks part {missing[0]} of the {count} that tell the flags")
    try:
        whole = base64.b64decode("".join(parts[number] for number in sorted(parts)), validate=True)
        text = zlib.decompress(whole).decode()
    except (ValueError, zlib.error) as problem:
        raise ValueError(f"what the log tells of flags is damaged: {problem}") from problem
    flags = of(text)
    if flags.digest != digest:
        raise ValueError("what the log tells of flags has another SHA-256 than it says")
    return flags


def script() -> str:
    """The program that a probe runs by an image's Python, with the engine's package as its argument."""
    return (resources.files("autotuner.engines") / "parser_reading.py").read_text()
