"""Which experiments gave no result, why, and whose fault that was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from autotuner.api.experiment import TuningExperiment
from autotuner.policy.conditions import is_true
from autotuner.policy.experiment import reasons
from autotuner.policy.experiment.reasons import Fault

_SHOWN = 5
_FAULTS: Mapping[Fault, str] = {
    "nobody": "nobody's fault",
    "configuration": "the configuration's fault; it is not tried again",
    "surroundings": "the cluster's fault; the same is measured again",
    "everyone": "every configuration would end like this; the task stops",
}


def fault(reason: str) -> str:
    """Whose fault an ending is, in words."""
    return _FAULTS[reasons.meaning(reason).fault]


def of_task(experiments: Mapping[str, TuningExperiment]) -> Iterator[str]:
    """A line for each reason for which experiments of a task gave no result, the most frequent first."""
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, one in experiments.items():
        status = one.status
        over = status is not None and is_true(status.conditions, "Finished")
        if status is not None and over and status.reason not in (None, "Completed"):
            groups[str(status.reason)].append((name, status.message or ""))
    for reason, found in sorted(groups.items(), key=lambda pair: -len(pair[1])):
        names = [name for name, _ in found]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        said = next((message for _, message in reversed(found) if message), "")
        words = f"{len(names)} x {reason} ({fault(reason)}): {', '.join(names[:_SHOWN])}{more}"
        yield f"{words}: {said}" if said else words
