"""A real Kubernetes control plane: where its programs are and how they are started.

The programs come from `KUBEBUILDER_ASSETS` where that names a folder with etcd and kube-apiserver, else they are
built, once, by `testbed.kubernetes`, in the version that `TESTBED_KUBERNETES` names.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.gomodule import SetupError
from testbed.kubernetes import Version, build, chosen

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")

_AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: None
    nonResourceURLs: ["/readyz*", "/healthz*", "/livez*"]
  - level: Metadata
"""


def find_programs(environment: Mapping[str, str] = os.environ) -> dict[str, list[str]]:
    """Returns how each of PROGRAMS is called.

    Raises:
        SetupError: KUBEBUILDER_ASSETS names a folder without etcd and kube-apiserver, there is no such version, or
            nothing can be built.
    """
    calls: dict[str, list[str]] = {}
    if assets := environment.get("KUBEBUILDER_ASSETS"):
        calls = {name: [str(Path(assets) / name)] for name in PROGRAMS if (Path(assets) / name).exists()}
        if "etcd" not in calls or "kube-apiserver" not in calls:
            raise SetupError(f"KUBEBUILDER_ASSETS={assets}: no etcd and kube-apiserver there")
    if len(calls) < len(PROGRAMS):
        own = str(build("controlplane", chosen(environment)))
        calls = {name: calls.get(name, [own, name]) for name in PROGRAMS}
    return calls


def free_port() -> int:
    """Finds a free port below those that the system gives to outgoing connections, so that a restart finds it free."""
    for _ in range(1000):
        port = random.randint(20000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise SetupError("no free port between 20000 and 32000")


@dataclass(frozen=True)
class ControlPlane:
    """The flags, keys and addresses of one control plane in `folder`."""

    folder: Path
    etcd_port: int
    etcd_peer_port: int
    port: int
    tokens: dict[str, str]
    audit: bool
    ipv6: bool
    usual_limits: bool
    version: Version

    @classmethod
    def prepare(
        cls, folder: Path, version: Version, audit: bool = False, ipv6: bool = False, usual_limits: bool = False
    ) -> ControlPlane:
        """Chooses ports and tokens and writes what the API server reads at its start."""
        users = {
            "admin": "system:masters",
            "testbed-node": "system:masters",
            "testbed-ome": "system:masters",
            "testbed-kserve": "system:masters",
            "testbed-lws": "system:masters",
            "testbed-llmisvc": "system:masters",
            "system:kube-controller-manager": "",
            "system:kube-scheduler": "",
        }
        plane = cls(
            folder,
            *(free_port(), free_port(), free_port()),
            {user: secrets.token_hex(16) for user in users},
            audit,
            ipv6,
            usual_limits,
            version,
        )
        plane.keys.mkdir(mode=0o700)
        lines = (f'{plane.tokens[user]},{user},{user},"{group}"\n' for user, group in users.items())
        (plane.keys / "tokens.csv").write_text("".join(lines))
        (plane.keys / "audit.yaml").write_text(_AUDIT_POLICY)
        return plane

    @property
    def keys(self) -> Path:
        """The folder with keys, tokens and the certificate that the API server makes for itself."""
        return self.folder / "keys"

    @property
    def server(self) -> str:
        """The API server's URL."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def certificate(self) -> Path:
        """The API server's certificate with its authority; there soon after its first start."""
        return self.keys / "apiserver.crt"

    @property
    def key(self) -> Path:
        """The certificate's key. The service account tokens are signed with it too."""
        return self.keys / "apiserver.key"

    def flags(self, kubeconfigs: Mapping[str, Path]) -> dict[str, list[str]]:
        """Returns the arguments of each of PROGRAMS.

        Args:
            kubeconfigs: user -> kubeconfig of the controller manager and the scheduler.
        """
        etcd = f"http://127.0.0.1:{self.etcd_port}"
        peer = f"http://127.0.0.1:{self.etcd_peer_port}"
        # Defaults made for shared clusters make a burst of Jobs wait for minutes.
        limits = [] if self.usual_limits else ["--kube-api-qps=500", "--kube-api-burst=1000"]
        fast = ["--leader-elect=false", "--secure-port=0", *limits]
        return {
            "etcd": [
                f"--data-dir={self.folder / 'etcd'}",
                "--unsafe-no-fsync",
                "--name=testbed",
                f"--initial-cluster=testbed={peer}",
                f"--listen-client-urls={etcd}",
                f"--advertise-client-urls={etcd}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                "--log-level=warn",
            ],
            "kube-apiserver": self._apiserver_flags(etcd),
            "kube-controller-manager": [
                f"--kubeconfig={kubeconfigs['system:kube-controller-manager']}",
                "--use-service-account-credentials=true",
                f"--service-account-private-key-file={self.key}",
                f"--root-ca-file={self.certificate}",
                f"--controllers=*,{','.join(f'-{name}' for name in self.version.without_controllers)}",
                "--concurrent-job-syncs=20",
                *fast,
            ],
            "kube-scheduler": [f"--kubeconfig={kubeconfigs['system:kube-scheduler']}", *fast],
        }

    def _apiserver_flags(self, etcd: str) -> list[str]:
        flags = [
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            f"--advertise-address={'fd00:10::1' if self.ipv6 else '127.0.0.1'}",  # of the services' family
            f"--secure-port={self.port}",
            "--endpoint-reconciler-type=none",  # a loopback address is refused as an endpoint
            f"--service-cluster-ip-range={'fd00:10:96::/112' if self.ipv6 else '10.96.0.0/16'}",
            "--authorization-mode=RBAC",
            "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",  # as on OpenShift
            *self.version.api_flags,
            f"--token-auth-file={self.keys / 'tokens.csv'}",
            f"--cert-dir={self.keys}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-signing-key-file={self.key}",
            f"--service-account-key-file={self.key}",
            "--allow-privileged=true",
            "--profiling=false",
        ]
        if self.audit:
            flags += [
                f"--audit-policy-file={self.keys / 'audit.yaml'}",
                f"--audit-log-path={self.folder / 'logs' / 'audit.log'}",
            ]
        return flags
