"""The chart as Helm renders it, for several sets of values."""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path

import yaml

from autotuner.kubernetes_object import Object
from tests.tools import tool

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "autotuner"


def value_sets(namespace: str) -> dict[str, Object]:
    """What people set, for a release in `namespace`: nothing, little, much."""
    nothing = {"enabled": False}
    return {
        "defaults": {},
        "namespaced": {"watchNamespaces": [namespace], "clusterObjects": False},
        "bare": {
            "leaderElection": False,
            "crds": nothing,
            "aggregateRoles": nothing,
            "admissionPolicy": nothing,
            "networkPolicy": nothing,
            "cancelOnUninstall": nothing,
            "metrics": nothing,
        },
        "everything": {
            "replicas": 2,
            "image": {"repository": "registry.example/mirror/operator", "tag": "1.2.3", "pullPolicy": "Always"},
            "imagePullSecrets": ["mirror"],
            "benchmark": {"image": "registry.example/mirror/benchmark:1.2.3"},
            "hubEndpoint": "https://hub.example",
            "limits": {"maxGPUs": 1_000_000, "maxExperiments": 5},
            "logFormat": "text",
            "modelRoot": "/mnt/data/models",
            "presets": {
                "models": {"mine": {"spec": {"storage": {"storageUri": "pvc://models/mine"}}}},
                "runtimes": {"simulated-vllm": {"engine": "VLLM", "spec": {"disabled": False}}},
            },
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [{"key": "infra", "operator": "Exists", "effect": "NoSchedule"}],
            "affinity": {"podAntiAffinity": {}},
            "priorityClassName": "system-cluster-critical",
            "podLabels": {"team": "ml"},
            "podAnnotations": {"example.com/scrape": "false"},
            "metrics": {
                "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
                "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
                "dashboard": {"enabled": True},
            },
        },
    }


def helm(*words: str, values: Object | None = None, program: str = "helm") -> str:
    """What helm says.

    Args:
        words: its command line.
        values: of the chart.
        program: helm (3) or helm4.

    Raises:
        AssertionError: helm refused; the message is its own.
    """
    told = [] if values is None else ["--values=-"]
    done = subprocess.run([tool(program), *words, *told], input=yaml.safe_dump(values), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(values: Object, namespace: str = "autotuner", release: str = "autotuner") -> str:
    """The objects of a release as text."""
    return _rendered(json.dumps(values), namespace, release)


@functools.cache
def _rendered(values: str, namespace: str, release: str) -> str:
    return helm("template", release, str(CHART), f"--namespace={namespace}", values=json.loads(values))


def objects(text: str, kind: str = "") -> list[Object]:
    """The objects in a text, or those of one kind."""
    return [item for item in yaml.safe_load_all(text) if item and kind in ("", item["kind"])]


def is_hook(item: Object) -> bool:
    """Whether Helm makes it at some moment only."""
    return "helm.sh/hook" in item["metadata"].get("annotations", {})
