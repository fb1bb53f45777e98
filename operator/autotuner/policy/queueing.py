"""The queue and the priority classes that a task or an experiment names: are they there, and does the queue admit?

Kueue refuses no wrong name: what bears it looks as if it waited for quota, for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from autotuner.kubernetes_object import Object
from autotuner.validation_messages import Finding, Kind


@dataclass(frozen=True)
class ObservedQueue:
    """What was observed of a queue and of priority classes; None stands for what may not be read.

    Attributes:
        namespace: of the LocalQueue.
        name: of the LocalQueue; empty for none.
        served: whether the API server knows the kinds of Kueue.
        local_queues: of the namespace, by name.
        cluster_queue: to which the LocalQueue leads; empty if it does not exist.
        flavors: of the ClusterQueue, by name, as far as they exist.
        missing: priority classes that do not exist, by the name of the field that names them.
    """

    namespace: str
    name: str = ""
    served: bool = True
    local_queues: Mapping[str, Object] | None = None
    cluster_queue: Object | None = None
    flavors: Mapping[str, Object] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    def faults(self, section: str) -> Iterator[Finding]:
        """What would make the engine wait for ever.

        Args:
            section: of the spec that has the fields: `placement` or `service`.
        """
        if not self.served:
            yield Finding(f"{section}.{self._field}", Kind.KUEUE_MISSING)
        elif self.name and self.local_queues is not None:
            yield from self._queue_faults(f"{section}.queueName")
        for name, missing in self.missing.items():
            yield Finding(f"{section}.{name}", Kind.OBJECT_MISSING, {"object": missing})

    def _queue_faults(self, where: str) -> Iterator[Finding]:
        assert self.local_queues is not None
        details: dict[str, object] = {"queue": self.name, "namespace": self.namespace}
        if self.name not in self.local_queues:
            known = sorted(self.local_queues) or ["none"]
            yield Finding(where, Kind.QUEUE_MISSING, {**details, "known": known})
        elif self.cluster_queue == {}:
            yield Finding(where, Kind.CLUSTER_QUEUE_MISSING, {**details, "cluster_queue": self._cluster_queue_name})

    @property
    def _field(self) -> str:
        return "queueName" if self.name else "workloadPriorityClassName"

    @property
    def _cluster_queue_name(self) -> str:
        queue = (self.local_queues or {}).get(self.name) or {}
        return str((queue.get("spec") or {}).get("clusterQueue", ""))

    @property
    def inactive(self) -> str:
        """Why the queue admits nothing, in Kueue's words; empty if it does, or nothing is known."""
        found = {"ClusterQueue": self.cluster_queue, "LocalQueue": (self.local_queues or {}).get(self.name)}
        for kind, body in found.items():
            for one in ((body or {}).get("status") or {}).get("conditions") or []:
                if one["type"] == "Active" and one["status"] == "False":
                    name = (body or {})["metadata"]["name"]
                    return f"{kind} {name} is not active ({one.get('reason', '')}: {one.get('message', '')})"
        return ""

    def tolerations(self, pod_spec: Mapping[str, Any]) -> list[Object]:
        """What the flavors of the resources that a pod requests would let it tolerate; Kueue adds it on admission."""
        wanted = _requested(pod_spec)
        found: list[Object] = []
        for group in ((self.cluster_queue or {}).get("spec") or {}).get("resourceGroups") or []:
            if wanted.isdisjoint(group.get("coveredResources") or []):
                continue
            for one in group.get("flavors") or []:
                found += ((self.flavors.get(one["name"]) or {}).get("spec") or {}).get("tolerations") or []
        return found


def flavor_names(cluster_queue: Mapping[str, Any]) -> list[str]:
    """The flavors of a ClusterQueue."""
    groups = (cluster_queue.get("spec") or {}).get("resourceGroups") or []
    return sorted({one["name"] for group in groups for one in group.get("flavors") or []})


def _requested(pod_spec: Mapping[str, Any]) -> set[str]:
    resources = [one.get("resources") or {} for one in pod_spec.get("containers") or []]
    return {name for one in resources for part in ("requests", "limits") for name in one.get(part) or {}}
