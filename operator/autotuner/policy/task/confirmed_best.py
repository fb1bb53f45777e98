"""The best in status and message once the confirmation is over, and while it goes on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import geometric_mean

from autotuner import scoring
from autotuner.api.task_status import BaselineResult, Best, Confidence
from autotuner.policy.confirmation.finalists import Race
from autotuner.policy.confirmation.rule import Decided
from autotuner.policy.evidence.measurements import Measured
from autotuner.policy.recommendation import broken_slos
from autotuner.policy.task import best_so_far, status_message

_NO_GAIN = ("BaselineInfeasible", "BaselineFailed")


def best(race: Race, answer: Decided) -> Best | None:
    """The confirmed best for the status; None if nothing keeps the hard SLOs, or does so again.

    The experiment that is named is the search's. Value and gain are those of the repeats, where there are any; both
    means are geometric, so that the gain is that of its interval.
    """
    one = race.original(answer.winner)
    runs = race.kept(one) or [one]
    if not runs[0].keeps or (answer.winner is None and answer.verdict in _NO_GAIN):
        return None
    value = geometric_mean([run.value for run in runs])
    confidence = Confidence(verdict=answer.verdict, repeats=answer.repeats)
    if answer.gain is not None:
        low, high = round(answer.gain.low, 2), round(answer.gain.high, 2)
        confidence = confidence.model_copy(update={"low": low, "high": high})
    return best_so_far.best_for_status(one, runs, value, _gain(race, one, answer), confidence)


def baseline(race: Race) -> BaselineResult:
    """The baseline's value, which the gain is over: of its repeats if there are any; none if they broke the SLOs."""
    runs = race.kept(race.baseline) or [race.baseline]
    known = race.standing.comparable and runs[0].keeps
    value = geometric_mean([run.value for run in runs]) if known else None
    return BaselineResult(experiment=race.baseline.name, value=value, breaks=broken_slos.broken(runs))


def without_repeats(found: Best, baseline: Measured | None) -> str:
    """The words for a best that was not measured again."""
    return _no_gain(found.confidence.verdict, baseline) or "unconfirmed"


def _no_gain(verdict: str, baseline: Measured | None) -> str:
    """Why there is no gain; empty where there may be one."""
    if verdict not in _NO_GAIN:
        return ""
    if verdict == "BaselineInfeasible":
        return "the baseline breaks the SLOs, so that there is no gain over it"
    status = baseline.status if baseline else None
    why = (baseline.score.explanation if baseline and baseline.score else status and status.reason) or ""
    return f"the baseline gave no result{why and f' ({why})'}, so that there is no gain over it"


def conclusion(race: Race, answer: Decided) -> str:
    """The verdict in words."""
    words = _words(race, answer)
    if answer.winner is not None and answer.broken:
        again = answer.broken + answer.repeats
        words += f"; {answer.broken} of its {again} repeats broke the SLOs or failed"
    return words


def none_confirmed(race: Race, measured: Iterable[Measured]) -> str:
    """The experiment that came nearest to the SLOs, where none keeps them, or none did so again.

    Args:
        race: that is over.
        measured: all experiments of the task; a repeated one counts as its repeats do.
    """
    again: dict[str, list[Measured]] = {}
    for key, run in race.measured:
        if not run.keeps:
            again.setdefault(race.original(key).name, []).append(run)
    missed = [one for one in measured if not one.is_repeat and not one.keeps and one.name not in again]
    words = status_message.nearest([*missed, *(replace(_typical(runs), name=name) for name, runs in again.items())])
    if not race.measured:
        return words
    kept = "kept the SLOs" if scoring.hard(race.spec.slos or ()) else "gave a result"
    count = len(race.leaders)
    who = "the best no longer" if count == 1 else f"none of the best {count} still"
    return f"{words}; measured again, {who} {kept}"


def _typical(runs: Sequence[Measured]) -> Measured:
    """The middle one of the runs that broke the SLOs; the last one if none was measured."""
    missed = sorted((run.score.shortfall, place) for place, run in enumerate(runs) if run.score is not None)
    return runs[missed[len(missed) // 2][1]] if missed else runs[-1]


def message(race: Race, block: int) -> str:
    """`confirming llama-chat-7 against the baseline: block 2 of at most 4; +3.1% so far`."""
    one = race.favourite
    if one is None:
        return f"confirming: block {block}"
    against = " against the baseline" if race.standing.comparable else ""
    text = f"confirming {one.name}{against}: block {block} of at most {race.standing.most}"
    if not race.kept(one) or not race.kept(race.baseline):
        return text
    percent = race.gain(one)
    return f"{text}; {scoring.format_gain(percent)} so far" if percent is not None else text


def _words(race: Race, answer: Decided) -> str:
    limits = scoring.hard(race.spec.slos or ())
    if not race.leaders and not _no_gain(answer.verdict, race.baseline):
        return f"nothing else that was measured {'keeps the SLOs' if limits else 'gave a result'}"
    if answer.verdict == "Unconfirmed" and race.cut:
        return "unconfirmed: the budget left too few repeats"
    if answer.verdict == "Unconfirmed":
        return f"unconfirmed: too few repeats {'kept the SLOs' if limits else 'gave a result'}"
    if no_gain := _no_gain(answer.verdict, _failed(race)):
        return no_gain
    interval = answer.gain or answer.rejected
    assert interval is not None, "it follows from one"
    sure = f"95% sure: {scoring.format_gain(interval.low)} to {scoring.format_gain(interval.high)}"
    if answer.verdict == "Improved":
        return f"improved ({sure})"
    if answer.gain is not None:
        return f"no significant difference ({sure})"
    rival = race.favourite
    name = rival.name if rival is not None else "the best other"
    return f"{name} is no significant improvement ({sure})"


def _failed(race: Race) -> Measured:
    """The last run of the baseline that failed, if one did."""
    again = [one for key, one in race.measured if key is None and not one.keeps]
    return next((one for one in reversed([race.baseline, *again]) if not one.keeps), race.baseline)


def _gain(race: Race, one: Measured, answer: Decided) -> float | None:
    if answer.verdict in _NO_GAIN:
        return None
    return answer.gain.middle if answer.gain is not None else race.gain(one)
