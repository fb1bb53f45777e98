"""What a node knows of one container of a pod over all its runs, as a pod's status tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from autotuner.kubernetes_object import Object

_NEVER = "1970-01-01T00:00:00Z"


@dataclass
class ContainerRecord:
    """One container of a pod.

    Attributes:
        spec: of the container.
        init: whether it runs before the others.
        identity: of its runs, for its status.
        state, last: as `containerStatuses` has them.
        restarts: how often it was started again.
        ready, started: by its probes.
        image_id: of what runs, once that is known.
        began: whether it was started, if only once.
    """

    spec: Object
    init: bool
    identity: str
    state: Object = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last: Object = field(default_factory=dict)
    restarts: int = 0
    ready: bool = False
    started: bool = False
    image_id: str = ""
    began: bool = False

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.spec["name"])

    @property
    def exit_code(self) -> int | None:
        """The code of a container that is terminated now."""
        ended = self.state.get("terminated")
        return None if ended is None else int(ended["exitCode"])

    def wait_for(self, reason: str, message: str = "") -> None:
        """Enter the state waiting; a run that ended becomes the last state."""
        if "terminated" in self.state:
            self.last = self.state
        self.state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}

    def begin(self, started_at: str) -> None:
        """Enter the state running."""
        if "terminated" in self.state:
            self.last = self.state
        self.began = True
        self.state = {"running": {"startedAt": started_at}}

    def end(self, exit_code: int, reason: str, message: str, finished_at: str) -> None:
        """Enter the state terminated."""
        self.ready = self.started = False
        started = self.state.get("running", {}).get("startedAt", _NEVER)
        ended = {"exitCode": exit_code, "reason": reason, "startedAt": started, "finishedAt": finished_at}
        if self.began:
            ended["containerID"] = self._container_id
        self.state = {"terminated": {**ended, **({"message": message} if message else {})}}

    @property
    def _container_id(self) -> str:
        return f"local://{self.identity}-{self.restarts}"

    def restore(self, told: Any) -> None:
        """Take what an earlier process told of it."""
        self.state, self.last = told["state"], told.get("lastState") or {}
        self.restarts, self.image_id = told["restartCount"], told.get("imageID", "")
        self.ready, self.started = bool(told.get("ready")), bool(told.get("started"))
        self.began = bool(told.get("containerID"))

    def status(self) -> Object:
        """The entry of containerStatuses."""
        return {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": self.image_id,
            "containerID": self._container_id if self.began else "",
            "restartCount": self.restarts,
            "ready": self.exit_code == 0 if self.init else self.ready,
            "started": self.started,
            "state": self.state,
            "lastState": self.last,
        }
