"""What is there of the probe that asked a task's image for the engine's flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from autotuner.engines import probed_flags
from autotuner.engines.probed_flags import ProbedFlags
from autotuner.kubernetes_object import Object
from autotuner.ownership import controlled_by
from autotuner.serving.pods import PodView

FLAGS = "flags.json"  # the key of the ConfigMap


def name(task: Mapping[str, Any]) -> str:
    """The name of a task's probe: of the Job, and of the ConfigMap that keeps what it told."""
    return f"{task['metadata']['name']}-flags"


@dataclass(frozen=True)
class ObservedProbe:
    """The objects of a task's probe, as read in one reconcile.

    Attributes:
        uid: of the task.
        record: the ConfigMap of the probe's name; None if there is none.
        job: the Job of that name; None if there is none.
        pod: the Job's; None if there is none.
        log: of the pod, once it has ended; empty while it cannot be read.
    """

    uid: str
    record: Object | None = None
    job: Object | None = None
    pod: PodView | None = None
    log: str = ""

    @cached_property
    def flags(self) -> ProbedFlags | None:
        """What was told and kept; None if there is nothing of this task that can be read."""
        if self.record is None or not controlled_by(self.record, self.uid):
            return None
        try:
            return probed_flags.of((self.record.get("data") or {}).get(FLAGS, ""))
        except ValueError:
            return None

    @property
    def in_the_way(self) -> str:
        """The object of somebody else that has the probe's name; empty for none."""
        for kind, found in (("Job", self.job), ("ConfigMap", self.record)):
            if found is not None and not controlled_by(found, self.uid):
                return f"{kind} {found['metadata']['name']}"
        return ""

    @property
    def job_failure(self) -> str:
        """Why Kubernetes gave the Job up; empty while it has not."""
        conditions = ((self.job or {}).get("status") or {}).get("conditions") or []
        failed = [one for one in conditions if one["type"] == "Failed" and one["status"] == "True"]
        return f"{failed[0].get('reason', 'Failed')}: {failed[0].get('message', '')}" if failed else ""
