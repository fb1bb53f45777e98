"""How far a gain can be trusted: its interval from repeated runs, and the verdict before there are any.

The interval is Welch's for the difference of two means (Welch, Biometrika 34, 1947), of the logarithms of the runs:
noise is relative, and the difference is the logarithm of the gain. It does not ask both configurations to be equally
noisy, has nearly twice the degrees of freedom that differences within blocks would leave, and errs on the safe side
with heavy tails: an outlier widens it more than it moves it (Benjamini, "Is the t test really conservative when the
parent distribution is long-tailed?", JASA 78, 1983), and what drifts from block to block widens it too.

It is looked at after every block, so that it has to hold at all looks together: a repeated confidence interval
(Jennison and Turnbull, J. R. Stat. Soc. B 51, 1989), for which each look spends a part of the 5 %, as much as the power
family prescribes (Kim and DeMets, Biometrika 74, 1987). It then holds whatever the reason for having stopped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from autotuner.api.task_status import Verdict
from autotuner.scoring.score import Score
from autotuner.scoring.t_quantile import two_sided

FIRST_LOOK = 2  # one run says nothing about noise
_ALPHA = 0.05
_POWER = 3  # the first looks spend little, the last one most
# Runs that agree better than this do so by chance: two runs say little about their spread.
_LEAST_DEVIATION = 0.005


@dataclass(frozen=True)
class Gain:
    """A gain and its interval in percent of the baseline; positive is better."""

    low: float
    middle: float
    high: float


def gain(leader: Sequence[float], baseline: Sequence[float], alpha: float, *, minimise: bool) -> Gain:
    """The gain of a leader over the baseline.

    Args:
        leader: its runs, at least two, all positive.
        baseline: its runs, at least two, all positive.
        alpha: the probability that the interval may miss.
        minimise: whether less is better.

    Returns:
        Middle is by the ratio of the geometric means.
    """
    ours, theirs = ([math.log(value) for value in runs] for runs in (leader, baseline))
    difference = fmean(theirs) - fmean(ours) if minimise else fmean(ours) - fmean(theirs)
    a, b = (max(variance(logs), _LEAST_DEVIATION**2) / len(logs) for logs in (ours, theirs))
    degrees = (a + b) ** 2 / (a**2 / (len(ours) - 1) + b**2 / (len(theirs) - 1))
    width = two_sided(alpha, degrees) * math.sqrt(a + b)
    low, middle, high = (_percent(difference + shift, minimise) for shift in (-width, 0.0, width))
    return Gain(low, middle, high)


def spent(look: int, looks: int) -> float:
    """The share of the 5 % that one look may spend.

    Args:
        look: runs of the leader at this look, at least FIRST_LOOK.
        looks: runs at the last one.
    """
    before = 0.0 if look <= FIRST_LOOK else ((look - 1) / looks) ** _POWER
    return _ALPHA * ((look / looks) ** _POWER - before)


def verdict(baseline: Score | None) -> Verdict:
    """The verdict on a gain over this baseline before anything was repeated; None if the baseline gave no result."""
    if baseline is None or baseline.outcome in ("unknown", "bound"):
        return "BaselineFailed"
    return "BaselineInfeasible" if baseline.outcome == "infeasible" else "Unconfirmed"


def _percent(log_ratio: float, minimise: bool) -> float:
    """The gain in percent of the baseline: 50 for half of a latency, 100 for twice a throughput."""
    # Beyond this the figure means nothing but `very wide`, and must fit into the status.
    ratio = math.exp(max(-20.0, min(20.0, log_ratio)))
    return (1 - 1 / ratio) * 100 if minimise else (ratio - 1) * 100
