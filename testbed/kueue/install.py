"""Brings Kueue into a testbed: its kinds and webhooks, its settings, its certificate, and a queue with GPUs."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from autotuner.kubernetes_object import Object
from testbed.api import Api, ApiError
from testbed.kueue import NAMESPACE

# Every namespace may have a LocalQueue for it.
CLUSTER_QUEUE = "gpus"
_SERVICE, _SECRET = "kueue-webhook-service", "kueue-webhook-server-cert"
_SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets/{_SECRET}"
_POLL_SECONDS = 0.1
_QUOTA = {"cpu": "32", "memory": "256Gi", "nvidia.com/gpu": "8"}


class Kueue:
    """Files and ports of one Kueue."""

    def __init__(self, folder: Path, shipped: Mapping[str, Any], webhook_port: int, health_port: int) -> None:
        """Writes the settings, which a later `configure` changes.

        Args:
            folder: its own, new.
            shipped: Kueue's settings as they are shipped.
            webhook_port: free.
            health_port: free.
        """
        folder.mkdir(mode=0o700)
        self._webhook_port, self._health_port = webhook_port, health_port
        self._certificates = folder / "certificates"
        self._certificates.mkdir()
        self.settings = settings_file(folder)
        own = {
            "health": {"healthProbeBindAddress": f"127.0.0.1:{health_port}"},
            "metrics": {"bindAddress": "0"},
            "webhook": {"host": "127.0.0.1", "port": webhook_port, "certDir": str(self._certificates)},
            "leaderElection": {"leaderElect": False},
            "internalCertManagement": {"enable": True, "webhookServiceName": _SERVICE, "webhookSecretName": _SECRET},
        }
        self.settings.write_text(json.dumps({**shipped, **own}))

    def arguments(self) -> list[str]:
        """Returns the arguments of the program."""
        return ["--config", str(self.settings), "--feature-gates=VisibilityOnDemand=false"]

    async def apply(self, api: Api, objects: list[Object]) -> None:
        """Applies what Kueue ships; nothing that its webhooks look at can be written until it runs."""
        await api.apply_all([self._adapted(body) for body in objects], "install")

    def _adapted(self, body: Object) -> Object:
        """An object that leads to the webhooks of this machine: an external name has no port of its own."""
        if body["kind"] == "Service":
            return {**body, "spec": {"type": "ExternalName", "externalName": "localhost"}}
        own: Object = json.loads(json.dumps(body))
        conversion = own.get("spec", {}).get("conversion", {}).get("webhook")
        for webhook in [*own.get("webhooks", []), *([conversion] if conversion else [])]:
            webhook["clientConfig"]["service"]["port"] = self._webhook_port
        return own

    async def ready(self, api: Api) -> None:
        """Hands its certificate to it, as a kubelet would, and waits until it and its webhooks answer."""
        async with aiohttp.ClientSession() as session:
            while not await self._answers(session):
                await self._mount(api)
                await asyncio.sleep(_POLL_SECONDS)

    async def _mount(self, api: Api) -> None:
        data = (await api.get(_SECRETS)).get("data") or {}
        for name in ("tls.key", "tls.crt"):
            wanted, file = base64.b64decode(data.get(name, "")), self._certificates / name
            if wanted and not (file.exists() and file.read_bytes() == wanted):
                unfinished = file.with_suffix(".new")  # it is read while it is written
                unfinished.write_bytes(wanted)
                unfinished.rename(file)

    async def _answers(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"http://127.0.0.1:{self._health_port}/readyz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False


def settings_file(folder: Path) -> Path:
    """Returns the file with Kueue's settings."""
    return folder / "settings.json"


def configure(folder: Path, changes: Mapping[str, Any]) -> None:
    """Changes Kueue's settings, which it reads at its start; None takes one away."""
    file = settings_file(folder)
    settings = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({key: value for key, value in settings.items() if value is not None}))


async def make_queue(api: Api) -> None:
    """Makes the ClusterQueue, which covers what engines and benchmarks request, and waits until it admits."""
    flavor = {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor", "metadata": {"name": CLUSTER_QUEUE}}
    resources = [{"name": name, "nominalQuota": quota} for name, quota in _QUOTA.items()]
    group = {"coveredResources": list(_QUOTA), "flavors": [{"name": CLUSTER_QUEUE, "resources": resources}]}
    queue = {
        "apiVersion": "kueue.x-k8s.io/v1beta2",
        "kind": "ClusterQueue",
        "metadata": {"name": CLUSTER_QUEUE},
        "spec": {
            "namespaceSelector": {},
            "resourceGroups": [group],
            "preemption": {"withinClusterQueue": "LowerPriority"},
        },
    }
    while True:
        try:
            await api.apply_all([flavor, queue], "install")
            break
        except ApiError as problem:
            if problem.status < 500:  # a webhook whose address the API server has yet to hear of
                raise
            await asyncio.sleep(_POLL_SECONDS)
