"""The beginning of the report of a task with one objective: what is best, how sure that is, and what it breaks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from autotuner import scoring
from autotuner.api.common import BOUNDARY_METRICS
from autotuner.api.experiment import Level
from autotuner.api.task_status import Best
from autotuner.policy.confirmation import finalists
from autotuner.policy.evidence.measurements import Measured
from autotuner.policy.recommendation import shared_accelerators
from autotuner.policy.recommendation.finished_task import FinishedTask
from autotuner.policy.recommendation.markdown import code, lines
from autotuner.scoring import slos
from autotuner.scoring.figures import figure_name, told

_VERDICTS = {
    "Improved": "Measured again in turns with the baseline, it is better: the gain is real.",
    "NoSignificantDifference": (
        "It is the best guess. Measured again in turns with the baseline, the difference to what runs today is within"
        " the noise, so changing is optional."
    ),
    "Unconfirmed": (
        "It was not measured again often enough to tell the gain from noise: of many noisy results the best one looks"
        " better than it is."
    ),
    "BaselineInfeasible": "What runs today does not keep the SLOs, so there is no gain to tell.",
    "BaselineFailed": "What runs today could not be measured, so there is no gain to tell.",
}
_STAYS = {
    "NoSignificantDifference": "Keep what runs today.",
    "Unconfirmed": "Keep what runs today; too little was measured to be sure that nothing is better.",
}
_AGAIN = " This one was measured well again."
_ONCE = " This one was measured well only once: measure it again before you use it."
# Beside the objective and the SLOs.
_ALWAYS = (("OutputThroughput", None), ("TTFT", None), ("TPOT", None))


def of(answer: FinishedTask, best: Best) -> Iterator[str]:
    """The lines of the summary."""
    yield f"# {answer.seen.object['metadata']['name']}: {_headline(answer, best)}"
    yield ""
    yield _stays(answer, best) if answer.stays else _found(answer, best)
    yield ""
    yield _confidence(answer, best)
    for paragraph in (shared_accelerators.sentence(answer.winners), _broken_soft(answer), _quality(best)):
        if paragraph:
            yield ""
            yield paragraph
    yield ""
    yield f"Arguments: {code(' '.join(best.args))}" if best.args else "Arguments: the runtime's own."
    if len(answer.seen.spec.benchmark.scenarios) > 1:
        yield ""
        yield from _scenarios(answer)


def _headline(answer: FinishedTask, best: Best) -> str:
    value = scoring.format_value(best.value, answer.objective.metric, answer.seen.spec.benchmark.ladder)
    if answer.stays:
        return f"the baseline stays, {value}"
    if best.gain_percent is None:
        return value
    return f"{value}, {scoring.over(best.gain_percent, 'the baseline')}"


def _found(answer: FinishedTask, best: Best) -> str:
    return f"`{best.experiment}` has the best {_what(answer)}{_keeping(answer)}, at {_where(answer, best)}."


def _stays(answer: FinishedTask, best: Best) -> str:
    """The lines that say why nothing else than the baseline is recommended."""
    stays = f"`{best.experiment}`, what runs today, stays"
    where = f" Its value is that of {_where(answer, best)}."
    tried = [one for one in answer.seen.tried if one.outcome is not None]
    if not tried:
        return f"{stays}: nothing but the baseline was measured.{where}"
    if not any(one.score is not None and one.score.feasible for one in tried):
        promises = scoring.hard(answer.seen.spec.slos or ())
        return f"{stays}: nothing else that was measured {'keeps the SLOs' if promises else 'gave a result'}.{where}"
    confirmation = answer.confirmation
    if confirmation is None or not confirmation.race.measured:
        return f"{stays}: nothing that was measured is better.{where}"
    rejected, rival = confirmation.decided.rejected, confirmation.race.favourite
    if rejected is None or rival is None:
        return f"{stays}: measured again, nothing else turned out to be better.{where}"
    figures = answer.figures(rival)
    value = f", {scoring.format_value(figures[0], answer.objective.metric)}" if figures else ""
    return (
        f"{stays}: measured again, nothing was better than it by more than the noise.{where} The best of the others is"
        f" `{rival.name}`{value}: its gain is {_between(rejected.low, rejected.high)} (95% interval)."
    )


def _confidence(answer: FinishedTask, best: Best) -> str:
    """The verdict in words, with its interval where there is one, and the repeats that failed."""
    found = best.confidence
    words = (_STAYS if answer.stays else _VERDICTS).get(found.verdict) or _VERDICTS.get(found.verdict, "")
    if found.verdict in ("BaselineInfeasible", "BaselineFailed"):
        words += _AGAIN if found.repeats else _ONCE
    if found.low is not None and found.high is not None:
        repeats = f", {found.repeats} repeats" if found.repeats else ""
        words += f" The gain is {_between(found.low, found.high)} (95% interval{repeats})."
    return f"Verdict **{found.verdict}**: {words}{_broken_repeats(answer)}"


def _broken_repeats(answer: FinishedTask) -> str:
    decided = answer.confirmation.decided if answer.confirmation else None
    if decided is None or not decided.broken:
        return ""
    promises = scoring.hard(answer.seen.spec.slos or ())
    return (
        f" Of its {decided.broken + decided.repeats} repeats, {decided.broken}"
        f" {'broke the SLOs or failed' if promises else 'failed'}."
    )


def _broken_soft(answer: FinishedTask) -> str:
    """The soft SLOs that the winner breaks, at the level that is shown."""
    gpus = answer.winners[0].accelerators if answer.winners else 1
    broken = scoring.broken_soft(_levels(answer), answer.seen.spec.slos or (), gpus)
    if not broken:
        return ""
    words = "; ".join(one.text for one in broken)
    return f"**Breaks soft SLOs**: {words}. What that costs is counted in the gain, not in the value."


def _quality(best: Best) -> str:
    if not best.numerics_changed:
        return ""
    flags = ", ".join(f"`{flag}`" for flag in best.numerics_changed)
    return (
        f"**Quality not measured**: {flags} differ from the baseline and change what the model answers. Evaluate its"
        " answers before you use this."
    )


def _scenarios(answer: FinishedTask) -> Iterator[str]:
    """The table of what each scenario measured at the level that counts."""
    spec = answer.seen.spec
    asked = [(one.metric, one.statistic) for one in (*spec.objectives, *(spec.slos or ()))]
    written = {figure_name(*each): each for each in (*asked, *_ALWAYS) if each[0] not in BOUNDARY_METRICS}
    gpus = answer.winners[0].accelerators if answer.winners else 1
    price = scoring.Goal.of(spec).gpu_hour_price
    weights = {scenario.name: scenario.weight for scenario in spec.benchmark.scenarios}
    rows = []
    for level in _levels(answer):
        figures = [(metric, scoring.figure(level, metric, each, gpus, price)) for metric, each in written.values()]
        cells = ["-" if figure is None else scoring.format_value(figure, metric) for metric, figure in figures]
        rows.append([level.scenario, f"{weights[level.scenario]:g}", *cells])
    yield from lines(["Scenario", "Weight", *written], rows)


def _levels(answer: FinishedTask) -> list[Level]:
    """The levels of the run that is shown: all scenarios at the concurrency or rate of the value."""
    best, winners = answer.best, answer.winners
    if best is None or not winners:
        return []
    runs = [
        _at(one, best)
        for one in answer.seen.measured
        if finalists.configuration_key(one) == finalists.configuration_key(winners[0])
    ]
    return min(runs, key=lambda levels: _distance(levels, best.metrics))


def _at(one: Measured, best: Best) -> list[Level]:
    return [level for level in one.status.levels or [] if level.offered == best.level.offered]


def _distance(levels: Sequence[Level], shown: Level) -> float:
    """How far a run is from the one that the status shows, whose figures are rounded."""
    same = (level for level in levels if level.scenario == shown.scenario)
    return min((abs(one.output_tokens_per_second - shown.output_tokens_per_second) for one in same), default=math.inf)


def _where(answer: FinishedTask, best: Best) -> str:
    scenarios = answer.seen.spec.benchmark.scenarios
    where = told(best.level.offered, best.level.rate is not None)
    if answer.objective.metric in BOUNDARY_METRICS and best.value > best.level.offered:
        # The value lies between two levels.
        return f"the first broken SLO (all other figures are those of {where}, the last level within)"
    if len(scenarios) == 1:
        return f"scenario {best.level.scenario}, {where}"
    weighted = ", ".join(f"{one.name} ({one.weight:g})" for one in scenarios)
    return f"{where}, weighted over scenarios {weighted}"


def _keeping(answer: FinishedTask) -> str:
    promises = answer.seen.spec.slos or ()
    if not scoring.hard(promises):
        return ""
    return " that keeps the hard SLOs" if slos.soft(promises) else " that keeps the SLOs"


def _what(answer: FinishedTask) -> str:
    return figure_name(answer.objective.metric, answer.objective.statistic)


def _between(low: float, high: float) -> str:
    return f"between {scoring.format_gain(low)} and {scoring.format_gain(high)}"
