"""What LWS does about the pods of its groups, and what it says of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from autotuner.kubernetes_object import Object
from testbed.lws.render import INDEX, ORDINAL, RANK, size

_NEVER = ("None", "Default")


def missing_labels(pod: Object) -> dict[str, str]:
    """The labels that LWS's webhook gives a pod when it is made, as far as it lacks them."""
    labels, name = pod["metadata"].get("labels", {}), pod["metadata"]["name"]
    leads = labels.get(RANK) == "0"
    wanted = {INDEX: name.rpartition("-")[2]} if leads else {RANK: labels.get(ORDINAL, "")}
    return {key: value for key, value in wanted.items() if value and labels.get(key) != value}


def to_recreate(lws: Object, leader: Object, group: Iterable[Object]) -> Object | None:
    """The pod for which a whole group is made anew; None while it may stay, or where it goes already."""
    if lws["spec"]["leaderWorkerTemplate"].get("restartPolicy") in _NEVER or "deletionTimestamp" in leader["metadata"]:
        return None
    return next((pod for pod in (leader, *group) if "deletionTimestamp" in pod["metadata"] or _restarted(pod)), None)


def _restarted(pod: Object) -> bool:
    return any(one.get("restartCount") for one in pod.get("status", {}).get("containerStatuses", ()))


def is_ready(pod: Object) -> bool:
    """Whether a pod says Ready, even while it is terminating."""
    return any(
        one["type"] == "Ready" and one["status"] == "True" for one in pod.get("status", {}).get("conditions", ())
    )


def status(lws: Object, groups: Iterable[tuple[Object, Iterable[Object]]], now: str) -> Object:
    """The status of a LeaderWorkerSet; conditions appear when they are first true.

    Args:
        lws: with its present status.
        groups: leader and workers of each.
        now: the time, for conditions that change.
    """
    whole = [leader for leader, workers in groups if is_ready(leader) and sum(map(is_ready, workers)) == size(lws) - 1]
    wanted = int(lws["spec"].get("replicas", 1))
    available = len(whole) >= wanted
    old = {one["type"]: one for one in lws.get("status", {}).get("conditions", ())}
    said = {"Progressing": ("GroupsProgressing", not available)}
    if available or "Available" in old:
        said["Available"] = ("AllGroupsReady", available)
    conditions = []
    for kind, (reason, true) in said.items():
        word = "True" if true else "False"
        same = old.get(kind, {}).get("status") == word
        since = old[kind]["lastTransitionTime"] if same else now
        conditions.append({"type": kind, "status": word, "reason": reason, "lastTransitionTime": since})
    found: Object = {"replicas": wanted, "conditions": conditions, "observedGeneration": lws["metadata"]["generation"]}
    return {**found, **({"readyReplicas": len(whole)} if whole else {})}
