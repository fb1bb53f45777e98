"""Command-line tools that the tests use, from a Go module: helm, kubeconform, kustomize. `python -m tests.tools NAME`."""

from __future__ import annotations

from pathlib import Path

from tests.testbed.gomodule import GoModule

_MODULE = GoModule(
    folder=Path(__file__).parent,
    sources=("go.mod", "go.sum"),
    flags=("-buildvcs=false", "-ldflags", "-s -w"),
    title="helm, kubeconform and kustomize",
)
# A major version in an import path is not part of the program's name.
PROGRAMS = ("helm", "kubeconform", "kustomize")


def tool(name: str) -> Path:
    """Returns one of PROGRAMS; the first call on a machine builds them all, which takes minutes.

    Raises:
        SetupError: there is no Go, or the build failed.
    """
    assert name in PROGRAMS, name
    return _MODULE.build("tools", "tool") / name
