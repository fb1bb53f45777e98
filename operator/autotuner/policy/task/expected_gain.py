"""What going on with a search is expected to gain: for the status, and for who ends the search by it."""

from __future__ import annotations

from autotuner.api import quantity
from autotuner.api.task_status import ExpectedGain
from autotuner.policy.budget import limits
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.task import experiment_counts
from autotuner.policy.task.next_experiment import NextExperiment
from autotuner.search.gain_of_more import MORE_EXPERIMENTS

_LEAST_PERCENT = 0.001  # nobody tells less than this from nothing


def for_status(seen: ObservedTask, coming: NextExperiment, accelerators: int) -> ExpectedGain | None:
    """The expected gain for the status, of two digits so that it does not churn; None where nothing can be said.

    Args:
        seen: the task, none of whose experiments is running.
        coming: what it would measure next.
        accelerators: that this would occupy.
    """
    gain = coming.expected_gain
    if gain is None:
        return None
    hours = limits.gpu_hours(seen, MORE_EXPERIMENTS, accelerators)
    return ExpectedGain(expected_gain=_percent(gain), per_gpu_hour=_percent(gain / hours) if hours else None)


def ends_search(seen: ObservedTask, coming: NextExperiment) -> str:
    """Why nothing more is searched although there is something left; empty if the search goes on.

    The gain is compared as it is told, so that what a reader finds in the status explains the end.
    """
    least, gain = seen.spec.search.min_expected_gain, coming.expected_gain
    if least is None or gain is None or quantity.parse(_percent(gain)) >= quantity.parse(least):
        return ""
    return (
        f"ended after {len(seen.search)} of {experiment_counts.wanted(seen)} experiments: ten more were expected to"
        f" gain {_percent(gain)} (search.minExpectedGain: {least})"
    )


def _percent(share: float) -> str:
    """A share as a percentage of two significant digits: `0.8%`."""
    percent = float(f"{100 * share:.2g}")
    return f"{percent if percent >= _LEAST_PERCENT else 0.0:g}%"
