"""Why this is the answer, for people: Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from autotuner import scoring
from autotuner.api.goals import Objective
from autotuner.api.task_status import Best
from autotuner.policy.conditions import shorten
from autotuner.policy.explain import effects, values
from autotuner.policy.explain.answer import Answer
from autotuner.policy.explain.effects import FlagEffect
from autotuner.scoring import slos
from autotuner.scoring.figures import name as metric_name
from autotuner.search import importance

_CELL_MAX = 200
_VERDICTS = {
    "Improved": "Measured again in turns with the baseline, it is better: the gain is real.",
    "NoSignificantDifference": (
        "Measured again in turns with the baseline, the difference is within the noise: do not change what runs today"
        " for its sake."
    ),
    "Unconfirmed": (
        "It was not measured again often enough to tell the gain from noise: of many noisy results the best one looks"
        " better than it is."
    ),
    "BaselineInfeasible": "What runs today does not keep the SLOs, so there is no gain to tell.",
    "BaselineFailed": "What runs today could not be measured, so there is no gain to tell.",
}
_AGAIN = " This one was measured well again."
_ONCE = " This one was measured well only once: measure it again before you use it."


def text(answer: Answer, left_out: int) -> str:
    """The report.

    Args:
        answer: the end of the task.
        left_out: experiments that `experiments.csv` does not hold.
    """
    parts = [
        _best(answer, answer.best) if answer.best else _front(answer),
        _winners_flags(answer),
        _importance(answer),
        _best_per_value(answer),
        _experiments(answer, left_out),
    ]
    return "\n\n".join("\n".join(part) for part in map(list, parts) if part) + "\n"


def _best(answer: Answer, best: Best) -> Iterator[str]:
    metric = answer.objective.metric
    gain = f", {best.gain} over the baseline" if best.gain else ""
    yield f"# {answer.seen.object['metadata']['name']}: {scoring.format_value(best.value, metric)}{gain}"
    yield ""
    what = _objective(answer)
    at = f"scenario {best.level.scenario}, concurrency {best.level.concurrency}"
    yield f"`{best.experiment}` has the best {what} that keeps the SLOs, at {at}."
    yield ""
    yield _confidence(best)
    if best.numerics_changed:
        flags = ", ".join(f"`{flag}`" for flag in best.numerics_changed)
        yield ""
        yield (
            f"**Quality not measured**: {flags} differ from the baseline and change what the model answers. Evaluate"
            " its answers before you use this."
        )
    yield ""
    yield f"Arguments: `{' '.join(best.args)}`" if best.args else "Arguments: the runtime's own."


def _confidence(best: Best) -> str:
    """The verdict in words, with its interval where there is one."""
    found = best.confidence
    words = _VERDICTS.get(found.verdict, "")
    if found.verdict in ("BaselineInfeasible", "BaselineFailed"):
        words += _AGAIN if found.repeats else _ONCE
    interval = ""
    if found.low is not None and found.high is not None:
        interval = f" The gain is between {found.low:+.1f} % and {found.high:+.1f} % (95 % interval"
        interval += f", {found.repeats} repeats)." if found.repeats else ")."
    return f"Verdict **{found.verdict}**: {words}{interval}"


def _front(answer: Answer) -> Iterator[str]:
    objectives = answer.seen.spec.objectives
    count = len(answer.front or ())
    name = answer.seen.object["metadata"]["name"]
    yield f"# {name}: {count} configurations to choose from" if count > 1 else f"# {name}: one configuration"
    yield ""
    if count > 1:
        yield "None of all that was measured beats one of these in every objective. They were measured once."
    else:
        yield "Nothing else that was measured is better in any objective. It was measured once."
    yield ""
    heads = _headings(objectives, scoring.Goal.of(answer.seen.spec))
    rows = [
        [
            point.experiment,
            *(scoring.format_value(value.value, value.metric) for value in point.values),
            f"`{' '.join(point.args)}`",
        ]
        for point in answer.front or ()
    ]
    yield from _table(["Experiment", *heads, "Arguments"], rows)


def _headings(objectives: Sequence[Objective], goal: scoring.Goal) -> list[str]:
    """One for each objective; those of the same figure tell their concurrencies."""
    names = [metric_name(one.metric, one.statistic) for one in objectives]
    return [
        f"{name} at {goal.judged_at(one)}" if names.count(name) > 1 else name
        for name, one in zip(names, objectives, strict=True)
    ]


def _winners_flags(answer: Answer) -> Iterator[str]:
    for winner in answer.winners if answer.best else ():
        yield "## What its flags do"
        yield ""
        found = effects.of(answer, winner)
        if not found:
            yield "It has the baseline's values: nothing that was measured is better than what runs today."
            return
        counted = ", with what broken soft SLOs cost" if slos.soft(answer.seen.spec.slos or ()) else ""
        yield f"The change of {_objective(answer)}{counted}; positive is better."
        yield ""
        yield from _table(
            ["Parameter", "Value", "Baseline", "Effect", "How it is known"], [_effect_row(one) for one in found]
        )


def _effect_row(one: FlagEffect) -> Sequence[str]:
    before = one.before or "the engine's default"
    if one.percent is None:
        return [one.name, one.value, before, "unknown", "too little was measured"]
    gain = scoring.format_gain(one.percent)
    if one.source == "Measured":
        return [one.name, one.value, before, gain, f"measured: {one.pair} differs in this only"]
    how = "estimated by the additive model"
    if one.compared == "average":
        how += ", compared with the average of the values searched"
    return [one.name, one.value, before, f"{gain} ± {one.margin:.1f}", how]


def _importance(answer: Answer) -> Iterator[str]:
    yield "## Which parameters matter"
    yield ""
    if not answer.importance:
        yield "Too few experiments gave a value to tell."
        return
    rest = max(0.0, 1 - sum(one.share for one in answer.importance))
    yield f"Each parameter's share of the variance of {_objective(answer)}, by the {importance.METHOD}."
    yield ""
    rows = [[one.name, f"{one.share * 100:.1f} %"] for one in answer.importance]
    yield from _table(["Parameter", "Share"], [*rows, ["interaction and noise", f"{rest * 100:.1f} %"]])


def _best_per_value(answer: Answer) -> Iterator[str]:
    yield "## The best with each value"
    yield ""
    metric = answer.objective.metric
    kept = "Keep the SLOs" if scoring.hard(answer.seen.spec.slos or ()) else "Gave a result"
    yield from _table(
        ["Parameter", "Value", "Tried", kept, "Stopped early", f"Best {_objective(answer)}", "Experiment"],
        (
            [
                *(row.name, row.value, str(row.tried), str(row.feasible), str(row.stopped)),
                *("-" if row.best is None else scoring.format_value(row.best, metric), row.experiment or "-"),
            ]
            for row in values.rows(answer)
        ),
    )


def _experiments(answer: Answer, left_out: int) -> Iterator[str]:
    count = len(answer.seen.measured)
    yield "## All experiments"
    yield ""
    yield f"`experiments.csv` holds {count - left_out} of {count} experiments; figures are in seconds and per second."
    if left_out:
        name = answer.seen.object["metadata"]["name"]
        yield ""
        yield (
            f"The other {left_out} do not fit into a ConfigMap; see"
            f" `kubectl get tuningexperiments -l autotuner.io/task={name}`."
        )


def _objective(answer: Answer) -> str:
    return metric_name(answer.objective.metric, answer.objective.statistic)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield _line(heads)
    yield _line(["---"] * len(heads))
    for row in rows:
        yield _line(row)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(shorten(" ".join(cell.split()), _CELL_MAX).replace("|", "\\|") for cell in cells) + " |"
