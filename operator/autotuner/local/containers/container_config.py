"""The body that creates a container for a workload. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from autotuner.local.containers.finding import Engine
from autotuner.local.workload import StartError, Workload

RUN, WORKLOAD, NAME = "autotuner.io/run", "autotuner.io/workload", "autotuner.io/name"
_NVIDIA, _AMD = "nvidia", "amd"
_AMD_FILES = ("/dev/kfd", "/dev/dri")
# The first whose API for Docker's clients gives devices; earlier ones start the container without them, silently.
_PODMAN_WITH_DEVICES = (5, 4)
_LONGEST_NAME = 100
_LOG_FILES, _LOG_SIZE = "2", "64m"


def name(workload: Workload) -> str:
    """The container's name: for people, and the same for the same workload, so that none is made twice."""
    told = re.sub(r"[^a-zA-Z0-9_.-]+", "-", workload.name)[:_LONGEST_NAME]
    digest = hashlib.sha256(f"{workload.run}/{workload.uid}".encode()).hexdigest()[:8]
    return f"autotuner-{told}-{digest}"


def body(workload: Workload, engine: Engine) -> dict[str, Any]:
    """What the API takes.

    Command and arguments are meant as Kubernetes has them: a command replaces the image's entry point and its
    arguments, arguments alone replace the image's arguments.

    Raises:
        StartError: this container engine cannot run it.
    """
    return {
        "Image": workload.image,
        **({"Entrypoint": list(workload.command)} if workload.command else {}),
        **({"Cmd": list(workload.args)} if workload.args else {}),
        "Env": [f"{key}={value}" for key, value in {**_variables(workload), **workload.env}.items()],
        "Labels": {RUN: workload.run, WORKLOAD: workload.uid, NAME: workload.name},
        "Tty": False,
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": _host(workload, engine),
    }


def _host(workload: Workload, engine: Engine) -> dict[str, Any]:
    mounts = [
        {"Type": "bind", "Source": one.source, "Target": one.target, "ReadOnly": one.read_only}
        for one in workload.mounts
    ]
    return {
        "NetworkMode": "host",
        "RestartPolicy": {"Name": "no"},
        "Mounts": mounts,
        # A label for containers would be written on the user's own files; without it SELinux forbids to read them.
        "SecurityOpt": ["label=disable"],
        "LogConfig": {"Type": "json-file", "Config": _log_limits(engine)},
        **({"ShmSize": workload.shared_memory_bytes} if workload.shared_memory_bytes else {}),
        **(
            {"Memory": workload.memory_limit_bytes, "MemorySwap": workload.memory_limit_bytes}
            if workload.memory_limit_bytes
            else {}
        ),
        **({"CpusetCpus": ",".join(map(str, workload.cpus))} if workload.cpus else {}),
        **({"UsernsMode": "host"} if engine.remapped else {}),
        **_devices(workload, engine),
    }


def _log_limits(engine: Engine) -> dict[str, str]:
    return {"max-size": _LOG_SIZE, **({} if engine.podman else {"max-file": _LOG_FILES})}


def _devices(workload: Workload, engine: Engine) -> dict[str, Any]:
    if not workload.accelerators or not workload.vendor:  # without a vendor a simulated engine plays them
        return {}
    if workload.vendor == _AMD:
        devices = [{"PathOnHost": path, "PathInContainer": path, "CgroupPermissions": "rwm"} for path in _AMD_FILES]
        return {"Devices": devices, "GroupAdd": ["video", "render"], "IpcMode": "host"}
    if workload.vendor != _NVIDIA:
        raise StartError(
            f"containers get no accelerators of {workload.vendor} here: use an installed engine, --engine-python PATH"
        )
    if not engine.podman:
        asked = {"Driver": _NVIDIA, "DeviceIDs": list(workload.accelerators), "Capabilities": [["gpu"]]}
        return {"DeviceRequests": [asked]}
    if _numbers(engine.version) < _PODMAN_WITH_DEVICES:
        raise StartError(
            f"{engine.name} gives no accelerators to containers that are asked for by its API, and says nothing of it; "
            "install Podman 5.4 or newer, or Docker, or use an installed engine: --engine-python PATH"
        )
    return {
        "DeviceRequests": [{"Driver": "cdi", "DeviceIDs": [f"nvidia.com/gpu={one}" for one in workload.accelerators]}]
    }


def _variables(workload: Workload) -> dict[str, str]:
    """What keeps an engine on its devices, where the container gets all of them."""
    if workload.accelerators and workload.vendor == _AMD:
        return {"ROCR_VISIBLE_DEVICES": ",".join(workload.accelerators)}
    return {}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
