"""Checks of what ends a search: can it be told at all?"""

from __future__ import annotations

from collections.abc import Iterator

from autotuner.policy.preflight.checked_task import Case
from autotuner.validation_messages import Finding, Kind

_FIELD = "search.minExpectedGain"


def problems(case: Case) -> Iterator[Finding]:
    """What is wrong with an end of the search that depends on the gain of going on."""
    search, objectives = case.spec.search, case.spec.objectives
    if search.min_expected_gain is None:
        return
    if search.strategy != "Bayesian":
        yield Finding(_FIELD, Kind.GAIN_WITHOUT_MODEL, {"strategy": search.strategy})
    if len(objectives) > 1:
        yield Finding(_FIELD, Kind.GAIN_OF_SEVERAL, {"count": len(objectives)})
