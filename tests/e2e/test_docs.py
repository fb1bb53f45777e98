"""Every command in the documents does what it says, in the order in which a reader meets them."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import Api
from testbed.operator_process import ROOT
from testbed.waiting import gone
from tests.support.console import commands
from tests.support.objects import edited
from tests.tools import tool

# Documents that are read on one cluster; whatever is installed in the first is there for the next.
READINGS = (
    ("README.md", "docs/gitops.md", "docs/metrics.md", "docs/operations.md"),
    ("docs/installation.md", "docs/platforms.md"),
)
# Kinds of the surroundings, whose controllers are not needed to see that our objects are taken.
FOREIGN = {
    "argoproj.io/v1alpha1": ["Application"],
    "kustomize.toolkit.fluxcd.io/v1": ["Kustomization"],
    "monitoring.coreos.com/v1": ["ServiceMonitor", "PrometheusRule"],
}
ANSWERS = {
    "{.status.best.args}": '["--tp-size=',
    "kubectl auth can-i": "yes",
    "condition=Finished": "condition met",
    "get leases": "autotuner",
}
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
OURS = ("tuningtasks.autotuner.io", "tuningexperiments.autotuner.io")
_SECONDS = 300


@dataclass(frozen=True)
class Reader:
    """Somebody who types commands in a checkout."""

    folder: Path
    environment: dict[str, str]

    def type(self, command: str) -> str:
        """Runs a command as a shell does; returns what it printed."""
        ended = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
        )
        assert ended.returncode == 0, f"{command}\n{ended.stdout}"
        return ended.stdout


def definition(version: str, kind: str) -> Object:
    """A kind that takes anything."""
    group, _, name = version.partition("/")
    plural = f"{kind.lower()}s"
    anything = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [{"name": name, "served": True, "storage": True, "schema": anything}],
        },
    }


async def prepare(kubeconfig: Path) -> None:
    """Nothing of ours, and of Argo CD, Flux and the Prometheus Operator what our objects need."""
    async with Api(kubeconfig, agent="test") as api:
        for name in OURS:
            await api.delete(f"{DEFINITIONS}/{name}")
            await gone(api, DEFINITIONS, name)
        await api.apply_all([definition(version, kind) for version, kinds in FOREIGN.items() for kind in kinds], "test")
        for name in ("argocd", "flux-system"):
            await api.create("/api/v1/namespaces", {"metadata": {"name": name}})
        await api.create("/api/v1/namespaces/argocd/configmaps", {"metadata": {"name": "argocd-cm"}})


def checkout(folder: Path) -> None:
    """The repository, with a first task that is over soon: its commands stay what they are.

    Of ten requests the slowest decides over P95: its promise is left to the demo and to the stories.
    """
    for name in ("crds", "gitops", "helm", "manifests", "monitoring"):
        (folder / name).symlink_to(ROOT / name)
    task = edited(
        yaml.safe_load((ROOT / "examples" / "quickstart.yaml").read_text()),
        {
            "spec.search.maxExperiments": 1,
            "spec.search.confirm.maxRepeats": 0,
            "spec.benchmark.concurrency": [2],
            "spec.benchmark.maxRequestsPerLevel": 10,
            "spec.slos": [{"metric": "ErrorRate", "max": "1%"}],
        },
    )
    (folder / "examples").mkdir()
    (folder / "examples" / "quickstart.yaml").write_text(yaml.safe_dump(task))


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """A cluster with OME, and somebody who has kubectl and helm. Never a cluster of the user's: kinds are deleted."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "kubectl").symlink_to(tool("kubectl"))
    (programs / "helm").symlink_to(tool("helm"))
    checkout(tmp_path)
    with Testbed.start() as bed:
        asyncio.run(prepare(bed.kubeconfig))
        environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "KUBECONFIG": str(bed.kubeconfig),
        }
        yield Reader(tmp_path, environment)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("documents", READINGS, ids=" ".join)
def test_every_command_works(reader: Reader, documents: Sequence[str]) -> None:
    for document in documents:
        for command in commands((ROOT / document).read_text()):
            printed = reader.type(command)
            for part, answer in ANSWERS.items():
                good = part not in command or answer in printed
                assert good, f"{command}\n{printed}\n{reader.type('kubectl get tt,tx --all-namespaces -o wide')}"


def test_every_document_with_commands_is_read() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    typed = {str(path.relative_to(ROOT)) for path in documents if commands(path.read_text())}

    assert typed == {document for reading in READINGS for document in reading}
