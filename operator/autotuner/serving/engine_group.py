"""Several pods that are one engine, read as one pod: what holds of all, and the words of the one that tells most. Pure.

The pod of rank 0 leads: it answers requests, and its name and image stand for the engine's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from autotuner.hashing import digest
from autotuner.serving.pods import PodView

_UID_DIGITS = 32


def members(pods: Iterable[PodView], measured: str | None = None) -> tuple[PodView, ...]:
    """The pods of an engine in the order of their ranks, of each rank the newest; empty while one of them is missing.

    Args:
        pods: all that bear the experiment's label and run its engine.
        measured: the uid of an engine of one pod that counts, whatever newer ones there are.
    """
    found = list(pods)
    if alone := [pod for pod in found if pod.uid == measured]:
        return tuple(alone)
    newest: dict[int, PodView] = {}
    for pod in found:
        if pod.rank not in newest or newest[pod.rank].created < pod.created:
            newest[pod.rank] = pod
    size = max((pod.group_size for pod in newest.values()), default=0)
    return tuple(newest[rank] for rank in range(size)) if set(newest) == set(range(size)) else ()


def as_one(group: Sequence[PodView]) -> PodView | None:
    """What a whole group says as one pod; None for no pods.

    It has a node once all have one, it is ready once all are, and it has ended once one has.
    """
    if len(group) < 2:
        return group[0] if group else None
    leader, tells = group[0], teller(group)
    unplaced = next((pod for pod in group if pod.node is None), None)
    waits = next((pod for pod in group if pod.cannot_be_pulled), None) or next(
        (pod for pod in group if pod.waiting_reason), leader
    )
    return replace(
        leader,
        uid=digest([pod.uid for pod in group], _UID_DIGITS),
        node=None if unplaced else leader.node,
        gates=tuple(dict.fromkeys(gate for pod in group for gate in pod.gates)),
        unschedulable=unplaced.unschedulable if unplaced else "",
        waiting_reason=waits.waiting_reason,
        waiting_message=waits.waiting_message,
        image=waits.image,
        started=all(pod.started for pod in group),
        running=all(pod.running for pod in group),
        ready=all(pod.ready for pod in group),
        restarts=sum(pod.restarts for pod in group),
        ended=tells.ended,
        deleting=any(pod.deleting for pod in group),
        finalizers=tuple(dict.fromkeys(name for pod in group for name in pod.finalizers)),
        disruption=next((pod.disruption for pod in group if pod.disruption), None),
    )


def teller(group: Sequence[PodView]) -> PodView:
    """The pod whose log explains the engine's state: where it began to fail, else where it is not ready.

    One that was killed for its memory comes first, for the others only miss it; then the one that ended first.
    """
    ended = [pod for pod in group if pod.ended is not None]
    if ended:
        return min(ended, key=_by_cause)
    return next((pod for pod in group if not pod.ready), group[0])


def _by_cause(pod: PodView) -> tuple[bool, str, int]:
    assert pod.ended is not None, "asked before"
    return pod.ended.reason != "OOMKilled", pod.ended.finished, pod.rank
