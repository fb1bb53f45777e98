"""The timeline: when each experiment waited, pulled, started, measured and released."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from markupsafe import Markup

from autotuner.html_report import scales
from autotuner.html_report.drawing import LEFT, RIGHT, WIDTH, Drawing
from autotuner.html_report.report_data import ReportData
from autotuner.html_report.stages import STAGES, Span
from autotuner.policy.evidence.measurements import Measured

_TOP, _LANE, _BAR = 8.0, 26.0, 16.0
_LEFT = 44.0
_ROWS_MAX = 60  # of experiments with a row of their own
_TITLED_MAX = 150
_LANES_MAX = 40

_Timed = tuple[Measured, list[Span]]


def draw(data: ReportData) -> Markup | None:
    """The timeline; None where no times are known. Few experiments have a row each, more share rows."""
    timed = sorted(data.spans, key=lambda one: one[1][0].start)
    if not timed:
        return None
    begin = timed[0][1][0].start
    end = max(found[-1].end for _, found in timed)
    hours = max((end - begin).total_seconds() / 3600, 1e-6)
    rows = [[one] for one in timed] if len(timed) <= _ROWS_MAX else _lanes(timed)[:_LANES_MAX]
    lane = _LANE if len(rows) <= 12 else 13.0
    height = _TOP + lane * len(rows) + 44
    bottom = _TOP + lane * len(rows)
    scale = scales.linear([0.0, hours], _LEFT if len(timed) <= _ROWS_MAX else LEFT - 40, RIGHT, from_zero=True)
    drawing = Drawing(
        f"{len(timed)} experiments over {hours:.2g} hours", "The table says how long each stage took.", height
    )
    for tick in scale.ticks:
        x = scale.at(tick)
        drawing.add("path", "grid", d=f"M{x:g} {_TOP:g}V{bottom:g}")
        drawing.add("text", "tick middle", f"{tick:g}", x=x, y=bottom + 18)
    drawing.add("text", "label middle", "hours since the first experiment", x=WIDTH / 2, y=bottom + 38)
    paths: dict[str, list[str]] = {stage: [] for stage in STAGES}
    for number, row in enumerate(rows):
        y = _TOP + lane * (number + 0.5)
        if len(timed) <= _ROWS_MAX:
            drawing.add("text", "tick end", f"{row[0][0].index}", title=row[0][0].name, x=_LEFT - 6, y=y + 4)
        for run, found in row:
            _bars(drawing, paths, run, found, y, min(_BAR, lane - 3), scale, begin, titled=len(timed) <= _TITLED_MAX)
    for stage, parts in paths.items():
        if parts:
            drawing.add("path", f"stage {stage}", d="".join(parts))
    return drawing.markup


def _bars(
    drawing: Drawing,
    paths: dict[str, list[str]],
    run: Measured,
    found: Sequence[Span],
    y: float,
    height: float,
    scale: scales.Scale,
    begin: datetime,
    *,
    titled: bool,
) -> None:
    for span in found:
        left = scale.at((span.start - begin).total_seconds() / 3600)
        width = scale.at((span.end - begin).total_seconds() / 3600) - left
        if titled:
            width = max(0.4, width)
            title = f"{run.name}: {span.stage} {span.seconds:.0f} s"
            drawing.add(
                "rect", f"stage {span.stage}", title=title, x=left, y=y - height / 2, width=width, height=height
            )
        elif width > 0:
            paths[span.stage].append(f"M{left:g} {y - height / 2:g}h{width:.1f}v{height:g}h-{width:.1f}z")


def _lanes(timed: Sequence[_Timed]) -> list[list[_Timed]]:
    """Rows in which nothing overlaps; as many as ran at the same time."""
    rows: list[list[_Timed]] = []
    for one in timed:
        free = next((row for row in rows if row[-1][1][-1].end <= one[1][0].start), None)
        if free is None:
            rows.append([one])
        else:
            free.append(one)
    return rows
