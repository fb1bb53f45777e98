"""How far a gain can be trusted."""

from __future__ import annotations

from autotuner.api.task_status import Verdict
from autotuner.scoring.judging import Score


def verdict(baseline: Score | None) -> Verdict:
    """What can be said of a gain over this baseline before anything was repeated; None: it gave no result."""
    if baseline is None or baseline.outcome == "unknown":
        return "BaselineFailed"
    return "BaselineInfeasible" if baseline.outcome == "infeasible" else "Unconfirmed"
