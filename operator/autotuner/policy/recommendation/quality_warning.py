"""Flags by which two command lines may answer differently: the benchmark measures speed, never quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autotuner.engines import Engine
from autotuner.engines.quantization import AUTO
from autotuner.search.space.command_line import Args, by_flag, flag_value


def changed(engine: Engine, args: Sequence[str], baseline: Sequence[str]) -> list[str]:
    """Flags that change numerics and differ from the baseline's, by name; one that says auto says nothing."""
    ours, theirs = by_flag(args, engine), by_flag(baseline, engine)
    every = ours.keys() | theirs.keys()
    return engine.quantization.numerics_changed(
        flag for flag in every if _meaning(ours, flag, engine) != _meaning(theirs, flag, engine)
    )


def _meaning(flags: Mapping[str, Args], flag: str, engine: Engine) -> str:
    said = flag_value(flags[flag], engine) if flags.get(flag) else AUTO
    return "" if said == AUTO else said
