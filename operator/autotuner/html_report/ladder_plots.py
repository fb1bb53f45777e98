"""The ladders of winner and baseline, each with its repeats."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from autotuner.html_report import scales
from autotuner.html_report.drawing import BOTTOM, LEFT, RIGHT, TOP, Axis, Drawing
from autotuner.html_report.report_data import Figure, ReportData
from autotuner.policy.evidence.measurements import Measured

_Place = tuple[float, float]


def shown(data: ReportData) -> list[tuple[str, Measured]]:
    """Whose ladders are drawn: the baseline, and the best or up to two of the front that are not it."""
    found = [("baseline", data.baseline)] if data.baseline else []
    others = [run for run in data.winners if run is not data.baseline][:1]
    return [(kind, run) for kind, run in [*found, *(("best", run) for run in others)] if run is not None]


def draw(data: ReportData, wanted: Figure, scenario: str) -> Markup | None:
    """The ladders of a figure in a scenario; None where neither was measured."""
    lines = [(kind, run, _ladder(data, [run], wanted, scenario)) for kind, run in shown(data)]
    again = [(kind, _ladder(data, data.repeats(run), wanted, scenario)) for kind, run in shown(data)]
    every = [place for _, _, places in lines for place in places] + [place for _, places in again for place in places]
    if not every:
        return None
    limits = data.limits(wanted)
    across = scales.of_ladder([offered for offered, _ in every], LEFT, RIGHT)
    up = scales.linear([*(figure for _, figure in every), *(one for one, _ in limits)], BOTTOM, TOP, from_zero=True)
    offered = "requests per second" if data.open_loop else "users at the same time"
    summary = f"{sum(len(places) for _, places in again)} repeats are shown beside the ladders."
    drawing = Drawing(f"{wanted.name} over {offered}, scenario {scenario}, of baseline and best", summary)
    drawing.frame(Axis(across, offered, lambda value: f"{value:g}"), Axis(up, wanted.axis, wanted.tick))
    for limit, words in limits:
        drawing.limit(words, y=up.at(limit))
    for kind, _, places in lines:
        drawing.line(f"series {kind}-line", [(across.at(x), up.at(y)) for x, y in places])
    for kind, places in again:
        for x, y in places:
            drawing.mark(
                f"again again-{kind}", across.at(x), up.at(y), f"repeat of the {kind}: {wanted.told(y)} at {x:g}"
            )
    for kind, run, places in lines:
        for x, y in places:
            drawing.mark(kind, across.at(x), up.at(y), f"{run.name}: {wanted.told(y)} at {x:g}")
    return drawing.markup


def _ladder(data: ReportData, runs: Sequence[Measured], wanted: Figure, scenario: str) -> list[_Place]:
    """What is offered and the figure there, by what is offered."""
    found = [
        (level.offered, data.figure(run, level, wanted))
        for run in runs
        for level in run.status.levels or ()
        if level.scenario == scenario
    ]
    return sorted((offered, figure) for offered, figure in found if figure is not None and offered > 0)
