"""Where the node keeps things, and its addresses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.gomodule import cache_folder

NODE_IP = "10.250.0.1"
POD_NET = "10.244.0.0/24"
SERVICE_NET = "10.96.0.0/16"
API_IP = "10.96.0.1"
DNS_IP = "10.96.0.10"
LONGEST_BASE = 60  # sockets are below it, whose paths have at most 107 characters


@dataclass(frozen=True)
class Place:
    """One node of this machine. Two with other folders and ports can run at once.

    Attributes:
        base: everything is below it. Its name is also that of the node's folder in every control group hierarchy.
        port: of the API server on this machine's loopback.
        name: the node's.
        accelerators: how many `nvidia.com/gpu` the node says it has.
    """

    base: Path
    port: int = 7443
    name: str = "node0"
    accelerators: int = 8

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Place:
        """The place that REAL_NODE_BASE and REAL_NODE_PORT name; by default one in the cache, and port 7443."""
        base = environment.get("REAL_NODE_BASE") or cache_folder() / "real-node"
        return cls(Path(base), int(environment.get("REAL_NODE_PORT") or cls.port))

    @property
    def environment(self) -> dict[str, str]:
        """What a process has to have in its environment to find the same place with `of`."""
        return {"REAL_NODE_BASE": str(self.base), "REAL_NODE_PORT": str(self.port)}

    @property
    def run(self) -> Path:
        """The folder of what does not outlive the node."""
        return self.base / "run"

    @property
    def images(self) -> Path:
        """The folder of images, which do."""
        return self.base / "images"

    @property
    def keys(self) -> Path:
        return self.run / "keys"

    @property
    def logs(self) -> Path:
        return self.run / "logs"

    @property
    def socket(self) -> Path:
        """Of containerd."""
        return self.run / "containerd.sock"

    @property
    def kubeconfig(self) -> Path:
        """For use on this machine; within the node's network it is `node-kubeconfig` beside it."""
        return self.run / "kubeconfig"

    @property
    def control_group(self) -> str:
        return self.base.name
