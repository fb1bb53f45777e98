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
from autotuner.scoring.goal import Goal
from autotuner.scoring.pareto import front, spread
from autotuner.scoring.repeats import together
from autotuner.scoring.score import Score, kept_and_broken, needed_levels, score
from autotuner.scoring.slos import Violation, broken_soft, hard
from autotuner.scoring.stop_threshold import stop

__all__ = [
    "FIRST_LOOK",
    "Goal",
    "Score",
    "Violation",
    "better",
    "broken_soft",
    "figure",
    "format_gain",
    "format_value",
    "front",
    "gain_percent",
    "hard",
    "kept_and_broken",
    "minimised",
    "needed_levels",
    "over",
    "saturated",
    "score",
    "spread",
    "stop",
    "together",
    "verdict",
]
