"""Gives drawn specs to `validate` as files, most of them wrong: `python -m tests.support.soak_specs [COUNT [FIRST]]`.

Whatever a file says, there has to be an answer, in text and in JSON. An exception is told with the seed that draws its
file again. Every fourth file has been changed as a text too, so that it may be no YAML any more.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from autotuner import presets, yaml_text
from autotuner.cli.validate import judge_files
from autotuner.presets import Presets
from tests.support import drawn_specs

_MARKS = "{}[]:,-&*#?|>!%@`'\"\n\t 0aé=~<.\x00\ufeff"


def text(seed: int) -> str:
    """The file of a seed."""
    rng, written = random.Random(f"text {seed}"), yaml_text.dump(drawn_specs.draw(seed))
    if seed % 4:
        return written
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(written)), rng.choice((0, 0, 1, 5))
        written = written[:at] + "".join(rng.choices(_MARKS, k=rng.randint(0, 3))) + written[at + length :]
    return written


def ending(path: Path, known: Presets) -> int:
    """The exit code of the command for a file, with its answer in text and in JSON.

    Raises:
        Exception: what would escape from the command.
    """
    answer = judge_files([str(path)], known, {})
    told = json.loads(answer.json)
    if (answer.code == 0) == any(one["severity"] == "error" for one in told):
        raise AssertionError(f"ends with {answer.code}, and says {answer.text}")
    return answer.code


def main(count: int = 10_000, first: int = 0) -> int:
    """Judge so many files; returns how many ended in an exception."""
    begun, codes, broken = time.monotonic(), Counter[int](), 0
    known = presets.load(presets.default_folder())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.yaml"
        for seed in range(first, first + count):
            path.write_text(text(seed), encoding="utf-8")
            try:
                codes[ending(path, known)] += 1
            except Exception:
                broken += 1
                print(f"seed {seed}:\n{traceback.format_exc()}", flush=True)
    said = f"{codes[0]} valid, {codes[1]} refused, {codes[2]} no YAML, {broken} exceptions"
    print(f"{count} files in {time.monotonic() - begun:.0f} s: {said}")
    return broken


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])) > 0)
