"""Reads the parts of a kubeconfig that a client needs, and writes the testbed's own."""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml


class KubeconfigError(Exception):
    """The kubeconfig cannot be used; the message says why."""


@dataclass(frozen=True)
class Cluster:
    """Where the API server is and how to speak to it."""

    server: str
    headers: dict[str, str]
    tls: ssl.SSLContext | None

    @property
    def local(self) -> bool:
        """Whether the server has an address of this machine."""
        host = urlsplit(self.server).hostname or ""
        if host == "localhost":
            return True
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return False


def _named(config: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    for entry in config.get(section) or []:
        if entry["name"] == name:
            found: dict[str, Any] = entry[section.rstrip("s")]
            return found
    raise KubeconfigError(f"kubeconfig: no entry {name!r} in {section}")


def _data(entry: dict[str, Any], field: str, folder: Path) -> bytes | None:
    """Returns what `field` (a path) or `field`-data (base64) holds."""
    if inline := entry.get(f"{field}-data"):
        return base64.b64decode(inline)
    if path := entry.get(field):
        return (folder / str(path)).read_bytes()
    return None


def _tls(cluster: dict[str, Any], user: dict[str, Any], folder: Path) -> ssl.SSLContext:
    authority = _data(cluster, "certificate-authority", folder)
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = _data(user, "client-certificate", folder), _data(user, "client-key", folder)
    if certificate and key:
        with tempfile.NamedTemporaryFile() as pair:  # the ssl module takes files only
            pair.write(certificate + b"\n" + key)
            pair.flush()
            context.load_cert_chain(pair.name)
    return context


def load(path: Path) -> Cluster:
    """Reads the current context of a kubeconfig.

    Raises:
        KubeconfigError: no current context, or credentials that come from a plug-in.
    """
    config = yaml.safe_load(path.read_text()) or {}
    if not config.get("current-context"):
        raise KubeconfigError(f"{path}: no current-context")
    context = _named(config, "contexts", config["current-context"])
    cluster, user = _named(config, "clusters", context["cluster"]), _named(config, "users", context["user"])
    if "exec" in user or "auth-provider" in user:
        raise KubeconfigError(f"{path}: credentials of a plug-in are not supported; use a certificate or a token")
    token = user.get("token") or (Path(user["tokenFile"]).read_text().strip() if "tokenFile" in user else "")
    server = cluster["server"].rstrip("/")
    tls = _tls(cluster, user, path.parent) if server.startswith("https:") else None
    return Cluster(server, {"Authorization": f"Bearer {token}"} if token else {}, tls)


def write(path: Path, server: str, authority: bytes, token: str) -> None:
    """Writes a kubeconfig with one context and a bearer token."""
    name = "autotuner-testbed"
    authority64 = base64.b64encode(authority).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": authority64}}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=1) + "\n")
