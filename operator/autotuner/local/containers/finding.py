"""Which container engine of this machine is used: where its socket may be, and who answers there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autotuner.local.containers.docker_api import ApiError, DaemonGoneError, DockerApi

_VARIABLES = ("DOCKER_HOST", "CONTAINER_HOST")
_UNIX = "unix://"
_WAY_OUT = (
    "start Docker (`sudo systemctl start docker`; your user must be in the group docker) or Podman's socket "
    "(`systemctl --user start podman.socket`), or name one by DOCKER_HOST=unix:///PATH"
)


class NoEngineError(Exception):
    """There is no container engine to use; the text says where one was looked for, and what to do."""


@dataclass(frozen=True)
class Place:
    """A socket that may be a container engine's.

    Attributes:
        socket: its path.
        why: it is looked at, for people.
        chosen: somebody named it, so that no other is looked at.
    """

    socket: str
    why: str
    chosen: bool = False


@dataclass(frozen=True)
class Engine:
    """A container engine that answers.

    Attributes:
        place: where.
        podman: whether it is Podman; else Docker.
        version: its own.
        rootless: it runs as its user.
        remapped: it gives containers other users than its own, which forbids the host's network.
        root: the folder where it keeps images.
    """

    place: Place
    podman: bool
    version: str
    rootless: bool = False
    remapped: bool = False
    root: str = ""

    @property
    def name(self) -> str:
        """For people: `Docker 20.10.24 (rootless)`."""
        return f"{'Podman' if self.podman else 'Docker'} {self.version}{' (rootless)' if self.rootless else ''}"

    def __str__(self) -> str:
        """For people: which and why."""
        return f"{self.name} at {self.place.socket}, {self.place.why}"


def places(environment: Mapping[str, str], user: int, home: str) -> Sequence[Place]:
    """The sockets to look at, the first that answers is used.

    Args:
        environment: variables.
        user: the id of who runs this; 0 for root.
        home: that user's folder.

    Raises:
        NoEngineError: a variable names an engine that is not on this machine.
    """
    for name in _VARIABLES:
        if value := environment.get(name):
            if not value.startswith(_UNIX):
                raise NoEngineError(
                    f"{name}={value} names a container engine that may be on another machine; the engine must run on "
                    f"this one, where its port and the model's files are: unset {name}, or name a socket by "
                    f"{name}=unix:///PATH"
                )
            return [Place(value.removeprefix(_UNIX), f"named by {name}", chosen=True)]
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{user}"
    own = [
        Place(f"{runtime}/docker.sock", "Docker's of this user"),
        Place(f"{home}/.docker/run/docker.sock", "Docker Desktop's of this user"),
        Place(f"{runtime}/podman/podman.sock", "Podman's of this user"),
    ]
    common = [
        Place("/var/run/docker.sock", "Docker's of this machine"),
        Place("/run/podman/podman.sock", "Podman's of this machine"),
    ]
    return [*common, *own] if user == 0 else [common[0], *own, common[1]]


async def find(candidates: Sequence[Place]) -> Engine:
    """The first engine that answers.

    Raises:
        NoEngineError: none does.
    """
    told = []
    for place in candidates:
        if not Path(place.socket).exists():
            told.append(f"{place.socket} ({place.why}) is not there")
            continue
        async with DockerApi(place.socket) as api:
            try:
                version = await api.call("GET", "/version", seconds=10)
                return read(place, version, await api.call("GET", "/info", seconds=30))
            except (ApiError, DaemonGoneError) as problem:
                told.append(f"{place.socket} ({place.why}): {problem}")
    raise NoEngineError(f"no Docker or Podman answers: {'; '.join(told)}. To run images, {_WAY_OUT}")


def read(place: Place, version: Mapping[str, object], info: Mapping[str, object]) -> Engine:
    """An engine from its answers to /version and /info."""
    components = version.get("Components")
    names = [str(one.get("Name")) for one in components] if isinstance(components, list) else []
    options = info.get("SecurityOptions")
    security = [str(one) for one in options] if isinstance(options, list) else []
    return Engine(
        place,
        podman=any("Podman" in name for name in names),
        version=str(version.get("Version", "")).partition("+")[0],
        rootless=bool(info.get("Rootless")) or any("rootless" in one for one in security),
        remapped=any("name=userns" in one for one in security),
        root=str(info.get("DockerRootDir") or ""),
    )
