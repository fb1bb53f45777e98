"""Builders of pods for the tests of the testbed's nodes."""

from __future__ import annotations

from typing import Any

from autotuner.kubernetes_object import Object
from testbed.api import Api
from testbed.waiting import until

SHELL = "testbed/shell"
SERVER = "import http.server, os; http.server.test(http.server.SimpleHTTPRequestHandler, http.server.ThreadingHTTPServer, port=8080, bind=os.environ['POD_IP'])"  # noqa: E501
POD_IP = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


def shell(script: str, **more: Any) -> Object:
    """Returns a container that runs a shell script."""
    return {"name": "main", "image": SHELL, "command": ["sh", "-c", script], **more}


def web(**more: Any) -> Object:
    """Returns a container that serves HTTP on port 8080 of its pod's address."""
    probe = {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}
    command = ["python3", "-c", SERVER]
    return {"name": "main", "image": SHELL, "command": command, "env": [POD_IP], "readinessProbe": probe, **more}


def pod(*containers: Object, name: str = "pod", annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    """Returns a pod that runs once."""
    metadata: Object = {"name": name, "labels": {"app": name}, "annotations": annotations or {}}
    defaults: Object = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 2,
        "automountServiceAccountToken": False,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {**defaults, "containers": [*containers], **spec},
    }


class Pods:
    """The pods of one namespace."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.path = f"/api/v1/namespaces/{namespace}/pods"

    async def run(self, body: Object, condition: Any, seconds: float = 60) -> Object:
        """Creates a pod and waits for a condition."""
        await self.api.create(self.path, body)
        return await until(self.api, self.path, body["metadata"]["name"], condition, seconds)

    async def log(self, name: str = "pod", **params: Any) -> str:
        """Returns a pod's log."""
        return await self.api.text(f"{self.path}/{name}/log", **params)


def ended(body: Object, index: int = 0) -> Object:
    """Returns how a container ended."""
    found: Object = body["status"]["containerStatuses"][index]["state"]["terminated"]
    return found
