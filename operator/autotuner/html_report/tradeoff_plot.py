"""The plot of throughput against a latency: every experiment and level, the SLOs, the front, baseline and winner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from autotuner import scoring
from autotuner.api.experiment import Level
from autotuner.html_report import scales
from autotuner.html_report.drawing import BOTTOM, LEFT, RIGHT, TOP, Axis, Drawing
from autotuner.html_report.report_data import Figure, ReportData
from autotuner.policy.evidence.measurements import Measured
from autotuner.scoring.figures import place

_MARKED_MAX = 400  # more levels are dots without words


@dataclass(frozen=True)
class Point:
    """One level of one experiment.

    Attributes:
        run: the experiment.
        level: of it.
        latency: in seconds.
        throughput: in SI units.
        kept: it is known to break no hard SLO.
    """

    run: Measured
    level: Level
    latency: float
    throughput: float
    kept: bool


def draw(data: ReportData, latency: Figure, scenario: str) -> Markup | None:
    """The plot of a latency in a scenario; None where it was never measured."""
    points = list(_points(data, latency, scenario))
    if not points:
        return None
    front = _front([point for point in points if point.kept])
    limits = data.limits(latency)
    floors = data.limits(data.throughput)
    x = scales.logarithmic([*(point.latency for point in points), *(one for one, _ in limits)], LEFT, RIGHT)
    y = scales.linear(
        [*(point.throughput for point in points), *(one for one, _ in floors)], BOTTOM, TOP, from_zero=True
    )
    kept = sum(point.kept for point in points)
    summary = f"{len(points)} levels, of which {kept} keep the hard SLOs; {len(front)} are on the front."
    drawing = Drawing(f"{data.throughput.name} against {latency.name}, scenario {scenario}", summary)
    drawing.frame(
        Axis(x, f"{latency.name} (logarithmic)", latency.tick), Axis(y, data.throughput.axis, data.throughput.tick)
    )
    for limit, words in limits:
        drawing.limit(words, x=x.at(limit))
    for limit, words in floors:
        drawing.limit(words, y=y.at(limit))
    drawing.line("series front-line", [(x.at(one.latency), y.at(one.throughput)) for one in front], steps=True)
    places = [(point, x.at(point.latency), y.at(point.throughput)) for point in points]
    if len(points) > _MARKED_MAX:
        drawing.dots("", [(across, up) for point, across, up in places if point.kept])
        drawing.dots("dots-broken", [(across, up) for point, across, up in places if not point.kept])
    for run, kind in _lines(data):
        own = sorted((one for one in places if one[0].run is run), key=lambda one: one[0].level.offered)
        drawing.line(f"series {kind}-line", [(across, up) for _, across, up in own])
    shown = {run.name: kind for run, kind in _lines(data)}
    for point, across, up in places:
        kind = shown.get(point.run.name, "other" if point.kept else "broken")
        if len(points) <= _MARKED_MAX or point.run.name in shown:
            drawing.mark(kind, across, up, _words(point, latency, data.throughput))
    return drawing.markup


def _points(data: ReportData, latency: Figure, scenario: str) -> Iterator[Point]:
    for run in data.runs:
        for level in run.status.levels or () if not run.drift else ():
            seconds, throughput = data.figure(run, level, latency), data.figure(run, level, data.throughput)
            if level.scenario == scenario and seconds and throughput is not None:
                yield Point(run, level, seconds, throughput, data.kept(run, level))


def _front(points: Sequence[Point]) -> list[Point]:
    """The points that no other one beats in both, by latency."""
    found: list[Point] = []
    for point in sorted(points, key=lambda one: (one.latency, -one.throughput)):
        if not found or scoring.better(point.throughput, found[-1].throughput, "OutputThroughput"):
            found.append(point)
    return found


def _lines(data: ReportData) -> list[tuple[Measured, str]]:
    """The experiments whose levels are joined: the baseline, then the winner."""
    named = [(data.baseline, "baseline"), (data.winner, "best")]
    found = [(run, kind) for run, kind in named if run is not None]
    return found[-1:] if len(found) == 2 and found[0][0] is found[1][0] else found


def _words(point: Point, latency: Figure, throughput: Figure) -> str:
    figures = f"{throughput.told(point.throughput)}, {latency.name} {latency.told(point.latency)}"
    words = f"{point.run.name}, {place(point.level)}: {figures}"
    return words if point.kept else f"{words}; breaks an SLO"
