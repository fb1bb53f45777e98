"""Nodes that do not answer while something of an experiment is on them: when to ask for them, and when to give up.

Kubernetes misses a node after most of a minute, and takes its pods away only five minutes later. Until then a benchmark
on the same node tells nobody that it is gone, and its accelerators stand idle. A node that only lost its kubelet or
its network for a moment goes on measuring, so it gets a while to come back. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from autotuner import clock
from autotuner.policy.conditions import ConditionSet, find
from autotuner.policy.experiment.observed import ObservedExperiment
from autotuner.policy.experiment.reasons import Ending
from autotuner.serving.pods import PodView

CONDITION = "NodesReady"
# How long a node may be NotReady: a restart of the kubelet takes some 20 s, one of a machine minutes.
PATIENCE = timedelta(seconds=60)
# An engine that starts is not ready by itself; only one that takes long is looked after.
_LONG_START = timedelta(seconds=60)


def suspects(seen: ObservedExperiment, now: datetime) -> set[str]:
    """The nodes to look at: of pods that were ready and are not, or that take long to become so."""
    return {pod.node for pod in _pods(seen) if pod.node and pod.ended is None and _suspicious(seen, pod, now)}


def _suspicious(seen: ObservedExperiment, pod: PodView, now: datetime) -> bool:
    if pod.ready:
        return False
    times = seen.status.times
    if pod is seen.benchmark:
        return pod.started
    if times is not None and times.engine_ready:
        return True
    since = times.scheduled if times is not None else None
    return since is not None and now >= clock.parse(since) + _LONG_START


def _pods(seen: ObservedExperiment) -> Iterator[PodView]:
    yield from seen.engine_group
    if seen.benchmark is not None:
        yield seen.benchmark


def words(seen: ObservedExperiment) -> str:
    """Which nodes do not answer, and whose they are; empty if all do."""
    roles = {pod.node: "benchmark" if pod is seen.benchmark else "engine" for pod in reversed([*_pods(seen)])}
    silent = [f"the {roles[node]}'s node {node}" for node in sorted(seen.silent_nodes) if node in roles]
    return f"{' and '.join(silent)} {'are' if len(silent) > 1 else 'is'} not Ready" if silent else ""


def note(conditions: ConditionSet, seen: ObservedExperiment) -> None:
    """Keep in the conditions since when a node does not answer; nothing is said of nodes that always did."""
    if said := words(seen):
        conditions.set(CONDITION, "False", "NodeNotReady", said)
    elif conditions.get(CONDITION):
        conditions.set(CONDITION, "True", "Ready")


def given_up(seen: ObservedExperiment, now: datetime) -> tuple[datetime, Ending] | None:
    """When to give up on a node that does not answer, and the ending then; None if all answer."""
    said = words(seen)
    if not said:
        return None
    known = find(seen.status.conditions, CONDITION)
    since = clock.parse(known.last_transition_time) if known and known.status == "False" else now
    message = f"{said} for {PATIENCE.total_seconds():.0f} s while the experiment needed it"
    return since + PATIENCE, Ending("NodeLost", message)
