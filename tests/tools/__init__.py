"""Programs that the tests call, each built once: `python -m tests.tools NAME` prints where one is.

`charts` holds helm (3 and 4), kubeconform and kustomize, whose sources need no line of ours; `promql` is a small
program on Prometheus' own query engine, `gitops` one on Argo CD's diff and on kstatus.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path

from testbed.gomodule import GoModule
from testbed.kubernetes import build

_FOLDER = Path(__file__).parent
# Unstamped, helm says that charts are rendered for Kubernetes 1.20.
_CAPABILITIES = "helm.sh/helm/v3/pkg/chartutil"
_CHARTS = GoModule(
    _FOLDER / "charts", f"-s -w -X {_CAPABILITIES}.k8sVersionMajor=1 -X {_CAPABILITIES}.k8sVersionMinor=34"
)
_PROMQL = GoModule(_FOLDER / "promql")
_GITOPS = GoModule(_FOLDER / "gitops")


def _chart_tool(name: str) -> Callable[[], Path]:
    return lambda: _CHARTS.build("tools", "helm, kubeconform and kustomize", package="tool") / name


def _kubectl() -> Path:
    """This machine's own, or else one that is built."""
    program = shutil.which("kubectl")
    return Path(program) if program else build("kubectl")


PROGRAMS: dict[str, Callable[[], Path]] = {
    "helm": _chart_tool("helm"),
    "helm4": lambda: _CHARTS.build("helm4", "Helm 4", package="helm.sh/helm/v4/cmd/helm"),
    "kubeconform": _chart_tool("kubeconform"),
    "kustomize": _chart_tool("kustomize"),
    "promql": lambda: _PROMQL.build("promql", "Prometheus' query engine"),
    "gitops": lambda: _GITOPS.build("gitops", "Argo CD's diff and kstatus"),
    "kubectl": _kubectl,
}


@functools.cache
def tool(name: str) -> Path:
    """Returns one of PROGRAMS; the first call on a machine builds it, which may take minutes.

    Raises:
        SetupError: there is no Go, or the build failed.
    """
    return PROGRAMS[name]()
