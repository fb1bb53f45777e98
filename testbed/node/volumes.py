"""Makes a pod's volumes as folders of this machine."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from autotuner.kubernetes_object import Object
from autotuner.local import podspec
from testbed.api import Api, ApiError

Files = Mapping[str, bytes]


class VolumeError(Exception):
    """A volume cannot be made now; the message is that of the FailedMount event."""


def decoded(kind: str, found: Object) -> dict[str, bytes]:
    """Returns the content of a ConfigMap or Secret."""
    text = {key: value.encode() for key, value in (found.get("data") or {}).items() if kind == "ConfigMap"}
    encoded = found.get("binaryData" if kind == "ConfigMap" else "data") or {}
    return text | {key: base64.b64decode(value) for key, value in encoded.items()}


async def read_source(api: Api, namespace: str, kind: str, name: str) -> dict[str, bytes] | None:
    """Reads a ConfigMap or Secret; None where there is none."""
    try:
        return decoded(kind, await api.get(f"/api/v1/namespaces/{namespace}/{kind.lower()}s/{name}"))
    except ApiError as error:
        if error.status == 404:
            return None
        raise


class Volumes:
    """The volumes of one pod, below `folder`."""

    def __init__(self, api: Api, pod: Object, folder: Path, pod_address: str) -> None:
        self._api = api
        self._pod = pod
        self._namespace = pod["metadata"]["namespace"]
        self._folder = folder
        self._address = pod_address

    async def make(self) -> dict[str, str]:
        """Makes each volume that a container mounts; returns the paths by the volumes' names.

        Raises:
            VolumeError: something that one of them needs is missing.
        """
        spec = self._pod["spec"]
        containers = [*(spec.get("initContainers") or []), *spec["containers"]]
        mounted = {mount["name"] for container in containers for mount in container.get("volumeMounts") or []}
        wanted = [volume for volume in spec.get("volumes") or [] if volume["name"] in mounted]
        paths = await asyncio.gather(*(self._make_one(volume) for volume in wanted))
        return {volume["name"]: str(path) for volume, path in zip(wanted, paths, strict=True)}

    async def _make_one(self, volume: Object) -> Path:
        if "hostPath" in volume:
            return _host_path(volume["name"], volume["hostPath"])
        if "persistentVolumeClaim" in volume:
            return await self._claimed(volume["persistentVolumeClaim"]["claimName"])
        folder = self._folder / str(volume["name"])
        folder.mkdir(parents=True, exist_ok=True)
        if "emptyDir" not in volume:
            files = await self._files(volume)
            for path, content in files.items():
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        return folder

    async def _claimed(self, name: str) -> Path:
        claim = await self._api.get(f"/api/v1/namespaces/{self._namespace}/persistentvolumeclaims/{name}")
        bound = claim["spec"].get("volumeName", "")
        spec = (await self._api.get(f"/api/v1/persistentvolumes/{bound}"))["spec"] if bound else {}
        source = spec.get("hostPath") or spec.get("local")
        if source is None:
            raise VolumeError(f"MountVolume.SetUp failed: claim {name} has no volume of kind hostPath or local")
        return _host_path(bound, source)

    async def _files(self, source: Object) -> Files:
        """Returns the files of a volume, or of one source of a projected volume."""
        makers: dict[str, Callable[[Object], Awaitable[Files]]] = {
            "configMap": lambda part: self._keys("ConfigMap", part.get("name", ""), part),
            "secret": lambda part: self._keys("Secret", part.get("secretName") or part.get("name", ""), part),
            "projected": self._projected,
            "serviceAccountToken": self._token,
            "downwardAPI": self._downward,
        }
        for kind, make in makers.items():
            if kind in source:
                return await make(source[kind])
        kinds = ", ".join(key for key in source if key != "name")
        raise VolumeError(f"volume {source.get('name', '')}: this node has no volumes of kind {kinds}")

    async def _keys(self, kind: str, name: str, part: Object) -> Files:
        data = await read_source(self._api, self._namespace, kind, name)
        if data is None:
            if part.get("optional"):
                return {}
            raise VolumeError(f'MountVolume.SetUp failed: {kind.lower()} "{name}" not found')
        try:
            return podspec.select_keys(data, part.get("items"))
        except podspec.ConfigError as error:
            if part.get("optional"):
                return {}
            raise VolumeError(f"MountVolume.SetUp failed: {error}") from error

    async def _projected(self, part: Object) -> Files:
        files: dict[str, bytes] = {}
        for source in part.get("sources") or []:
            files |= await self._files(source)
        return files

    async def _token(self, part: Object) -> Files:
        metadata = self._pod["metadata"]
        account = self._pod["spec"].get("serviceAccountName", "default")
        bound = {"kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"]}
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [part["audience"]] if part.get("audience") else [],
                "expirationSeconds": part.get("expirationSeconds", 3600),
                "boundObjectRef": bound,
            },
        }
        path = f"/api/v1/namespaces/{self._namespace}/serviceaccounts/{account}/token"
        try:
            answer = await self._api.create(path, request)
        except ApiError as error:
            raise VolumeError(f"MountVolume.SetUp failed: token of {account}: {error.message}") from error
        return {part["path"]: answer["status"]["token"].encode()}

    async def _downward(self, part: Object) -> Files:
        try:
            return {
                item["path"]: podspec.field(self._pod, item["fieldRef"]["fieldPath"], self._address).encode()
                for item in part.get("items") or []
                if "fieldRef" in item
            }
        except podspec.ConfigError as error:
            raise VolumeError(f"MountVolume.SetUp failed: {error}") from error


def make_sub_paths(pod_spec: Object, container: Object, paths: Mapping[str, str]) -> None:
    """Makes the folders that a container's mounts name below their volumes, as kubelets do.

    Raises:
        ConfigError: one is missing on a claim that is mounted read-only.
    """
    claims = {volume["name"]: volume.get("persistentVolumeClaim") or {} for volume in pod_spec.get("volumes") or []}
    for mount in container.get("volumeMounts") or []:
        folder = Path(paths.get(mount["name"], ""), mount.get("subPath", ""))
        if mount["name"] not in paths or folder.exists():
            continue
        if claims[mount["name"]].get("readOnly"):
            which = f'volumeMount "{mount["name"]}" of container "{container["name"]}"'
            raise podspec.ConfigError(f"failed to create subPath directory for {which}")
        folder.mkdir(parents=True)


def _host_path(name: str, source: Object) -> Path:
    path = Path(str(source["path"]))
    kind = source.get("type") or ""
    if kind == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True)
    elif kind == "FileOrCreate":
        path.touch()
    elif (kind == "Directory" and not path.is_dir()) or (kind == "File" and not path.is_file()):
        raise VolumeError(
            f'MountVolume.SetUp failed for volume "{name}": hostPath type check failed: {path} is not {kind}'
        )
    return path
