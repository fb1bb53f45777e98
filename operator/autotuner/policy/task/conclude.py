"""The end of a task: its best for the status, and its last plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from autotuner import engines, scoring
from autotuner.api.task_status import BaselineResult, Best, FrontPoint, Recommendation
from autotuner.policy import recommendation
from autotuner.policy.events import Event
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.recommendation import broken_slos, quality_warning, shared_accelerators
from autotuner.policy.task import best_so_far, confirmed_best, status_message
from autotuner.policy.task.plan import PlanBuilder, TaskPlan


@dataclass(frozen=True)
class SearchEnd:
    """Why a search is over.

    Attributes:
        reason: of the end of the task, if it succeeds.
        limit: which part of the budget has ended it, in words; empty if none has.
        idle: why it ended although there was something left to measure, in words; empty if that was not chosen.
    """

    reason: Literal["Completed", "SpaceExhausted", "BudgetExhausted"]
    limit: str = ""
    idle: str = ""

    @property
    def words(self) -> str:
        """Why it ended before its time; empty if it did not."""
        return self.limit or self.idle

    def cut(self, limit: str) -> SearchEnd:
        """The end once the budget has ended the confirmation too."""
        return SearchEnd("BudgetExhausted", self.limit or limit, self.idle)


def record_best(builder: PlanBuilder) -> Best | None:
    """Put the best so far and the baseline into the status."""
    seen, objectives = builder.seen, builder.seen.spec.objectives
    several = len(objectives) > 1
    best = None if several else best_so_far.best(seen.measured, seen.baseline, objectives[0])
    front = best_so_far.front(seen.measured, objectives) if several else None
    builder.changes |= {"best": with_numerics(seen, best), "front": front, "baseline": _baseline(seen)}
    return best


def with_numerics(seen: ObservedTask, best: Best | None) -> Best | None:
    """Note which flags of the best may have changed what the model answers."""
    # Without a best the experiments may be unreadable: they are read by the space of a spec that is valid.
    if best is None or (baseline := seen.baseline) is None:
        return best
    changed = quality_warning.changed(engines.get(seen.engine), best.args, baseline.spec.service.args)
    return best.model_copy(update={"numerics_changed": changed or None})


def finish(builder: PlanBuilder, end: SearchEnd, verdict: str = "") -> TaskPlan:
    """The plan once all is measured, or all that the budget allows: name the best, or what came nearest.

    Args:
        builder: of the reconcile.
        end: why the search is over.
        verdict: of the confirmation, in words; what came nearest, if nothing is left after it.
    """
    seen, best, front = builder.seen, builder.changes["best"], builder.changes["front"]
    if best is None and front is None:
        cause = "BudgetExhausted" if end.limit else "NoFeasibleConfiguration"
        why = (verdict or status_message.nearest(seen.measured), end.idle, end.limit)
        return builder.end(False, cause, "; ".join(filter(None, why)))
    searched = _searched(seen, end)
    if best is None:
        words = f"none beats these in every objective: {_names(seen, front)} (status.front); {searched}"
        return _recommend(builder, end.reason, words)
    today = builder.changes["baseline"]
    lead = "the baseline stays: " if best_so_far.is_today(best, today) else "best "
    # Where nothing else was measured there is nothing to be confirmed either.
    verdict = (verdict or confirmed_best.without_repeats(best, seen.baseline)) if seen.tried else ""
    every = [
        f"{lead}{status_message.best_in_words(best, today, seen.spec)}",
        _ladder_advice(seen, best),
        verdict,
        searched,
    ]
    return _recommend(builder, end.reason, "; ".join(filter(None, every)))


def _names(seen: ObservedTask, front: Sequence[FrontPoint]) -> str:
    """The experiments of the front, with what doubt there is about all of them."""
    names = [one.experiment for one in front]
    sharing = next((one.status.accelerator_sharing for one in seen.measured if one.name in names), None)
    return " ".join(filter(None, (", ".join(names), shared_accelerators.words(sharing))))


def _recommend(builder: PlanBuilder, reason: str, message: str) -> TaskPlan:
    """End with success, and write what there is to apply and why."""
    seen = builder.seen
    finished = recommendation.FinishedTask(seen, builder.changes["best"], builder.changes["front"], builder.now)
    builder.changes["importance"] = finished.importance or None
    if obstacle := seen.recommendation_obstacle:
        builder.events.append(Event("Warning", "RecommendationNotWritten", obstacle))
        return builder.end(True, reason, f"{message}; {obstacle}")
    builder.changes["recommendation"] = Recommendation(config_map=recommendation.name(seen.object))
    return builder.end(True, reason, message, write_recommendation=recommendation.config_map(finished))


def _ladder_advice(seen: ObservedTask, best: Best) -> str:
    """The advice where the best is at the end of the ladder, and others may be too: nobody knows which is better."""
    benchmark = seen.spec.benchmark
    metric, ladder = seen.spec.objectives[0].metric, benchmark.ladder
    if not scoring.saturated(best.value, metric, ladder):
        return ""
    known = [one.value for one in seen.measured if not one.is_repeat and one.score is not None and one.score.feasible]
    count = sum(scoring.saturated(value, metric, ladder) for value in known)
    equal = f", and {count} of {len(known)} configurations reach it" if count > 1 else ""
    field = "rate" if benchmark.open_loop else "concurrency"
    if benchmark.search:
        return f"the search ends there{equal}: raise benchmark.{field}Search.max"
    more = "rates to benchmark.rates" if benchmark.open_loop else "concurrencies to benchmark.concurrency"
    return f"the ladder ends there{equal}: add higher {more}"


def _searched(seen: ObservedTask, end: SearchEnd) -> str:
    """The words for how much was measured, and for what ended the search before its time."""
    if not seen.tried:
        why = end.words or "nothing else is to be measured"
        return f"nothing but the baseline was measured: {why}"
    count = len(seen.search)
    counted = end.idle or f"{count} experiment{'s' if count != 1 else ''}"
    searched = "the whole space was measured" if end.reason == "SpaceExhausted" else counted
    if seen.reused:
        searched += f", {seen.reused} of others reused"
    return f"{searched}; {end.limit}" if end.limit else searched


def _baseline(seen: ObservedTask) -> BaselineResult | None:
    if seen.baseline is None:
        return None
    score = seen.baseline.score
    value, breaks = (score.value if score else None), broken_slos.broken([seen.baseline])
    return BaselineResult(experiment=seen.baseline.name, value=value, breaks=breaks)
