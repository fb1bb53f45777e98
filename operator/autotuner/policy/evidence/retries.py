"""Which experiments are measured again because their ending is not believed yet, and which such retries replace.

How often depends on whose fault an ending was (`policy.experiment.reasons`). The tries of one configuration belong
together: the first, and all whose `spec.retryOf` names it. Only the last of them counts. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autotuner.policy.evidence.measurements import REPEATED, Measured
from autotuner.policy.experiment.reasons import REASONS, Meaning, meaning

# Without a baseline nothing is a gain: this often it is measured again after evictions, and after deaths without a
# word while others run. With two chances in ten of either, one task in ten thousand loses its baseline.
BASELINE_RETRIES = 5
_BASELINE = "the baseline"  # all its tries belong together
# What only the node or the moment can be to blame for, once the same model was served.
_SPOILED = REASONS["ServingNotCreated"]
_CRASHED = REASONS["InvalidArguments"]
# Endings that are everyone's by their reason, unless the engine says so of a model that others have served.
TOLD_BY_ENGINE = {"ModelNotReady": _SPOILED, "ModelUnsupported": _CRASHED}


def judged(measured: Sequence[Measured]) -> list[Measured]:
    """The experiments with what they mean beside each other: what a retry replaces, or will, says nothing.

    Args:
        measured: a task's own experiments by index.
    """
    marked = [_beside(one, measured) for one in measured]
    tries: dict[str, list[Measured]] = {}
    for one in marked:
        if not one.withdrawn:
            tries.setdefault(_configuration_of(one), []).append(one)
    replaced = {one.name for group in tries.values() for one in group[:-1] if _unbelieved(one)}
    owed = {group[-1].name for group in tries.values() if _owes_retry(group, marked)}
    return [_spoiled(one, one.name in replaced, one.name in owed) for one in marked]


def owed(measured: Sequence[Measured]) -> list[Measured]:
    """The experiments that are to be measured again, the baseline first.

    Args:
        measured: as `judged` returns them.
    """
    waiting = [one for one in measured if one.retry == "owed"]
    return sorted(waiting, key=lambda one: (not one.is_baseline, one.index))


def first_try(one: Measured) -> str:
    """The name of the first experiment that measured the same."""
    return one.spec.retry_of or one.name


def _configuration_of(one: Measured) -> str:
    return _BASELINE if one.is_baseline else first_try(one)


def _meaning(one: Measured) -> Meaning:
    """What the ending means, by its reason and what it turned out to be beside other experiments."""
    if one.outcome == "environment" and one.status.reason in TOLD_BY_ENGINE:
        return _SPOILED
    return meaning(one.status.reason or "")


def _beside(one: Measured, measured: Sequence[Measured]) -> Measured:
    """An ending that is everyone's by its reason is not, if the engine says so of a model that others served."""
    if one.outcome != "stop" or one.status.evidence is None or one.status.reason not in TOLD_BY_ENGINE:
        return one
    served = any(other.score is not None for other in measured)
    return replace(one, outcome=TOLD_BY_ENGINE[one.status.reason].outcome) if served else one


def _unbelieved(one: Measured) -> bool:
    return one.finished and one.score is None and (one.outcome in REPEATED or one.outcome == "crash")


def _owes_retry(tries: Sequence[Measured], measured: Sequence[Measured]) -> bool:
    """Whether the last of the tries of a configuration is to be followed by another."""
    last = tries[-1]
    if not _unbelieved(last) or last.drift or last.status.reproducible:
        return False
    means = _meaning(last)
    alike = [one for one in tries if _unbelieved(one) and _meaning(one) == means]
    if len(alike) <= means.retries:
        return True
    if not last.is_baseline or not means.retries or len(alike) > BASELINE_RETRIES:
        return False
    if last.outcome == "environment":
        return means.retries > 1
    others_ran = any(one.score is not None and one.index > last.index for one in measured)
    return others_ran and not any(one.is_repeat for one in measured)


def _spoiled(one: Measured, replaced: bool, owed: bool) -> Measured:
    if not replaced and not owed:
        return one
    # What nobody may judge by stops or spoils nothing either.
    return replace(one, outcome="environment", retry="made" if replaced else "owed")
