"""Where a container stands, from what the daemon says and what its control group counted. Pure.

Docker says OOMKilled whenever some process of a container was killed for memory, whatever the exit code; Podman never
does. A container whose program is missing stays `created` for ever, with both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from autotuner.local.workload import State

ABSENT = State("Absent")
_RUNNING = ("running", "paused", "restarting", "stopping", "removing")
_FRACTION = re.compile(r"\.(\d{6})\d*")


def read(inspected: Mapping[str, Any], killed_for_memory: int, start_error: str) -> State:
    """The state of a container.

    Args:
        inspected: the daemon's answer.
        killed_for_memory: processes, as the container's control group counted them.
        start_error: why it could not be started; empty where it could, or was not yet.
    """
    told = inspected.get("State") or {}
    started = seconds(str(told.get("StartedAt") or ""))
    status = str(told.get("Status") or "")
    if status in ("created", "configured", "initialized"):
        words = start_error or str(told.get("Error") or "")
        return State("Ended", None, words=words) if words else ABSENT
    if status in _RUNNING:
        return State("Running", started=started)
    return State(
        "Ended",
        int(told.get("ExitCode") or 0),
        out_of_memory=bool(told.get("OOMKilled")) or killed_for_memory > 0,
        words=str(told.get("Error") or ""),
        started=started,
        # Docker notes the start of a short life after its end.
        ended=max(started, seconds(str(told.get("FinishedAt") or ""))),
    )


def seconds(stamp: str) -> float:
    """A time of the daemon, with nanoseconds, in seconds since the epoch; 0 for none (its year 1)."""
    try:
        return max(0.0, datetime.fromisoformat(_FRACTION.sub(r".\1", stamp)).timestamp())
    except (ValueError, OverflowError):
        return 0.0
