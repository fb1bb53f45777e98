"""The cluster of the stories, with the product's images and with OME or its stand-in."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import autotuner
from testbed.real_node.node import RealNode
from testbed.real_node.requirements import obstacle as node_obstacle
from tests.realnode import images
from tests.support.chart import ROOT
from tests.tools import tool

IMAGES = {name: f"docker.io/autotuner/{name}:{autotuner.__version__}" for name in ("operator", "benchmark")}


def obstacle(environment: Mapping[str, str] = os.environ) -> str:
    """Why there is no real cluster for the stories; empty if there is one."""
    return "" if environment.get("KUBECONFIG") else node_obstacle()


@dataclass(frozen=True)
class Cluster:
    """A cluster whose nodes have the images; `node` is None unless it is a node of this machine."""

    kubeconfig: Path
    operator_image: str
    benchmark_image: str
    node: RealNode | None = None

    @classmethod
    @contextlib.contextmanager
    def open(cls, environment: Mapping[str, str] = os.environ) -> Iterator[Self]:
        """The cluster that KUBECONFIG names, else a node of this machine.

        E2E_OPERATOR_IMAGE and E2E_BENCHMARK_IMAGE name the images; E2E_LOAD is a shell command that brings them to the
        nodes of that cluster, and finds both variables in its environment.
        """
        names = {name: environment.get(f"E2E_{name.upper()}_IMAGE", image) for name, image in IMAGES.items()}
        if config := environment.get("KUBECONFIG"):
            if load := environment.get("E2E_LOAD"):
                own = {f"E2E_{name.upper()}_IMAGE": image for name, image in names.items()}
                subprocess.run(load, shell=True, check=True, cwd=ROOT, env={**environment, **own})
            yield cls(Path(config), names["operator"], names["benchmark"])
            return
        with RealNode.start() as node:
            for image, name in IMAGES.items():
                node.load(images.built(image, name))
            yield cls(node.kubeconfig, IMAGES["operator"], IMAGES["benchmark"], node)

    def leftovers(self) -> list[str]:
        """What runs of a story beside its objects: nothing here, a pod that is gone has no processes."""
        return []

    def kubectl(self, *words: str, told: str | None = None) -> str:
        """What kubectl says, after it was told something on standard input.

        Raises:
            AssertionError: it failed; the message is its own.
        """
        command = [str(tool("kubectl")), f"--kubeconfig={self.kubeconfig}", *words]
        done = subprocess.run(command, input=told, capture_output=True, text=True)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout


@contextlib.contextmanager
def ome(cluster: Cluster, log: Path) -> Iterator[None]:
    """OME: the cluster's own if it has one, else the stand-in."""
    if cluster.kubectl("get", "deployment", "ome-controller-manager", "-n=ome", "--ignore-not-found", "-o=name"):
        yield
        return
    words = [sys.executable, "-m", "testbed.ome", f"--kubeconfig={cluster.kubeconfig}"]
    with log.open("wb") as errors:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, cwd=ROOT, start_new_session=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(30)
