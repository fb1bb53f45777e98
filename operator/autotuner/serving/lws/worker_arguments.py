"""The arguments of an engine's workers: those of its leader, but for what only one of the two has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from autotuner import engines
from autotuner.engines import arguments
from autotuner.serving.target import snapshots

_Flags = Mapping[str, tuple[str, ...]]


def of_workers(data: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a snapshot with the workers' pod in the leader's place."""
    workers = data["workers"]
    return {**data, "template": workers["template"], "container": workers["container"]}


def started(data: Mapping[str, Any], args: Sequence[str]) -> dict[str, list[str]] | None:
    """The `command` and `args` of the workers' container where the leader has these arguments.

    A flag that leader and workers have from the beginning with different values, or that only one of them has, such as
    a rank that is written out, stays each one's own. None where the workers run no engine.

    Args:
        data: of the snapshot.
        args: of the leader; none keep everybody's own.
    """
    if not data["workers"]["runs_engine"]:
        return None
    worker = of_workers(data)
    if not args:
        return snapshots.started(worker, args)
    leading, working = _by_flag(data, snapshots.engine_of(data).args), _by_flag(data, snapshots.engine_of(worker).args)
    own = {flag for flag in {*leading, *working} if leading.get(flag) != working.get(flag)}
    shared = [word for flag, words in _by_flag(data, args).items() if flag not in own for word in words]
    kept = [word for flag, words in working.items() if flag in own for word in words]
    return snapshots.started(worker, [*shared, *kept])


def _by_flag(data: Mapping[str, Any], args: Sequence[str]) -> _Flags:
    """Canonical flag -> its words, all occurrences together, in their order."""
    engine, found = engines.get(data["engine"]), defaultdict[str, tuple[str, ...]](tuple)
    for argument in arguments.parse(args):
        found[engine.flag_of(argument.spelling) or ""] += tuple(arguments.tokens(argument))
    return dict(found)
