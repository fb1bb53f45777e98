"""What each of the winner's flags does, compared with the baseline's value of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from autotuner import engines, scoring
from autotuner.engines.arguments import Value, text
from autotuner.kubernetes_object import content
from autotuner.policy import model_and_runtime
from autotuner.policy.evidence.baseline_flag_values import UNSET, BaselineValues
from autotuner.policy.evidence.measurements import Measured
from autotuner.policy.recommendation.finished_task import FinishedTask
from autotuner.search import main_effects

EffectSource = Literal["Measured", "Estimated", "Unknown"]


@dataclass(frozen=True)
class FlagEffect:
    """One flag of the winner and what it does.

    Attributes:
        name: of the parameter.
        value: of the winner, as written; `unset` without one.
        before: of the baseline; empty if the baseline leaves it to the engine.
        compared: with the baseline's value, or with the average of the values searched, if that is not one of them.
        source: Measured: two experiments differ in this only; Estimated: by the additive model; Unknown: neither.
        percent: the gain in the first objective, with what broken soft SLOs cost; positive is better.
        margin: half of the 95 % interval of an estimate, in percent.
        pair: the experiment that a measured one is compared with.
    """

    name: str
    value: str
    before: str
    source: EffectSource
    compared: Literal["baseline", "average"] = "baseline"
    percent: float | None = None
    margin: float | None = None
    pair: str = ""


def of(answer: FinishedTask, winner: Measured) -> list[FlagEffect]:
    """The parameters in which the winner differs from the baseline, in the order of the space."""
    seen = answer.seen
    if winner.configuration is None or winner.is_baseline:
        return []
    env = seen.spec.runtime.env
    command = model_and_runtime.engine_template(seen.backend, content(seen.runtime), env).command
    today = seen.baseline.spec.service if seen.baseline else None
    args, env = (today.args, today.env or []) if today else ([], [])
    reference = BaselineValues(engines.get(seen.engine), args, command, env, seen.spec.parameters)
    found = []
    for number, place in enumerate(seen.space.places(winner.configuration)):
        dimension = seen.space.dimensions[number]
        value = dimension.values[place] if place >= 0 else None
        said, before = _said(value), reference.of(dimension)
        if said != before:
            measured = _measured(answer, winner, reference, number, before)
            found.append(measured or _estimated(answer, winner, number, before))
    return found


def _measured(
    answer: FinishedTask, winner: Measured, reference: BaselineValues, number: int, before: str | None
) -> FlagEffect | None:
    """The effect measured by an experiment that differs from the winner in one parameter only, maybe the baseline."""
    assert winner.configuration is not None, "the baseline has no parameters"
    dimension = answer.seen.space.dimensions[number]
    percent, pair = None, ""
    baseline, service = answer.seen.baseline, winner.spec.service
    if baseline and reference.differs_only_in(dimension, service.args, service.env or []):
        percent, pair = _over_baseline(answer, winner), baseline.name
    if percent is None and before is not None:
        percent, pair = _over_other(answer, winner, number, before)
    if percent is None:
        return None
    value = _said(winner.configuration.get(dimension.name))
    return FlagEffect(dimension.name, value, before or "", "Measured", percent=percent, pair=pair)


def _over_baseline(answer: FinishedTask, winner: Measured) -> float | None:
    """The effect of a flag that is the whole difference: the gain, which the confirmation knows best."""
    if answer.best is not None and answer.best.experiment == winner.name and answer.best.gain_percent is not None:
        return answer.best.gain_percent
    return scoring.gain_percent(_worth(answer, winner), answer.today, answer.objective.metric)


def _over_other(answer: FinishedTask, winner: Measured, number: int, before: str) -> tuple[float | None, str]:
    """The gain over the configuration that has the baseline's value of one parameter, and who measured it."""
    space, configuration = answer.seen.space, winner.configuration
    dimension = space.dimensions[number]
    place = dimension.unset if before == UNSET else dimension.positions.get(before)
    if place is None or configuration is None:
        return None, ""
    places = list(space.places(configuration))
    places[number] = place
    other = space.build(places)
    if other is None:
        return None, ""
    identity = space.identity(other)
    theirs = answer.worths.get(identity)
    pair = next((one.name for one in answer.seen.measured if _is(one, identity, answer)), "")
    return scoring.gain_percent(_worth(answer, winner), theirs, answer.objective.metric), pair


def _worth(answer: FinishedTask, winner: Measured) -> float | None:
    assert winner.configuration is not None, "the baseline has no parameters"
    return answer.worths.get(answer.seen.space.identity(winner.configuration))


def _is(one: Measured, identity: str, answer: FinishedTask) -> bool:
    """Whether an experiment measured this configuration."""
    if one.configuration is None or one.score is None or not one.score.feasible:
        return False
    return answer.seen.space.identity(one.configuration) == identity


def _estimated(answer: FinishedTask, winner: Measured, number: int, before: str | None) -> FlagEffect:
    space, model = answer.seen.space, answer.model
    assert winner.configuration is not None, "the baseline has no parameters"
    dimension, after = space.dimensions[number], space.places(winner.configuration)[number]
    value = _said(winner.configuration.get(dimension.name))
    place = dimension.unset if before == UNSET else dimension.positions.get(before or "")
    if model is None or not model.knows(number, after):
        return FlagEffect(dimension.name, value, before or "", "Unknown")
    effect = model.over_average(number, after) if place is None else model.change(number, place, after)
    percent, margin = _percent(effect, scoring.minimised(answer.objective.metric))
    compared: Literal["baseline", "average"] = "average" if place is None else "baseline"
    return FlagEffect(dimension.name, value, before or "", "Estimated", compared, percent, margin)


def _percent(effect: main_effects.MainEffect, minimise: bool) -> tuple[float, float]:
    """The gain and half of its 95 % interval."""
    sign = -100.0 if minimise else 100.0
    return sign * effect.change + 0.0, 100.0 * (1 + effect.change) * math.expm1(1.96 * effect.deviation)


def _said(value: Value | None) -> str:
    return UNSET if value is None else text(value)
