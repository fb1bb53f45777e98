"""From measured levels to figures one can compare: objectives, SLOs, feasibility, fronts, gain, confidence. Pure."""

from autotuner.scoring.confidence import FIRST_LOOK, verdict
from autotuner.scoring.figures import (
    better,
    figure,
    format_gain,
    format_value,
    gain_percent,
    minimised,
    over,
    saturated,
)
from autotuner.scoring.front import dominates, front, spread
from autotuner.scoring.goal import Goal
from autotuner.scoring.judging import Score, concurrencies, score
from autotuner.scoring.repeats import together
from autotuner.scoring.slos import Violation, broken_soft, hard, violations
from autotuner.scoring.softening import STEEPNESS
from autotuner.scoring.stopping import stop

__all__ = [
    "FIRST_LOOK",
    "STEEPNESS",
    "Goal",
    "Score",
    "Violation",
    "better",
    "broken_soft",
    "concurrencies",
    "dominates",
    "figure",
    "format_gain",
    "format_value",
    "front",
    "gain_percent",
    "hard",
    "minimised",
    "over",
    "saturated",
    "score",
    "spread",
    "stop",
    "together",
    "verdict",
    "violations",
]
