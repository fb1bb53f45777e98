"""Kubernetes' own programs, built once from one Go module: the control plane's, a node's, kubectl.

The testbed starts the control plane in any of several versions; the real node and kubectl are of the first of them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.gomodule import GoModule, SetupError

VARIABLE = "TESTBED_KUBERNETES"  # names the version of the control plane


@dataclass(frozen=True)
class Version:
    """One version of Kubernetes, and what its control plane has to be told.

    Attributes:
        number: of the release, such as ``1.34.4``.
        module_file: in this folder, with that release's modules; the sources are the same for all.
        without_controllers: that kube-controller-manager knows and a testbed has no use for.
        api_flags: of kube-apiserver, so that MutatingAdmissionPolicy is served: policies that change what is created,
            as queues and platform teams do. A release of before 1.32 does not have it.
    """

    number: str
    module_file: str
    without_controllers: tuple[str, ...]
    api_flags: tuple[str, ...]

    @property
    def minor(self) -> str:
        """The minor release, such as ``1.34``."""
        return ".".join(self.number.split(".")[:2])

    @property
    def module(self) -> GoModule:
        """What its programs are built from."""
        major, minor, _ = self.number.split(".")
        stamp = "k8s.io/component-base/version"
        # Clients cannot parse the version that an unstamped build reports.
        flags = (
            f"-s -w -X {stamp}.gitVersion=v{self.number} -X {stamp}.gitTreeState=clean"
            f" -X {stamp}.gitMajor={major} -X {stamp}.gitMinor={minor}"
        )
        return GoModule(Path(__file__).parent, flags, self.module_file)


# Up to 1.36 the controllers of a cloud are known by name even where no cloud is.
_OF_CLOUDS = ("node-route-controller", "service-lb-controller", "cloud-node-lifecycle-controller")
VERSIONS = (
    Version(
        "1.34.4",
        "go.mod",
        ("nodeipam", *_OF_CLOUDS),
        (
            "--feature-gates=MutatingAdmissionPolicy=true",
            "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
        ),
    ),
    Version("1.30.14", "go-1.30.mod", ("nodeipam", *_OF_CLOUDS), ()),
    Version("1.37.2", "go-1.37.mod", ("nodeipam",), ()),
)
_PROGRAMS = {
    "controlplane": ("Kubernetes {}'s control plane", "or set KUBEBUILDER_ASSETS"),
    "node": ("kubelet and kube-proxy {}", ""),
    "kubectl": ("kubectl {}", "or install kubectl"),
}


def chosen(environment: Mapping[str, str] = os.environ) -> Version:
    """Returns the version that the environment names, by its minor release; else the first.

    Raises:
        SetupError: there is no such version.
    """
    wanted = environment.get(VARIABLE) or VERSIONS[0].minor
    for version in VERSIONS:
        if wanted == version.minor:
            return version
    known = ", ".join(sorted(version.minor for version in VERSIONS))
    raise SetupError(f"{VARIABLE}={wanted}: the testbed has the control planes of {known}")


def build(name: str, version: Version = VERSIONS[0]) -> Path:
    """Returns one of the programs `controlplane`, `node` and `kubectl`; builds it where the cache has none.

    They share nearly all packages, so that the second and third of a version cost little after the first.

    Raises:
        SetupError: there is no Go, or the build failed.
    """
    title, instead = _PROGRAMS[name]
    return version.module.build(name, title.format(version.number), package=f"./{name}", instead=instead)
