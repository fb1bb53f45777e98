"""What is run here for a container of a pod: its words, variables, folders, devices and cores. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autotuner.benchmark.container_resources import quantity
from autotuner.kubernetes_object import Object
from autotuner.local import podspec
from autotuner.local.podspec import ConfigError, Source
from autotuner.local.programs import Programs
from autotuner.local.workload import Mount, Workload

ADDRESS = "127.0.0.1"
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the kernel's own place, not a file in it
# Of an engine whose runtime says no size: what NCCL and workers of one engine need at most.
_SHARED_MEMORY_BYTES = 16 * 1024**3
# Of this program's own environment, which is not the engine's.
_OWN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP")
_DIRECT = ("no_proxy", "NO_PROXY")


@dataclass(frozen=True)
class Surroundings:
    """What a container finds on this machine.

    Attributes:
        run: identity of the run.
        environment: variables of this process.
        programs: that stand for images.
        volumes: folders by the names of the pod's volumes.
        termination_log: the file for its last words.
        data: contents of ConfigMaps and Secrets, None of those that are not there.
        accelerators: devices of this container.
        vendor: of the devices.
        cpus: to which it is pinned; empty for all.
    """

    run: str
    environment: Mapping[str, str]
    programs: Programs
    volumes: Mapping[str, str]
    termination_log: str
    data: Mapping[Source, Mapping[str, str] | None] = field(default_factory=dict)
    accelerators: Sequence[str] = ()
    vendor: str = ""
    cpus: Sequence[int] = ()


def workload(pod: Object, container: Object, uid: str, name: str, around: Surroundings) -> Workload:
    """What runs for one container.

    Args:
        pod: that it belongs to.
        container: of the pod's spec.
        uid: of the workload.
        name: of the workload.
        around: what it finds.

    Raises:
        ConfigError: it cannot be made from its spec here.
    """
    process = around.programs.runs(container["image"])
    base = _base(container["image"], around) if process else {}
    variables = podspec.environment(pod, container, base, ADDRESS, around.data)
    common: dict[str, Any] = {
        "uid": uid,
        "run": around.run,
        "name": name,
        "accelerators": tuple(around.accelerators),
        "vendor": around.vendor,
        "port": _port(container),
        "cpus": tuple(around.cpus),
    }
    if process:
        return _process(container, variables, base, common, around)
    words = {key: [podspec.expand(str(word), variables) for word in container.get(key) or ()] for key in _WORDS}
    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    return Workload(
        **common,
        image=container["image"],
        command=words["command"],
        args=words["args"],
        env=variables,
        mounts=tuple(_mounts(container, around.volumes)),
        shared_memory_bytes=_SHARED_MEMORY_BYTES,
        memory_limit_bytes=int(quantity(limit)) if limit is not None else 0,
    )


_WORDS = ("command", "args")


def _process(
    container: Object,
    variables: Mapping[str, str],
    base: Mapping[str, str],
    common: Mapping[str, Any],
    around: Surroundings,
) -> Workload:
    """As a process: there is one tree of folders, so the container's paths are replaced by this machine's."""
    command = around.programs.command(container)
    if not command:
        advice = "write the engine's whole command line into the runtime, or runtime.local.command into the task"
        raise ConfigError(f"the runtime names no command, only an image's own entry point, which is not here: {advice}")
    paths = podspec.mount_paths(container, around.volumes, around.termination_log)
    paths = {inside: place for inside, place in paths.items() if inside != place}
    words = podspec.command_line({**container, "command": command}, variables, paths)
    env = {
        name: value if base.get(name) == value else podspec.localize(value, paths) for name, value in variables.items()
    }
    return Workload(**common, command=words, env=env)


def _base(image: str, around: Surroundings) -> dict[str, str]:
    """The variables of this process, with the environment's own programs first, and no proxy to this machine."""
    found = {name: value for name, value in around.environment.items() if name not in _OWN}
    if folder := around.programs.folder(image):
        found["PATH"] = f"{folder}:{found.get('PATH', '/usr/local/bin:/usr/bin:/bin')}"
        found["VIRTUAL_ENV"] = str(folder.parent)
    for name in _DIRECT:
        found[name] = ",".join(filter(None, (found.get(name), ADDRESS, "localhost")))
    return found


def _port(container: Object) -> int:
    return next((int(one["containerPort"]) for one in container.get("ports") or ()), 0)


def _mounts(container: Object, volumes: Mapping[str, str]) -> list[Mount]:
    found = []
    for mount in container.get("volumeMounts") or ():
        target = mount["mountPath"].rstrip("/")
        if mount["name"] in volumes and target != SHARED_MEMORY:
            below = mount.get("subPath", "").strip("/")
            source = volumes[mount["name"]] + (f"/{below}" if below else "")
            found.append(Mount(source, target, read_only=bool(mount.get("readOnly"))))
    return found


def requested(container: Object) -> dict[str, int]:
    """The devices that a container wants, by resource."""
    limits = (container.get("resources") or {}).get("limits") or {}
    return {name: int(quantity(amount)) for name, amount in limits.items() if "/" in name}
