"""Command-line tools of the tests, from a Go module: helm, kubeconform, kustomize. `python -m tests.tools NAME`."""

from __future__ import annotations

from pathlib import Path

from testbed.gomodule import GoModule

# Unstamped, helm says that charts are rendered for Kubernetes 1.20.
_CAPABILITIES = "helm.sh/helm/v3/pkg/chartutil"
_LINKER_FLAGS = f"-s -w -X {_CAPABILITIES}.k8sVersionMajor=1 -X {_CAPABILITIES}.k8sVersionMinor=34"
_MODULE = GoModule(
    folder=Path(__file__).parent,
    sources=("go.mod", "go.sum"),
    flags=("-buildvcs=false", "-ldflags", _LINKER_FLAGS),
    title="helm, kubeconform and kustomize",
)
PROGRAMS = ("helm", "kubeconform", "kustomize")


def tool(name: str) -> Path:
    """Returns one of PROGRAMS; the first call on a machine builds them all, which takes minutes.

    Raises:
        SetupError: there is no Go, or the build failed.
    """
    assert name in PROGRAMS, name
    return _MODULE.build("tools", "tool") / name
