"""The programs of the node that are built here; containerd and runc come from the system."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from testbed import kubernetes
from testbed.gomodule import GoModule

_FOLDER = Path(__file__).parent
_GO = GoModule(_FOLDER / "go")
_COREDNS = GoModule(_FOLDER / "coredns")


@dataclass(frozen=True)
class Programs:
    """Where each one is.

    Attributes:
        control_plane: etcd, kube-apiserver, kube-controller-manager, kube-scheduler by its first argument.
        node: kubelet, kube-proxy by its first argument.
        kubectl: the command line.
        coredns: cluster DNS.
        pause: the process that holds a pod's namespaces, and the node's.
        relay: joins two network namespaces.
    """

    control_plane: Path
    node: Path
    kubectl: Path
    coredns: Path
    pause: Path
    relay: Path

    @classmethod
    def build(cls) -> Programs:
        """Build what the cache lacks.

        Raises:
            SetupError: there is no Go, or a build failed.
        """
        return cls(
            control_plane=kubernetes.build("controlplane"),
            node=kubernetes.build("node"),
            kubectl=kubernetes.build("kubectl"),
            coredns=_COREDNS.build("coredns", "CoreDNS"),
            pause=_GO.build("pause", "the pause container", package="./pause"),
            relay=_GO.build("relay", "the relay between networks", package="./relay"),
        )
