"""Starts one real Kubernetes node and its control plane, in namespaces of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from testbed.real_node import images
from testbed.real_node.configuration import commands, write_files
from testbed.real_node.down import down
from testbed.real_node.keys import make_keys, write_kubeconfigs
from testbed.real_node.namespaces import alive, inside
from testbed.real_node.place import DNS_IP, NODE_IP, SERVICE_NET, Place
from testbed.real_node.programs import Programs

_FOLDER = Path(__file__).parent
_LOG_LINES = 30
Words = Sequence[str | Path]


class StartError(Exception):
    """The node did not start, or a command in it failed; the message has what the program said last."""


class Start:
    """The steps of one start; each says on standard error how long it took."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._lap = time.monotonic()
        self._programs = Programs.build()
        self._images = images.base_images(place.images, self._programs)
        self._commands = commands(place, self._programs)
        self._told("programs and images")

    def run(self) -> None:
        """Start everything.

        Raises:
            StartError: something was not ready in time, or the node is up already.
        """
        place = self._place
        if alive(place.run / "node.pid", "pause") and alive(place.run / "unshare.pid", "unshare"):
            raise StartError(f"a node runs in {place.base} already")
        down(place)  # what an ended machine or a killed start left
        for step in (self._files, self._namespaces, self._containerd, self._control_plane, self._node, self._names):
            step()
            self._told(step.__name__.strip("_").replace("_", " "))

    def _files(self) -> None:
        place = self._place
        place.run.mkdir(parents=True)
        place.run.chmod(0o711)
        place.logs.mkdir()
        (place.run / "etcd").mkdir(mode=0o700)
        make_keys(place)
        write_kubeconfigs(place)
        write_files(place)

    def _namespaces(self) -> None:
        place = self._place
        own: Words = [place.run, place.control_group, place.name, NODE_IP, SERVICE_NET, self._programs.pause]
        isolate: Words = ["unshare", "--pid", "--fork", "--kill-child", "--net", "--mount", "--uts", "--ipc"]
        process = self._begin("first-process", [*isolate, "bash", _FOLDER / "first-process.sh", *own])
        (place.run / "unshare.pid").write_text(str(process.pid))
        self._wait("the namespaces", "first-process", 20, (place.run / "node.ready").exists)

    def _containerd(self) -> None:
        self._daemon("containerd")
        containerd: Words = ("ctr", "-a", self._place.socket, "-n", "k8s.io")
        self._wait("containerd", "containerd", 20, lambda: self._succeeds(inside(self._place, *containerd, "version")))
        for image in self._images.values():
            _run(inside(self._place, *containerd, "images", "import", image))

    def _control_plane(self) -> None:
        place, relay = self._place, self._programs.relay
        self._daemon("etcd")
        self._daemon("kube-apiserver")
        socket, address = f"unix:{place.run}/api.sock", f"tcp:127.0.0.1:{place.port}"
        self._begin("relay-inside", inside(place, relay, socket, address))
        process = self._begin("relay", [relay, address, socket])
        (place.run / "relay.pid").write_text(str(process.pid))
        ready = self._kubectl("get", "--raw=/readyz")
        self._wait("kube-apiserver", "kube-apiserver", 90, lambda: self._succeeds(ready))
        if not alive(place.run / "relay.pid", "relay"):
            raise StartError(f"port {place.port} is taken: {(place.logs / 'relay.log').read_text()}")
        self._daemon("kube-controller-manager")
        self._daemon("kube-scheduler")

    def _node(self) -> None:
        self._daemon("kubelet")
        self._daemon("kube-proxy")
        manifest = (_FOLDER / "coredns.yaml").read_text().replace("DNS_IP", DNS_IP)
        _run(self._kubectl("apply", "--filename=-"), manifest)
        node = ("wait", f"node/{self._place.name}", "--timeout=1s", "--for=condition=Ready")
        self._wait("the node", "kubelet", 120, lambda: self._succeeds(self._kubectl(*node)))
        self._offer_accelerators()

    def _names(self) -> None:
        available = ("wait", "deployment/coredns", "-n=kube-system", "--timeout=1s", "--for=condition=Available")
        self._wait("cluster DNS", "kubelet", 60, lambda: self._succeeds(self._kubectl(*available)))
        account = self._kubectl("get", "serviceaccount", "default")
        self._wait("the service account", "kube-controller-manager", 60, lambda: self._succeeds(account))
        self._offer_accelerators()  # again: the kubelet's first status may have come after

    def _offer_accelerators(self) -> None:
        """Let the node's status have accelerators: a number, and no device plugin behind it."""
        count = {"nvidia.com/gpu": str(self._place.accelerators)}
        patch = json.dumps({"status": {"capacity": count, "allocatable": count}})
        node = f"node/{self._place.name}"
        _run(self._kubectl("patch", node, "--subresource=status", "--type=merge", f"--patch={patch}"))

    def _daemon(self, name: str) -> None:
        self._begin(name, inside(self._place, *self._commands[name]))

    def _begin(self, name: str, words: Words) -> subprocess.Popen[bytes]:
        """Start a process that outlives this one; its log has its name."""
        with (self._place.logs / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=self._place.run
            )

    def _kubectl(self, *words: str) -> list[str]:
        return [str(self._programs.kubectl), f"--kubeconfig={self._place.kubeconfig}", *words]

    @staticmethod
    def _succeeds(words: list[str]) -> bool:
        return subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0

    def _wait(self, what: str, log: str, seconds: float, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                lines = (self._place.logs / f"{log}.log").read_text(errors="replace").splitlines()
                raise StartError("\n".join([f"{what}: not ready within {seconds:.0f} s", *lines[-_LOG_LINES:]]))
            time.sleep(0.1)

    def _told(self, step: str) -> None:
        now = time.monotonic()
        print(f"{step:<22} {now - self._lap:6.1f} s", file=sys.stderr, flush=True)
        self._lap = now


def _run(words: list[str], told: str | None = None) -> None:
    ended = subprocess.run(words, input=told, capture_output=True, text=True)
    if ended.returncode != 0:
        raise StartError(f"{' '.join(words[-6:])}: {ended.stderr.strip()}")
