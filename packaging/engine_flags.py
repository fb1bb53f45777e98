"""Add the flags of a release of an engine: `python packaging/engine_flags.py sglang 0.5.23 --uv .cache/uv/bin/uv`.

Fetches the sources of the published wheel and asks the engine's own parser for its flags, in an environment without
the libraries of the engine (stand_ins.py). Writes operator/autotuner/engines/data/ENGINE-VERSION.json: all flags of the
oldest known release, and of every other what differs from the one before. What is not plausible is not written.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import engine_release

from autotuner.engines import flag_table

DATA = Path(flag_table.__file__).parent / "data"
STAND_INS = Path(__file__).with_name("stand_ins.py")
# What stand-ins cannot play: it makes the classes whose fields become flags, or is inherited in unusual ways.
REAL = ("msgspec==0.23.0", "packaging==26.4", "pydantic==2.14.4", "pyyaml==6.0.4", "regex==2026.11.19")
FEWEST = 150
# Without these no engine serves anything.
EXPECTED = {
    "sglang": ("model-path", "served-model-name", "host", "port", "mem-fraction-static", "schedule-policy"),
    "vllm": ("model", "served-model-name", "host", "port", "gpu-memory-utilization", "max-num-seqs"),
}
# No release so far has fewer flags than the known one before it.
LARGEST_LOSS = 0.1

Flags = Mapping[str, Mapping[str, Any]]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=sorted(EXPECTED))
    parser.add_argument("version")
    parser.add_argument("--uv", default="uv", help="the program that makes the environment")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            built = engine_release.unpack(chosen.engine, chosen.version, Path(folder))
        except (LookupError, OSError) as error:
            sys.exit(f"{chosen.engine} {chosen.version} cannot be fetched: {error}")
        flags = read(chosen.engine, Path(folder), chosen.uv)
    releases = {one.version: one for one in flag_table.releases(flag_table.shipped(chosen.engine))}
    releases[chosen.version] = flag_table.Release(chosen.version, built, flags)
    ordered = sorted(releases.values(), key=lambda one: flag_table.order(one.version))
    before = ordered[ordered.index(releases[chosen.version]) - 1] if ordered[0].version != chosen.version else None
    if doubt := implausible(chosen.engine, flags, before.flags if before else {}):
        sys.exit(f"{chosen.engine} {chosen.version}: {doubt}; nothing is written: mend the reader")
    for earlier, one in zip([None, *ordered], ordered, strict=False):
        path = DATA / f"{chosen.engine}-{one.version}.json"
        path.write_text(written(chosen.engine, one, earlier))
    sys.stdout.write(f"{chosen.engine}-{chosen.version}.json: {len(flags)} flags\n")


def read(engine: str, sources: Path, uv: str) -> dict[str, dict[str, Any]]:
    """The flags of a release by name, as its own parser tells them."""
    libraries = [word for name in REAL for word in ("--with", name)]
    command = [uv, "run", "--quiet", "--isolated", "--no-project", "--python", ">=3.11,<3.13", *libraries]
    found = subprocess.run(  # noqa: S603 - a developer's own words
        [*command, "python", str(STAND_INS), engine, str(sources)], stdout=subprocess.PIPE, text=True
    )
    if found.returncode:
        sys.exit(f"the parser of {engine} cannot be run; its last words are above")
    return {flag["name"]: flag for flag in json.loads(found.stdout)}


def implausible(engine: str, flags: Flags, before: Flags) -> str | None:
    """Why these cannot be all flags of a release; None if they may be.

    Args:
        engine: its package.
        flags: as they were read, by name.
        before: of the known release before; empty if there is none.
    """
    if len(flags) < FEWEST:
        return f"{len(flags)} flags are too few for an engine; there were at least {FEWEST} in every release so far"
    spellings = {spelling for name, flag in flags.items() for spelling in (f"--{name}", *flag.get("aliases", ()))}
    if missing := [name for name in EXPECTED[engine] if f"--{name}" not in spellings]:
        return f"--{missing[0]} is missing"
    if len(flags) < (1 - LARGEST_LOSS) * len(before):
        return f"{len(flags)} flags are more than a tenth fewer than the {len(before)} of the release before"
    return None


def written(engine: str, release: flag_table.Release, before: flag_table.Release | None) -> str:
    """The data file: a line for each flag that is new or differs, and the names of those that are gone."""
    known = before.flags if before else {}
    differing = [flag for name, flag in sorted(release.flags.items()) if known.get(name) != flag]
    head = {"engine": engine, "version": release.version, "built": release.built}
    head |= {"generatedBy": "packaging/engine_flags.py"}
    if before:
        head["follows"] = before.version
    fields = "".join(f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items())
    gone = json.dumps(sorted(set(known) - set(release.flags)))
    return f'{{\n{fields}  "gone": {gone},\n  "flags": {_lines(differing)}\n}}\n'


def _lines(flags: Sequence[Mapping[str, Any]]) -> str:
    lines = ",\n".join(f"    {json.dumps(flag, sort_keys=True)}" for flag in flags)
    return f"[\n{lines}\n  ]" if lines else "[]"


if __name__ == "__main__":
    main()
