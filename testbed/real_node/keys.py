"""One authority, a certificate for every party, and their kubeconfigs; nothing of it outlives the run."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from testbed.real_node.place import API_IP, NODE_IP, Place

_DAYS = "30"
_API_NAMES = (
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,"
    f"DNS:localhost,IP:127.0.0.1,IP:{NODE_IP},IP:{API_IP}"
)


@dataclass(frozen=True)
class Party:
    """Somebody with a certificate; a server has names beside its subject."""

    name: str
    subject: str
    server_names: str = ""


def parties(node: str) -> list[Party]:
    node_subject = f"/O=system:nodes/CN=system:node:{node}"
    return [
        Party("apiserver", "/CN=kube-apiserver", _API_NAMES),
        Party("kubelet-client", "/O=system:masters/CN=apiserver-kubelet-client"),
        Party("kubelet-serving", node_subject, f"DNS:{node},IP:{NODE_IP}"),
        Party("admin", "/O=system:masters/CN=admin"),
        Party("kubelet", node_subject),
        Party("controller-manager", "/CN=system:kube-controller-manager"),
        Party("scheduler", "/CN=system:kube-scheduler"),
        Party("kube-proxy", "/CN=system:kube-proxy"),
    ]


def make_keys(place: Place) -> None:
    """Write `NAME.key` and `NAME.crt` of every party, of the authority `ca` and of service accounts, `sa.key`."""
    place.keys.mkdir(mode=0o700, parents=True)
    authority = place.keys / "ca.crt"
    _make_key(place.keys / "ca.key")
    _openssl(
        *("req", "-x509", "-new", "-key", place.keys / "ca.key", "-subj", "/CN=real-node-ca", "-days", _DAYS),
        *("-out", authority, "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
    )
    _openssl("genrsa", "-out", place.keys / "sa.key", "2048")
    for party in parties(place.name):
        _certify(place.keys, party)


def write_kubeconfigs(place: Place) -> None:
    """Write a kubeconfig for every client: the node's own programs, and the administrator in the node and outside."""
    inside, outside = f"{NODE_IP}:{place.port}", f"127.0.0.1:{place.port}"
    for user in ("kubelet", "controller-manager", "scheduler", "kube-proxy"):
        _write_kubeconfig(place, place.run / f"{user}.conf", user, inside)
    _write_kubeconfig(place, place.run / "node-kubeconfig", "admin", inside)
    _write_kubeconfig(place, place.kubeconfig, "admin", outside)


def _make_key(file: Path) -> None:
    _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", file)


def _certify(folder: Path, party: Party) -> None:
    key, request, extensions = (folder / f"{party.name}.{end}" for end in ("key", "csr", "ext"))
    _make_key(key)
    lines = [
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        f"extendedKeyUsage={'serverAuth' if party.server_names else 'clientAuth'}",
        "authorityKeyIdentifier=keyid",
        *([f"subjectAltName={party.server_names}"] if party.server_names else []),
    ]
    extensions.write_text("\n".join(lines))
    _openssl("req", "-new", "-key", key, "-subj", party.subject, "-out", request)
    _openssl(
        *("x509", "-req", "-in", request, "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key", "-CAcreateserial"),
        *("-days", _DAYS, "-extfile", extensions, "-out", folder / f"{party.name}.crt"),
    )


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def _write_kubeconfig(place: Place, file: Path, user: str, server: str) -> None:
    def encoded(name: str) -> str:
        return base64.b64encode((place.keys / name).read_bytes()).decode()

    cluster = {"server": f"https://{server}", "certificate-authority-data": encoded("ca.crt")}
    identity = {"client-certificate-data": encoded(f"{user}.crt"), "client-key-data": encoded(f"{user}.key")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "real-node", "cluster": cluster}],
        "users": [{"name": user, "user": identity}],
        "contexts": [{"name": "real-node", "context": {"cluster": "real-node", "user": user}}],
        "current-context": "real-node",
    }
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(config))
