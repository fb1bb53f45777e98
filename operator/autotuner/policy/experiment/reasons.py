"""The reasons for which an experiment ends, and what each of them means to the search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from autotuner.benchmark.contract.result import Result

ExperimentOutcome = Literal[
    "value", "infeasible", "bound", "unknown", "crash", "environment", "impossible", "stop", "nothing"
]


Fault = Literal["nobody", "configuration", "surroundings", "everyone"]


class Meaning(NamedTuple):
    """What an ending means.

    Attributes:
        fault: whose it was. What is everyone's would end any other configuration too, and stops the whole task.
        outcome: what the search is told. What the surroundings spoiled is never told as a bad value.
        retries: how often the same configuration is measured again before such an ending is believed.
    """

    fault: Fault
    outcome: ExperimentOutcome
    retries: int = 0


_CRASH = Meaning("configuration", "crash")
_DOUBTFUL_CRASH = Meaning("configuration", "crash", retries=1)
_DISTURBED = Meaning("surroundings", "environment", retries=3)
_SPOILED = Meaning("surroundings", "environment", retries=1)
_FOR_ALL = Meaning("everyone", "stop")

REASONS: Mapping[str, Meaning] = {
    "Completed": Meaning("nobody", "value"),
    "SLOViolated": Meaning("configuration", "infeasible"),
    "OutOfMemory": _CRASH,
    "InvalidArguments": _CRASH,
    "EngineCrashed": _DOUBTFUL_CRASH,
    "EngineNotServing": _DOUBTFUL_CRASH,
    "StartupTimeout": _DOUBTFUL_CRASH,
    "Evicted": _DISTURBED,
    "Preempted": _DISTURBED,
    "NodeLost": _DISTURBED,
    "ImagePullFailed": _SPOILED,
    "PullTimeout": _SPOILED,
    "QueueTimeout": _SPOILED,
    "PodsReadyTimeout": _SPOILED,
    "ServingNotCreated": _SPOILED,
    "BenchmarkFailed": _SPOILED,
    "BenchmarkTimeout": _SPOILED,
    "ClientOverloaded": _SPOILED,
    "ModelNotReady": _FOR_ALL,
    "ModelUnsupported": _FOR_ALL,
    "RuntimeIncompatible": _FOR_ALL,
    "AdmissionRejected": _FOR_ALL,
    "AcceleratorShared": _FOR_ALL,
    "JobRefused": _FOR_ALL,
    "TokenizerUnavailable": _FOR_ALL,
    "TraceUnusable": _FOR_ALL,
    "Unauthorized": _FOR_ALL,
    "ModelNameAmbiguous": _FOR_ALL,
    "NamespaceDeleted": Meaning("nobody", "stop"),
    "Cancelled": Meaning("nobody", "nothing"),
}


def meaning(reason: str) -> Meaning:
    """The meaning of an ending; a reason of a newer version says nothing about the configuration."""
    return REASONS.get(reason, _SPOILED)


SUCCEEDED = frozenset({"Completed", "SLOViolated"})


# Endings that are what they look like, whatever becomes of the namespace meanwhile.
_CERTAIN = SUCCEEDED | {"Cancelled", "NamespaceDeleted"}


def doubtful_in_a_namespace_that_goes(reason: str) -> bool:
    """Whether an experiment may only seem to end like this, because everything in its namespace is being deleted."""
    return reason not in _CERTAIN


REPRODUCIBLE = frozenset({"OutOfMemory", "InvalidArguments"})  # failures that the same configuration meets again


LOG_TAIL = 2000


@dataclass(frozen=True)
class Ending:
    """Why an experiment is over, in one reason of the API and one line for people.

    `killed` says that somebody killed a process of the engine, so that the same configuration may well end otherwise;
    `named` that the engine died of a cause that it named itself, before it ever served; `never_ran` that its program
    could not even be started for a cause that is the same for every configuration.
    """

    reason: str
    message: str
    result: Result | None = None
    exit_code: int | None = None
    log_tail: str = ""
    killed: bool = False
    named: bool = False
    never_ran: bool = False

    @property
    def reproducible(self) -> bool:
        """Whether the same configuration ends like this again, wherever it runs."""
        return self.reason in SUCCEEDED or (self.reason in REPRODUCIBLE and not self.killed)

    @property
    def believed(self) -> bool:
        """Whether nothing would be learned by measuring the same again at once."""
        return self.reproducible or self.never_ran or (self.named and not self.killed)
