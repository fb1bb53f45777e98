"""A sequential rule over repeats of the leaders and the baseline: would the winner win again? Pure.

The search crowns what was lucky: its own runs are no evidence of a gain. So the leaders and the baseline are measured
again, in blocks of one run each, all at the same levels: those that any of them had its value from, so that nobody is
bound to a level that was chosen by luck. Each configuration is judged at one of them: that with the best mean over all
its repeats so far, if more than half of them keep the hard SLOs there (`scoring.together`). Value, gain and interval
follow from it; only MaxConcurrency lies between levels. After each block, from the second on:

1. Leaders that break the SLOs, or fail, in more than half of their repeats are out; others take their places.
2. The winner is the leader with the best median, the search's run included: it may choose, though it proves nothing.
   Among those within 1 % of the best: the one with fewer accelerators, then with fewer changed flags.
3. Its gain over the baseline's repeats has an interval that holds at all looks together (see `scoring.confidence`).
   The rule ends when the interval lies above zero (Improved), or below it; when the gain itself is not above zero after
   three blocks; or when all repeats are used up (NoSignificantDifference). A gain of less than 1 % that is not even
   significant is no reason to change anything: then the baseline stays.

Without a baseline to compare with there is no gain: two blocks then only show which leaders keep the SLOs, if any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from autotuner.api.task_status import Verdict
from autotuner.scoring.confidence import FIRST_LOOK, Gain, gain, spent
from autotuner.scoring.figures import minimised

# What tells one configuration from all others.
ConfigurationKey = str
Fitness = Literal["kept", "broken", "failed"]

_TIE = 0.01  # too little to change anything for, even if it is real
_FUTILE = 3  # repeats after which a gain that is not above zero is given up


@dataclass(frozen=True)
class ConfirmationLimits:
    """How much may be measured again.

    Attributes:
        top: how many leaders.
        max_repeats: how often each at most; below 2, nothing can be confirmed.
        ended: there will be no other blocks; an interval holds whatever the reason for having stopped.
    """

    top: int = 2
    max_repeats: int = 4
    ended: bool = False


@dataclass(frozen=True)
class Leader:
    """A configuration that is among the best of the search.

    Attributes:
        key: of the configuration.
        worth: that the search found, positive.
        accelerators: that its engine occupies.
        changed: flags that differ from the baseline.
    """

    key: ConfigurationKey
    worth: float
    accelerators: int = 1
    changed: int = 0


@dataclass(frozen=True)
class Repeat:
    """A repeated run of a leader or the baseline.

    Attributes:
        key: of the configuration; None: the baseline.
        block: that it belongs to, from 1.
        outcome: kept: measured, and all hard SLOs kept; broken: one of them broken; failed: the engine gave no result;
            running. A run that the environment spoiled is not told: it is done again.
        worth: of one that kept them, positive.
    """

    key: ConfigurationKey | None
    block: int
    outcome: Fitness | Literal["running"]
    worth: float | None = None


@dataclass(frozen=True)
class Measure:
    """What to measure next; nothing while the rest of the block is running.

    Attributes:
        block: of these runs, from 1: another one sends other prompts.
        keys: configurations in the order in which to measure them; None: the baseline.
    """

    block: int
    keys: tuple[ConfigurationKey | None, ...]


@dataclass(frozen=True)
class Decided:
    """The decision of a confirmation.

    Attributes:
        winner: what to recommend; None: the baseline stays, or nothing if there is none to compare with.
        verdict: how far the gain can be trusted.
        gain: of the winner, with its interval; None if the baseline stays, or cannot be compared with.
        repeats: of the winner that count; of the baseline if it stays.
        broken: of the winner's repeats, how many broke an SLO or failed.
        rejected: the gain of the best leader where the baseline stays all the same; for people.
    """

    winner: ConfigurationKey | None
    verdict: Verdict
    gain: Gain | None
    repeats: int
    broken: int = 0
    rejected: Gain | None = None


@dataclass(frozen=True)
class Standing:
    """How a confirmation stands.

    Attributes:
        favourite: who would win if it ended now; None if all leaders are out.
        comparable: whether there is a baseline to gain against.
        most: blocks that there can be.
    """

    favourite: ConfigurationKey | None
    comparable: bool
    most: int


class _Runs:
    """The repeats of one configuration."""

    def __init__(self, key: ConfigurationKey | None, repeats: Sequence[Repeat]) -> None:
        own = [one for one in repeats if one.key == key]
        self.worths = [one.worth for one in own if one.outcome == "kept" and one.worth is not None]
        self.broken = sum(one.outcome in ("broken", "failed") for one in own)
        self.failed = sum(one.outcome == "failed" for one in own)
        self.blocks = {one.block for one in own}

    @property
    def over(self) -> int:
        """The number of repeats that have ended."""
        return len(self.worths) + self.broken

    @property
    def out(self) -> bool:
        """Whether more than half of several repeats were bad; a single one may be bad luck."""
        return self.over >= FIRST_LOOK and 2 * self.broken > self.over


@dataclass(frozen=True)
class _Contest:
    """What is known of leaders and baseline at one moment."""

    leaders: Sequence[Leader]  # those in the race
    runs: dict[ConfigurationKey, _Runs]
    own: _Runs  # the baseline's
    baseline: Fitness
    most: int
    minimise: bool

    @property
    def comparable(self) -> bool:
        """Whether there is a baseline to gain against."""
        return self.baseline == "kept"

    def winner(self) -> Leader:
        """The leader with the best median; ties go to what costs less and changes less."""
        medians = {
            one.key: median([one.worth, *self.runs[one.key].worths])
            for one in self.leaders
            if self.runs[one.key].worths
        }
        best = min(medians.values()) if self.minimise else max(medians.values())
        ties = [one for one in self.leaders if one.key in medians and abs(medians[one.key] / best - 1) <= _TIE]
        return min(ties, key=lambda one: (one.accelerators, one.changed))


def next_step(
    leaders: Sequence[Leader],
    baseline: Fitness,
    repeats: Sequence[Repeat],
    limits: ConfirmationLimits,
    *,
    metric: str,
) -> Measure | Decided:
    """What to measure next, or the decision.

    Args:
        leaders: feasible configurations from the search, best first and all different; those beyond `limits.top` are
            substitutes. They must stay the same while repeats come in.
        baseline: how it did in the search.
        repeats: so far, in any order; of these leaders and the baseline.
        limits: how many leaders, and how often.
        metric: of the objective.
    """
    contest = _contest(leaders, baseline, repeats, limits, minimised(metric))
    if not leaders:
        # The search found nothing that keeps the SLOs, or nothing but the baseline.
        return Decided(None, "Unconfirmed" if contest.comparable else _against(contest.baseline), None, 0)
    if not contest.leaders or limits.max_repeats < FIRST_LOOK:
        return _unconfirmed(leaders, contest)
    block = max((one.block for one in repeats), default=1)
    missing = _missing(contest, block)
    if not limits.ended and (missing or any(one.outcome == "running" for one in repeats)):
        return Measure(block, missing)
    following = _missing(contest, block + 1)
    return _decision(contest, limits.ended) or Measure(block + 1, following)


def standing(
    leaders: Sequence[Leader],
    baseline: Fitness,
    repeats: Sequence[Repeat],
    limits: ConfirmationLimits,
    *,
    metric: str,
) -> Standing:
    """How the confirmation stands, for people; arguments as of `next_step`."""
    contest = _contest(leaders, baseline, repeats, limits, minimised(metric))
    favourite = next((one.key for one in contest.leaders), None)
    if any(contest.runs[one.key].worths for one in contest.leaders):
        favourite = contest.winner().key
    return Standing(favourite, contest.comparable, contest.most)


def _contest(
    leaders: Sequence[Leader],
    baseline: Fitness,
    repeats: Sequence[Repeat],
    limits: ConfirmationLimits,
    minimise: bool,
) -> _Contest:
    runs = {leader.key: _Runs(leader.key, repeats) for leader in leaders}
    own = _Runs(None, repeats)
    if baseline == "kept" and own.out:
        baseline = "failed" if 2 * own.failed > own.broken else "broken"
    fit = [leader for leader in leaders if not runs[leader.key].out][: limits.top]
    most = limits.max_repeats if baseline == "kept" else min(FIRST_LOOK, limits.max_repeats)
    return _Contest(fit, runs, own, baseline, most, minimise)


def _missing(contest: _Contest, block: int) -> tuple[ConfigurationKey | None, ...]:
    """Keys without a run in this block; who was first in the last block comes last, so that nobody is always first."""
    racing = [one.key for one in contest.leaders if contest.runs[one.key].over < contest.most]
    field: list[ConfigurationKey | None] = [*([None] if contest.comparable else []), *racing] if racing else []
    turn = block % len(field) if field else 0
    return tuple(
        key
        for key in (*field[turn:], *field[:turn])
        if block not in (contest.own if key is None else contest.runs[key]).blocks
    )


def _decision(contest: _Contest, ended: bool) -> Decided | None:
    """The decision at the end of a block; None while it is open."""
    overs = [contest.runs[one.key].over for one in contest.leaders]
    last = ended or min(overs) >= contest.most
    if not last and min(overs) < FIRST_LOOK:
        return None
    if not any(contest.runs[one.key].worths for one in contest.leaders):
        return _unconfirmed(contest.leaders, contest) if last else None
    winner = contest.winner()
    runs = contest.runs[winner.key]
    if not contest.comparable:
        return Decided(winner.key, _against(contest.baseline), None, len(runs.worths), runs.broken) if last else None
    if min(len(runs.worths), len(contest.own.worths)) < FIRST_LOOK:
        return Decided(winner.key, "Unconfirmed", None, len(runs.worths), runs.broken) if last else None
    found = gain(runs.worths, contest.own.worths, spent(runs.over, contest.most), minimise=contest.minimise)
    if found.low > 0:
        return Decided(winner.key, "Improved", found, len(runs.worths), runs.broken)
    if last or found.high < 0 or (found.middle <= 0 and runs.over >= _FUTILE):
        return _undecided(winner, found, contest)
    return None


def _undecided(winner: Leader, found: Gain, contest: _Contest) -> Decided:
    if found.middle < 100 * _TIE:
        repeats = len(contest.own.worths)
        return Decided(None, "NoSignificantDifference", None, repeats, contest.own.broken, rejected=found)
    runs = contest.runs[winner.key]
    return Decided(winner.key, "NoSignificantDifference", found, len(runs.worths), runs.broken)


def _unconfirmed(leaders: Sequence[Leader], contest: _Contest) -> Decided:
    """The decision without enough repeats: the search's best, or the baseline if all leaders broke down."""
    runs = contest.runs[leaders[0].key]
    if runs.over and contest.comparable:
        return Decided(None, "Unconfirmed", None, len(contest.own.worths), contest.own.broken)
    verdict: Verdict = "Unconfirmed" if contest.comparable else _against(contest.baseline)
    return Decided(None if runs.out else leaders[0].key, verdict, None, len(runs.worths), runs.broken)


def _against(baseline: Fitness) -> Verdict:
    return "BaselineInfeasible" if baseline == "broken" else "BaselineFailed"
