"""A namespace with a model and a runtime of its own, for tests of the stand-in for OME."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from autotuner.kubernetes_object import Object
from testbed.api import Api, ApiError

Found = TypeVar("Found")

ROOT = "/apis/ome.io/v1beta1"
SWITCH = "testbed.autotuner.io/ome"
FORMAT: Object = {
    "modelFormat": {"name": "safetensors", "version": "1.0.0"},
    "modelFramework": {"name": "transformers", "version": "4.40.1"},
    "modelArchitecture": "LlamaForCausalLM",
}
FOREGROUND: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground"}


async def wait_for(look: Callable[[], Awaitable[Found | None]], what: str, seconds: float = 60) -> Found:
    """Returns the first thing found that is true."""
    try:
        async with asyncio.timeout(seconds):
            while not (found := await look()):
                await asyncio.sleep(0.02)
            return found
    except TimeoutError as error:
        raise AssertionError(f"not within {seconds} s: {what}") from error


def one_gpu() -> Object:
    """Returns the resources of a container with one GPU."""
    return {"limits": {"nvidia.com/gpu": 1}, "requests": {"nvidia.com/gpu": 1}}


def condition(obj: Object, kind: str) -> str | None:
    """Returns the status of a condition of an object."""
    found = obj.get("status", {}).get("conditions", [])
    return next((str(c["status"]) for c in found if c["type"] == kind), None)


class World:
    """Objects of one test; `name` is that of its namespace, model and runtime."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.name = f"ome-{uuid.uuid4().hex[:8]}"
        self.isvcs = f"{ROOT}/namespaces/{self.name}/inferenceservices"
        self.models, self.runtimes = f"{ROOT}/clusterbasemodels", f"{ROOT}/clusterservingruntimes"

    async def setup(self) -> None:
        """Makes the namespace."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}}
        await self.api.create("/api/v1/namespaces", namespace)

    async def teardown(self) -> None:
        """Removes everything and waits until the pods are gone."""
        if not await self.found(f"{self.models}/{self.name}"):  # OME keeps services whose model is missing
            await self.create_model()
        for isvc in (await self.api.list(self.isvcs))["items"]:
            await self._discard(f"{self.isvcs}/{isvc['metadata']['name']}")
        await wait_for(self._empty, f"the services and pods of {self.name} are gone", 60)
        await self.remove_model()
        await self.remove(f"{self.runtimes}/{self.name}")
        await self.api.delete(f"/api/v1/namespaces/{self.name}")

    async def _discard(self, path: str) -> None:
        """Deletes a service that may be stuck on request, or may go by itself meanwhile."""
        try:
            await self.api.patch(path, {"metadata": {"annotations": {SWITCH: None}}})
            await self.api.delete(path, FOREGROUND)
        except ApiError as error:
            if error.status != 404:
                raise

    async def _empty(self) -> bool:
        return not (await self.api.list(self.isvcs))["items"] and not await self.pods()

    async def remove(self, path: str) -> None:
        """Deletes an object that may be gone already, and waits until it is."""

        async def gone() -> bool:
            return await self.found(path) is None

        if await self.found(path):
            await self.api.delete(path)
            await wait_for(gone, f"{path} is gone")

    async def remove_model(self) -> None:
        """Deletes the model and waits until it is gone."""
        await self.remove(f"{self.models}/{self.name}")

    async def create_model(self, annotations: dict[str, str] | None = None, **spec: Any) -> Object:
        """Makes the model, by default one that every node has without a file."""
        metadata = {"name": self.name, "annotations": annotations or {}}
        spec = {"storage": {"storageUri": "vendor://simulated"}, **FORMAT, **spec}
        body = {"apiVersion": "ome.io/v1beta1", "kind": "ClusterBaseModel", "metadata": metadata, "spec": spec}
        return await self.api.create(self.models, body, fieldValidation="Strict")

    async def create_runtime(self, switches: str = "", runner: Object | None = None, **spec: Any) -> Object:
        """Makes the runtime, by default with a file server as engine; a field given as None is left out."""
        server: Object = {
            "name": "ome-container",
            "image": "autotuner/benchmark",
            "command": ["python", "-m", "http.server", "--bind", "$(POD_IP)", "8080"],
            "env": [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
            "ports": [{"containerPort": 8080, "name": "http1"}],
            "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
            **(runner or {}),
        }
        metadata = {"name": self.name, "annotations": {SWITCH: switches} if switches else {}}
        server = {key: value for key, value in server.items() if value is not None}
        engine = {"runner": server, "terminationGracePeriodSeconds": 1}
        spec = {"supportedModelFormats": [FORMAT], "engineConfig": engine, **spec}
        body = {"apiVersion": "ome.io/v1beta1", "kind": "ClusterServingRuntime", "metadata": metadata, "spec": spec}
        return await self.api.create(self.runtimes, body, fieldValidation="Strict")

    async def create_service(
        self, name: str = "exp-one", annotations: dict[str, str] | None = None, **spec: Any
    ) -> Object:
        """Makes an InferenceService; a field given as None is left out."""
        engine = {
            "minReplicas": 1,
            "maxReplicas": 1,
            "runner": {"name": "ome-container", "resources": one_gpu()},
        }
        fields = {"model": {"name": self.name}, "runtime": {"name": self.name}, "engine": engine, **spec}
        body = {
            "apiVersion": "ome.io/v1beta1",
            "kind": "InferenceService",
            "metadata": {"name": name, "annotations": annotations or {}},
            "spec": {key: value for key, value in fields.items() if value is not None},
        }
        return await self.api.create(self.isvcs, body, fieldValidation="Strict")

    async def found(self, path: str) -> Object | None:
        """Returns an object, or None if there is none."""
        try:
            return await self.api.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def service(self, name: str = "exp-one") -> Object | None:
        """Returns an InferenceService."""
        return await self.found(f"{self.isvcs}/{name}")

    async def deployment(self, name: str = "exp-one") -> Object | None:
        """Returns the Deployment of an InferenceService."""
        return await self.found(f"/apis/apps/v1/namespaces/{self.name}/deployments/{name}-engine")

    async def pods(self, name: str = "") -> list[Object]:
        """Returns the pods of one InferenceService, or of all."""
        selector = f"ome.io/inferenceservice={name}" if name else "ome.io/inferenceservice"
        found = await self.api.list(f"/api/v1/namespaces/{self.name}/pods", labelSelector=selector)
        items: list[Object] = found["items"]
        return items

    async def events(self, name: str = "exp-one") -> dict[str, Object]:
        """Returns the events about an InferenceService by their reason."""
        path, selector = f"/api/v1/namespaces/{self.name}/events", f"involvedObject.name={name}"
        found = await self.api.list(path, fieldSelector=f"{selector},involvedObject.kind=InferenceService")
        return {event["reason"]: event for event in found["items"]}

    async def ready(self, name: str = "exp-one") -> Object:
        """Waits until an InferenceService is ready; returns it."""

        async def look() -> Object | None:
            isvc = await self.service(name)
            return isvc if isvc and condition(isvc, "Ready") == "True" else None

        return await wait_for(look, f"{name} is ready", 30)

    async def deployed(self, name: str = "exp-one") -> Object:
        """Waits for the Deployment of an InferenceService."""
        return await wait_for(lambda: self.deployment(name), f"{name} has a Deployment")

    async def gone(self, name: str = "exp-one", seconds: float = 30) -> None:
        """Waits until an InferenceService is gone."""

        async def look() -> bool:
            return await self.service(name) is None

        await wait_for(look, f"{name} is gone", seconds)

    async def passed_by(self, name: str = "canary") -> None:
        """Waits until the stand-in has worked off everything before now: it takes one service after the other."""
        await self.create_service(name)
        await self.deployed(name)
