"""What LeaderWorkerSets are and how their pods are known: kinds, labels, variables, names (0.10 and main after it)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotuner.api.common import GROUP
from autotuner.hashing import digest
from autotuner.kubernetes_object import Object, Resource

_LWS = "leaderworkerset.x-k8s.io"
LEADER_WORKER_SET = Resource(_LWS, "v1", "leaderworkersets", "LeaderWorkerSet")
STATEFUL_SET = Resource("apps", "v1", "statefulsets", "StatefulSet")
# Of all objects of their kind only roots of experiments have it: other products make LeaderWorkerSets too.
OWN = {f"{GROUP}/backend": LEADER_WORKER_SET.kind}
MARK = f"{GROUP}/backend={LEADER_WORKER_SET.kind}"

_PREFIX = "leaderworkerset.sigs.k8s.io/"
RANK_LABEL = f"{_PREFIX}worker-index"
SIZE_ANNOTATION = f"{_PREFIX}size"
# Of a set: one group for each domain of this topology.
EXCLUSIVE = f"{_PREFIX}exclusive-topology"

# kubectl's: the container of a pod whose log it shows.
CONTAINER_ANNOTATION = "kubectl.kubernetes.io/default-container"

# Admission takes 63; from 51 on the leader gets no workers, from 54 on there is no pod, and only events tell.
NAME_MAX = 50
# A name that ends in a number is that of a group of another set, which then gets no pods.
_ENDING = "-lws"


def variables(size: int) -> dict[str, str]:
    """What its controller puts into the environment of every container; empty for what is not known before."""
    return {"LWS_LEADER_ADDRESS": "", "LWS_GROUP_SIZE": str(size), "LWS_WORKER_INDEX": ""}


def root_name(experiment: str) -> str:
    """The name of an experiment's LeaderWorkerSet."""
    if len(experiment) + len(_ENDING) <= NAME_MAX:
        return f"{experiment}{_ENDING}"
    unique = f"-{digest(experiment)}{_ENDING}"
    return f"{experiment[: NAME_MAX - len(unique)].rstrip('-')}{unique}"


def rank(pod: Mapping[str, Any]) -> int:
    """The place of a pod in its group; the leader's is 0."""
    return _whole((pod["metadata"].get("labels") or {}).get(RANK_LABEL), 0)


def group_size(pod: Mapping[str, Any]) -> int:
    """How many pods its group has."""
    return max(1, _whole((pod["metadata"].get("annotations") or {}).get(SIZE_ANNOTATION), 1))


def container(pod: Mapping[str, Any]) -> str:
    """The container that matters in a pod of an experiment; empty if it does not say."""
    return str((pod["metadata"].get("annotations") or {}).get(CONTAINER_ANNOTATION) or "")


def templates(spec: Mapping[str, Any]) -> tuple[Object, Object]:
    """The pod templates of leader and workers; without one of its own the leader has that of the workers."""
    group = spec["leaderWorkerTemplate"]
    workers: Object = group["workerTemplate"]
    return group.get("leaderTemplate") or workers, workers


def _whole(text: object, otherwise: int) -> int:
    return int(text) if isinstance(text, str) and text.isdecimal() else otherwise
