"""The reasons for which an experiment ends, and what each of them means to the search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autotuner.benchmark.contract.result import Result

ExperimentOutcome = Literal[
    "value", "infeasible", "bound", "unknown", "crash", "environment", "impossible", "stop", "nothing"
]


# What an ending means to the search. Environmental ones are never told as bad values; "stop" ends the whole task.
OUTCOMES: dict[str, ExperimentOutcome] = {
    "Completed": "value",
    "SLOViolated": "infeasible",
    "OutOfMemory": "crash",
    "InvalidArguments": "crash",
    "EngineCrashed": "crash",
    "EngineNotServing": "crash",
    "StartupTimeout": "crash",
    "ImagePullFailed": "environment",
    "PullTimeout": "environment",
    "QueueTimeout": "environment",
    "ServingNotCreated": "environment",
    "BenchmarkFailed": "environment",
    "BenchmarkTimeout": "environment",
    "ModelNotReady": "stop",
    "ModelUnsupported": "stop",
    "RuntimeIncompatible": "stop",
    "AdmissionRejected": "stop",
    "Cancelled": "nothing",
}


SUCCEEDED = frozenset({"Completed", "SLOViolated"})


REPRODUCIBLE = frozenset({"OutOfMemory", "InvalidArguments"})  # failures that the same configuration meets again


LOG_TAIL = 2000


@dataclass(frozen=True)
class Ending:
    """Why an experiment is over, in one reason of the API and one line for people.

    `killed` says that somebody killed a process of the engine, so that the same configuration may well end otherwise.
    """

    reason: str
    message: str
    result: Result | None = None
    exit_code: int | None = None
    log_tail: str = ""
    killed: bool = False

    @property
    def reproducible(self) -> bool:
        """Whether the same configuration ends like this again."""
        return self.reason in SUCCEEDED or (self.reason in REPRODUCIBLE and not self.killed)
