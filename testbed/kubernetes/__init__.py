"""Kubernetes' own programs, built once from one Go module: the control plane's, a node's, kubectl."""

from __future__ import annotations

from pathlib import Path

from testbed.gomodule import GoModule

VERSION = "1.34.4"

_STAMP = "k8s.io/component-base/version"
_MAJOR, _MINOR, _ = VERSION.split(".")
# Clients cannot parse the version that an unstamped build reports.
_LINKER_FLAGS = (
    f"-s -w -X {_STAMP}.gitVersion=v{VERSION} -X {_STAMP}.gitTreeState=clean"
    f" -X {_STAMP}.gitMajor={_MAJOR} -X {_STAMP}.gitMinor={_MINOR}"
)
_MODULE = GoModule(Path(__file__).parent, _LINKER_FLAGS)
_PROGRAMS = {
    "controlplane": (f"Kubernetes {VERSION}'s control plane", "or set KUBEBUILDER_ASSETS"),
    "node": (f"kubelet and kube-proxy {VERSION}", ""),
    "kubectl": (f"kubectl {VERSION}", "or install kubectl"),
}


def build(name: str) -> Path:
    """Returns one of the programs `controlplane`, `node` and `kubectl`; builds it where the cache has none.

    They share nearly all packages, so that the second and third cost little after the first.

    Raises:
        SetupError: there is no Go, or the build failed.
    """
    title, instead = _PROGRAMS[name]
    return _MODULE.build(name, title, package=f"./{name}", instead=instead)
