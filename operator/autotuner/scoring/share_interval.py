"""The interval of a share that was counted: Wilson's score interval (J. Am. Stat. Assoc. 22, 1927).

It holds for few requests and for shares near 0 and 1, where the usual one is too narrow or leaves the range (Brown, Cai
and DasGupta, "Interval estimation for a binomial proportion", Statistical Science 16, 2001).
"""

from __future__ import annotations

import math

from autotuner.api.experiment import Attainment

_Z = 1.959964  # of 95 %, two-sided


def attainment(share: float, count: float) -> Attainment:
    """A share with its 95 % interval.

    Args:
        share: from 0 to 1.
        count: of the requests that it is a share of, at least 1.
    """
    spread = _Z**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(spread * (share * (1 - share) + spread / 4)) / (1 + spread)
    return Attainment(share=share, low=max(0.0, min(share, middle - half)), high=min(1.0, max(share, middle + half)))
