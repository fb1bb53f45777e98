"""The plot of the best so far, with the verdict's interval at its end."""

from __future__ import annotations

from typing import Literal

from markupsafe import Markup

from autotuner.html_report import best_over_time, scales
from autotuner.html_report.best_over_time import Step
from autotuner.html_report.drawing import BOTTOM, LEFT, RIGHT, TOP, Axis, Drawing
from autotuner.html_report.report_data import Figure, ReportData

_MARKED_MAX = 200  # more experiments are dots without words


def draw(data: ReportData, over: Literal["experiments", "hours"]) -> Markup | None:
    """The plot over experiments or accelerator-hours; None where nothing was measured, or no accelerator was held."""
    steps = best_over_time.steps(data)
    values = [step.value for step in steps if step.value is not None]
    if not values or (over == "hours" and not steps[-1].hours):
        return None
    wanted = Figure(data.objectives[0].metric, data.objectives[0].statistic)
    best = data.status.best
    span = best_over_time.interval(data)
    shown = [*values, *([best.value] if best else []), *(span or ())]
    up = scales.linear(shown, BOTTOM, TOP)
    places = [_across(step, over) for step in steps]
    across = scales.linear(places, LEFT, RIGHT - 24, from_zero=True)
    label = "GPU-hours" if over == "hours" else "experiments that ended"
    summary = f"The best so far went from {wanted.told(values[0])} to {wanted.told(_last_best(steps))}."
    drawing = Drawing(f"Best {wanted.name} so far over {label}", summary)
    told = (lambda value: f"{value:.3g}") if over == "hours" else (lambda value: f"{value:.0f}")
    drawing.frame(Axis(across, label, told), Axis(up, wanted.axis, wanted.tick))
    drawing.line(
        "series best-line",
        [(across.at(_across(step, over)), up.at(step.best)) for step in steps if step.best is not None],
        steps=True,
    )
    for step in steps if len(steps) <= _MARKED_MAX else ():
        if step.value is not None:
            kind = _kind(step, data)
            title = f"{step.run.name}: {wanted.told(step.value)}"
            drawing.mark(kind, across.at(_across(step, over)), up.at(step.value), title)
    if len(steps) > _MARKED_MAX:
        drawing.dots("", [(across.at(_across(s, over)), up.at(s.value)) for s in steps if s.value is not None])
    if best is not None:
        _verdict(drawing, up.at(best.value), [up.at(end) for end in span or ()], wanted.told(best.value))
    return drawing.markup


def _across(step: Step, over: str) -> float:
    return step.hours if over == "hours" else float(step.number)


def _last_best(steps: list[Step]) -> float:
    return next(step.best for step in reversed(steps) if step.best is not None)


def _kind(step: Step, data: ReportData) -> str:
    if data.status.best and step.run.name == data.status.best.experiment:
        return "best"
    return "baseline" if step.run.is_baseline else "other"


def _verdict(drawing: Drawing, value: float, ends: list[float], words: str) -> None:
    """The value of the status and the interval of its gain, at the right end."""
    x = RIGHT - 10
    if ends:
        low, high = ends
        drawing.add(
            "path", "interval", title="95% interval of the gain", d=f"M{x - 5:g} {low:g}h10m-5 0V{high:g}m-5 0h10"
        )
    drawing.mark("best", x, value, f"the verdict: {words}")
