"""The operator as the chart installs it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from autotuner.kubernetes_object import Object
from testbed.api import load_documents
from tests.realnode.cluster import Cluster
from tests.support.chart import CHART, ROOT, helm
from tests.support.objects import edited, make_task

NAMESPACE = "autotuner-system"
RELEASE = "autotuner"
# OME mounts a model's path from its host, which Pod Security's `restricted` forbids. The simulated engine reads none.
STORAGE = {"storageUri": "vendor://simulated"}
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@dataclass
class Installation:
    """A release of the chart; stories may kill, upgrade and uninstall it, if they install it again."""

    cluster: Cluster
    first_pass_seconds: float = 0.0  # from the beginning of the installation to the first task that was looked at
    _errors: list[Object] = field(default_factory=list)
    _read: dict[str, int] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def made(cls, cluster: Cluster) -> Iterator[Installation]:
        """A namespace under Pod Security's `restricted`, with the release in it; both are removed afterwards."""
        labels = {**RESTRICTED, "app.kubernetes.io/part-of": "autotuner-stories"}
        cluster.kubectl("create", "namespace", NAMESPACE)
        cluster.kubectl("label", "namespace", NAMESPACE, *(f"{key}={value}" for key, value in labels.items()))
        installation = cls(cluster)
        try:
            begun = time.monotonic()
            installation.install()
            installation._pass_once()
            installation.first_pass_seconds = time.monotonic() - begun
            yield installation
        finally:
            installation.uninstall()
            cluster.kubectl("delete", "namespace", NAMESPACE)

    def _helm(self, command: str, *words: str, values: Object | None = None) -> str:
        where = [f"--kubeconfig={self.cluster.kubeconfig}", f"--namespace={NAMESPACE}"]
        return helm(command, RELEASE, *words, *where, values=values)

    def install(self) -> None:
        """Installs it; returns before it is ready."""
        repository, _, tag = self.cluster.operator_image.rpartition(":")
        values = {
            "image": {"repository": repository, "tag": tag},
            "benchmark": {"image": self.cluster.benchmark_image},
            "presets": presets(self.cluster.benchmark_image),
        }
        self._helm("install", str(CHART), values=values)

    def _pass_once(self) -> None:
        """Returns when the operator has looked at a task, which begins nothing."""
        task = make_task("first", {"spec.suspend": True})
        kubectl = self.cluster.kubectl
        kubectl("create", f"-n={NAMESPACE}", "-f=-", told=json.dumps(task))
        kubectl(
            "wait", "tuningtask/first", f"-n={NAMESPACE}", "--for=jsonpath={.status.observedGeneration}", "--timeout=2m"
        )
        kubectl("delete", "tuningtask/first", f"-n={NAMESPACE}")

    def scale(self, replicas: int) -> None:
        """Upgrades it to so many replicas; returns when all are ready."""
        self._helm("upgrade", str(CHART), "--reuse-values", f"--set=replicas={replicas}", "--wait", "--timeout=2m")

    def uninstall(self) -> None:
        """Uninstalls it; returns when everything of it is gone."""
        self._helm("uninstall", "--ignore-not-found", "--wait", "--timeout=5m")

    def start(self) -> None:
        """Waits until all replicas are ready."""
        self.cluster.kubectl("rollout", "status", f"deployment/{RELEASE}", f"-n={NAMESPACE}", "--timeout=2m")

    @property
    def alive(self) -> bool:
        """Whether all replicas are ready."""
        return all(
            status.get("ready")
            for pod in self.pods()
            for status in pod["status"].get("containerStatuses", [{"ready": False}])
        )

    def pods(self) -> list[Object]:
        """The operator's pods, those that end included."""
        text = self.cluster.kubectl(
            "get", "pods", f"-n={NAMESPACE}", "-l=app.kubernetes.io/component=operator", "-o=json"
        )
        items: list[Object] = json.loads(text)["items"]
        return items

    def leader(self) -> str:
        """Which pod holds the Lease; empty if none does."""
        text = self.cluster.kubectl("get", "lease", RELEASE, f"-n={NAMESPACE}", "--ignore-not-found", "-o=json")
        return str(json.loads(text)["spec"].get("holderIdentity") or "") if text else ""

    def log(self) -> list[Object]:
        """The logs of the operators that run."""
        return [entry for pod in self.pods() if _has_log(pod) for entry in self._log_of(pod["metadata"]["name"])]

    def _log_of(self, pod: str) -> list[Object]:
        try:
            lines = self.cluster.kubectl("logs", pod, f"-n={NAMESPACE}").splitlines()
        except AssertionError:
            return []  # gone since it was listed
        return [json.loads(line) if line.startswith("{") else {"message": line} for line in lines]

    def errors(self) -> list[Object]:
        """What all operators so far logged as errors, as far as their pods were there when this was asked."""
        for pod in self.pods():
            if not _has_log(pod):
                continue
            name = pod["metadata"]["name"]
            key = f"{name}/{pod['status']['containerStatuses'][0]['restartCount']}"
            found = [entry for entry in self._log_of(name) if entry.get("level") not in ("debug", "info", "warning")]
            self._errors += found[self._read.get(key, 0) :]
            self._read[key] = len(found)
        return list(self._errors)

    def series(self, name: str) -> float | None:
        """A metric's value as the leader's Service says it, through the API server."""
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{self.leader()}:8080/proxy/metrics"
        for line in self.cluster.kubectl("get", "--raw", path).splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[-1])
        return None


def _has_log(pod: Object) -> bool:
    statuses = pod["status"].get("containerStatuses", [])
    return bool(statuses) and "waiting" not in statuses[0]["state"]


def presets(image: str) -> Object:
    """The chart's value `presets`: those of the quick start with the image at hand and a model without a path."""
    folder = ROOT / "presets"
    (model,) = load_documents(folder / "models" / "llama-3-2-1b-instruct.yaml")
    (runtime,) = load_documents(folder / "runtimes" / "simulated-sglang.yaml")
    runner = "spec.engineConfig.runner"
    size = {"name": "MODEL_PATH", "value": "llama-3-2-1b-instruct"}
    return {
        "models": {"llama-3-2-1b-instruct": edited(model, {"spec.storage": STORAGE})},
        "runtimes": {"simulated-sglang": edited(runtime, {f"{runner}.image": image, f"{runner}.env.1": size})},
    }
