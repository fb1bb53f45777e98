"""The report in Markdown: why this is the answer, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autotuner import scoring
from autotuner.policy.recommendation import best_per_value, flag_effects, markdown, shared_accelerators, summary
from autotuner.policy.recommendation.finished_task import FinishedTask
from autotuner.policy.recommendation.flag_effects import FlagEffect
from autotuner.scoring import slos
from autotuner.scoring.figures import figure_name
from autotuner.search import main_effects

_MARGIN_MAX = 1000  # per cent; beyond it nothing is known


def text(answer: FinishedTask, left_out: int) -> str:
    """The report in Markdown.

    Args:
        answer: the end of the task.
        left_out: experiments that `experiments.csv` does not hold.
    """
    parts = [
        summary.of(answer, answer.best) if answer.best else _front(answer),
        _winners_flags(answer),
        _importance(answer),
        _best_per_value(answer),
        _experiments(answer, left_out),
    ]
    return "\n\n".join("\n".join(part) for part in map(list, parts) if part) + "\n"


def _front(answer: FinishedTask) -> Iterator[str]:
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
    soft = ["Broken soft SLOs"] if slos.soft(answer.seen.spec.slos or ()) else []
    heads = [*(figure_name(one.metric, one.statistic) for one in objectives), *soft]
    broken = {one.name: one.score.broken_soft for one in answer.winners if one.score is not None}
    rows = [
        [
            point.experiment,
            *(f"{scoring.format_value(one.value, one.metric)} at {one.offered:g}" for one in point.values),
            *("; ".join(one.text for one in broken.get(point.experiment, ())) or "-" for _ in soft),
            markdown.code_cell(" ".join(point.args)),
        ]
        for point in answer.front or ()
    ]
    offered = "requests per second" if answer.seen.spec.benchmark.open_loop else "number of users"
    yield f"Each value is told with the {offered} at which it was measured."
    yield ""
    yield from markdown.lines(["Experiment", *heads, "Arguments"], rows)
    if sharing := shared_accelerators.sentence(answer.winners):
        yield ""
        yield sharing


def _winners_flags(answer: FinishedTask) -> Iterator[str]:
    for winner in answer.winners if answer.best else ():
        yield "## What its flags do"
        yield ""
        found = flag_effects.of(answer, winner)
        if not found:
            yield "None: it has the baseline's values."
            return
        counted = ", with what broken soft SLOs cost" if slos.soft(answer.seen.spec.slos or ()) else ""
        yield f"The change of {_objective(answer)}{counted}; positive is better."
        yield ""
        yield from markdown.lines(
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
    margin = f"{one.margin:.1f}" if one.margin is not None and one.margin < _MARGIN_MAX else f"over {_MARGIN_MAX}"
    return [one.name, one.value, before, f"{gain} ± {margin}", how]


def _importance(answer: FinishedTask) -> Iterator[str]:
    yield "## Which parameters matter"
    yield ""
    if not answer.importance:
        yield "Too few experiments gave a value to tell."
        return
    rest = max(0.0, 1 - sum(one.share for one in answer.importance))
    yield f"Each parameter's share of the variance of {_objective(answer)}, by the {main_effects.METHOD}."
    yield ""
    rows = [[one.name, f"{one.share * 100:.1f}%"] for one in answer.importance]
    yield from markdown.lines(["Parameter", "Share"], [*rows, ["interaction and noise", f"{rest * 100:.1f}%"]])


def _best_per_value(answer: FinishedTask) -> Iterator[str]:
    yield "## The best with each value"
    yield ""
    metric = answer.objective.metric
    promises = answer.seen.spec.slos or ()
    kept = "Keep the SLOs" if scoring.hard(promises) else "Gave a result"
    kept = "Keep the hard SLOs" if scoring.hard(promises) and slos.soft(promises) else kept
    yield from markdown.lines(
        ["Parameter", "Value", "Tried", kept, "Stopped early", f"Best {_objective(answer)}", "Experiment"],
        (
            [
                *(row.name, row.value, str(row.tried), str(row.feasible), str(row.stopped)),
                *("-" if row.best is None else scoring.format_value(row.best, metric), row.experiment or "-"),
            ]
            for row in best_per_value.rows(answer)
        ),
    )


def _experiments(answer: FinishedTask, left_out: int) -> Iterator[str]:
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


def _objective(answer: FinishedTask) -> str:
    return figure_name(answer.objective.metric, answer.objective.statistic)
