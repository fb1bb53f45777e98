"""What a claim and a namespace allow: pure reading of PersistentVolumeClaims, StorageClasses and Namespaces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from autotuner.api.common import Volume
from autotuner.kubernetes_object import Object
from autotuner.serving.backend import Claim
from autotuner.validation_messages import Finding, Kind

_ENFORCED = "pod-security.kubernetes.io/enforce"
_ON_MANY_NODES = {"ReadWriteMany", "ReadOnlyMany"}


def wanted_claim(volume: Volume | None, own: Claim | None, namespace: str) -> str:
    """The claim of this namespace that holds the weights, by the volume given or the model's address; else empty."""
    if volume is not None:
        return volume.claim_name
    return own.volume.claim_name if own and own.namespace in ("", namespace) else ""


@dataclass(frozen=True)
class Storage:
    """What was observed of a namespace and of the claim in it that holds the weights.

    Attributes:
        namespace: its name.
        labels: of the namespace; empty where they were not looked at.
        claim_name: of the claim that is wanted; empty for none.
        claim: live.
        storage_class: of the claim while that is not bound.
    """

    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    claim_name: str = ""
    claim: Object | None = None
    storage_class: Object | None = None

    def __str__(self) -> str:
        return f"PersistentVolumeClaim {self.claim_name}"

    def fault(self, field: str) -> Finding | None:
        """Why the claim can never be mounted as it is; None if it can, or none is wanted.

        Args:
            field: what names the claim.
        """
        if not self.claim_name:
            return None
        if self.claim is None:
            return Finding(field, Kind.CLAIM_MISSING, {"claim": str(self), "namespace": self.namespace})
        if "deletionTimestamp" in self.claim["metadata"]:
            return Finding(field, Kind.CLAIM_TERMINATING, {"claim": str(self)})
        if self._phase == "Lost":
            volume = self.claim["spec"].get("volumeName", "")
            return Finding(field, Kind.CLAIM_LOST, {"claim": str(self), "volume": volume})
        if self.claim["spec"].get("volumeMode") == "Block":
            return Finding(field, Kind.CLAIM_IS_DEVICE, {"claim": str(self)})
        return None

    @property
    def waiting(self) -> str:
        """Why the claim cannot be mounted yet; empty if it can: also one that is bound when a pod first uses it."""
        if not self.claim_name or self.claim is None or not self._unbound or self._binds_late:
            return ""
        name = self.claim["spec"].get("storageClassName")
        why = (
            f"StorageClass {name} binds at once, and there is no volume for it yet"
            if name
            else "it names no StorageClass, and no PersistentVolume fits it yet"
        )
        return f"{self} is not bound: {why}; `kubectl -n {self.namespace} describe pvc {self.claim_name}` says why"

    @property
    def may_be_empty(self) -> bool:
        """Whether the volume will be made when a pod first uses the claim, and out of nothing."""
        if self.claim is None or not self._unbound or not self._binds_late:
            return False
        spec, provisioner = self.claim["spec"], (self.storage_class or {}).get("provisioner", "")
        copied = spec.get("dataSource") or spec.get("dataSourceRef") or spec.get("volumeName")
        return not copied and provisioner != "kubernetes.io/no-provisioner"

    @property
    def modes(self) -> frozenset[str]:
        """How the claim may be used: as its volume says once it has one, else as it asks."""
        claim = self.claim or {}
        own = (claim.get("status") or {}).get("accessModes") if not self._unbound else None
        return frozenset(own or (claim.get("spec") or {}).get("accessModes") or ())

    @property
    def one_pod(self) -> bool:
        """Whether only one pod at a time may use the claim."""
        return self.modes == {"ReadWriteOncePod"}

    @property
    def one_node(self) -> bool:
        """Whether only the pods of one node at a time may use the claim."""
        return bool(self.modes) and not self.modes & _ON_MANY_NODES

    def unreadable(self, source: str, placement: str) -> Finding | None:
        """Why the benchmark cannot take its tokenizer from the claim while the engine runs; None if it can.

        Args:
            source: `benchmark.tokenizer.source`.
            placement: `benchmark.placement`.
        """
        if source != "ModelVolume" or not self.claim_name:
            return None
        if self.one_pod:
            return Finding("benchmark.tokenizer.source", Kind.TOKENIZER_ON_ONE_POD_CLAIM, {"claim": str(self)})
        if self.one_node and placement != "SameNode":
            return Finding("benchmark.placement", Kind.TOKENIZER_ON_ONE_NODE_CLAIM, {"claim": str(self)})
        return None

    @property
    def forbids_host_paths(self) -> str:
        """The Pod Security level that the namespace enforces, if it forbids host paths; else empty."""
        level = self.labels.get(_ENFORCED, "")
        return level if level in ("baseline", "restricted") else ""

    @property
    def _phase(self) -> str:
        return str(((self.claim or {}).get("status") or {}).get("phase", ""))

    @property
    def _unbound(self) -> bool:
        return self._phase in ("", "Pending")

    @property
    def _binds_late(self) -> bool:
        return (self.storage_class or {}).get("volumeBindingMode") == "WaitForFirstConsumer"
