"""Whether an engine keeps up with the rate of an open loop. Pure.

What an engine that keeps up holds at any time follows from the rate and from how long it takes (Little, "A proof for
the queuing formula L = lambda W", Operations Research 9, 1961): the number waiting stays about the same. If it grows
through each third of a level, by more than chance explains, and answers come more slowly than requests, then it grows
without end, and every latency says only how long the level was.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

# A verdict of too few requests would be chance.
FEWEST_SENT = 60
LEAST_SECONDS = 10.0
# Deviations of a Poisson count by which the queue must have grown; at half of them in each third.
DEVIATIONS = 4.0
ANSWERED_SHARE = 0.9


def evidence(sent: Sequence[float], over: Sequence[tuple[float, float]], now: float) -> str:
    """What shows that the engine does not keep up, in words; empty while it may.

    Args:
        sent: when requests were due, in seconds from the start of the level, upwards; up to now.
        over: of each request that is over, when it was due and when it ended, in any order.
        now: seconds from the start of the level.
    """
    if now < LEAST_SECONDS or len(sent) < FEWEST_SENT:
        return ""
    third = now / 3
    first = bisect_right(sent, now / 10)
    early = [end - start for start, end in over if start <= now / 10]
    # At the start the queue grows in every engine, for as long as an answer takes.
    if len(early) < first or not early or max(early) > third:
        return ""
    ends = sorted(end for _, end in over)
    waiting = [bisect_right(sent, at) - bisect_right(ends, at) for at in (third, 2 * third, now)]
    chance = DEVIATIONS * math.sqrt(len(sent) - bisect_right(sent, third))
    growth = [later - before for before, later in pairwise(waiting)]
    if sum(growth) < chance or min(growth) < chance / 4:
        return ""
    seconds = now - third
    offered = (len(sent) - bisect_right(sent, third)) / seconds
    answered = (len(ends) - bisect_right(ends, third)) / seconds
    if answered > ANSWERED_SHARE * offered:
        return ""
    return (
        f"{offered:.3g} req/s sent, {answered:.3g} answered; {waiting[0]} waited after {third:.0f} s,"
        f" {waiting[2]} after {now:.0f} s"
    )
