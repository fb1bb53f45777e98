"""The sections of the page with plots, each with its words and the figures as a table. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from autotuner import scoring
from autotuner.html_report import bar_plots, ladder_plots, progress_plot, timeline_plot, tradeoff_plot
from autotuner.html_report import stages as stages_of_runs
from autotuner.html_report.report_data import ReportData
from autotuner.scoring.figures import told

_LADDERS_MAX = 12
_SWATCHES = {
    "baseline": '<path class="mark baseline" d="M3 3h10v10h-10z"/>',
    "best": '<path class="mark best" d="M8 1l7 7l-7 7l-7 -7z"/>',
    "other": '<circle class="mark other" cx="8" cy="8" r="5"/>',
    "broken": '<path class="mark broken" d="M3 3l10 10m0 -10l-10 10"/>',
    "again": '<circle class="mark again again-best" cx="8" cy="8" r="5"/>',
    "front": '<path class="series front-line" d="M0 8h16"/>',
    "limit": '<path class="limit" d="M0 8h16"/>',
    "interval": '<path class="interval" d="M8 1v14m-4 0h8m-8 -14h8"/>',
    **{stage: f'<path class="stage {stage}" d="M1 2h14v12h-14z"/>' for stage in stages_of_runs.STAGES},
}


@dataclass(frozen=True)
class Plot:
    """A drawing and the words below it."""

    drawing: Markup
    caption: str


@dataclass(frozen=True)
class Table:
    """The figures of a section as a table, whose first column names the rows; a long one is folded."""

    identity: str
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    folded: bool = False


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes:
        anchor: of links.
        title: as a heading.
        words: what is to be seen, or why there is nothing.
        plots: as many as there are data for.
        tables: the same as figures.
        legend: marks and their meaning.
    """

    anchor: str
    title: str
    words: str
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()
    legend: Sequence[tuple[Markup, str]] = field(default=())


def of(data: ReportData) -> list[Section]:
    """All sections, those without data with the reason for it."""
    return [_progress(data), _tradeoff(data), _ladders(data), _importance(data), _effects(data), _timeline(data)]


def _progress(data: ReportData) -> Section:
    over = ((progress_plot.draw(data, "experiments"), "experiments"), (progress_plot.draw(data, "hours"), "GPU-hours"))
    plots = [Plot(drawing, f"Best so far over {what}") for drawing, what in over if drawing]
    words = (
        "The line is the best that was known; each mark is one experiment that keeps the hard SLOs. At the right end"
        " stands the verdict: single runs of the search may be luck, the repeats decide."
        if plots
        else "No experiment has given a value yet."
    )
    legend = _legend(
        best="best", baseline="baseline", other="another experiment", interval="95% interval of the verdict"
    )
    return Section("progress", "Progress", words, plots, legend=legend if plots else ())


def _tradeoff(data: ReportData) -> Section:
    plots = [
        Plot(drawing, f"{data.throughput.name} against {latency.name}, scenario {scenario}")
        for scenario in _scenarios(data)
        for latency in data.latencies
        if (drawing := tradeoff_plot.draw(data, latency, scenario))
    ]
    words = (
        "Every level of every experiment. Up and to the left is better; what breaks a hard SLO does not count. The"
        " front joins the levels that no other one beats in both figures."
        if plots
        else "Nothing was measured yet."
    )
    legend = _legend(
        best="best",
        baseline="baseline",
        other="another level",
        broken="breaks a hard SLO",
        front="front",
        limit="SLO",
    )
    return Section("tradeoff", "Throughput against latency", words, plots, legend=legend if plots else ())


def _ladders(data: ReportData) -> Section:
    wanted = [(figure, name) for name in _scenarios(data) for figure in (data.throughput, *data.latencies)]
    plots = []
    for figure, scenario in wanted[:_LADDERS_MAX]:
        if drawing := ladder_plots.draw(data, figure, scenario):
            plots.append(Plot(drawing, f"{figure.name} over the levels, scenario {scenario}"))
    tables = [_ladder_table(data)] if plots else []
    left_out = len(wanted) - _LADDERS_MAX
    words = "How baseline and best behave as load grows, with every repeat of the confirmation."
    words += f" {left_out} more plots are left out; the table has their figures." if left_out > 0 else ""
    legend = _legend(best="best", baseline="baseline", again="a repeat", limit="SLO")
    return Section(
        "ladders", "Ladders", words if plots else "Nothing was measured yet.", plots, tables, legend if plots else ()
    )


def _ladder_table(data: ReportData) -> Table:
    figures = (data.throughput, *data.latencies)
    rows = []
    for kind, run in ladder_plots.shown(data):
        for one in (run, *data.repeats(run)):
            for level in one.status.levels or ():
                found = [(figure, data.figure(one, level, figure)) for figure in figures]
                cells = ["-" if value is None else figure.told(value) for figure, value in found]
                kept = "yes" if data.kept(one, level) else "no"
                where = told(level.offered, level.rate is not None)
                errors = str(level.errors)
                rows.append([one.name, kind, level.scenario, where, *cells, errors, kept])
    heads = ["Experiment", "Of", "Scenario", "Level", *(one.name for one in figures), "Errors", "Keeps hard SLOs"]
    return Table("levels", "Levels of baseline and best, repeats included", heads, rows, folded=True)


def _importance(data: ReportData) -> Section:
    found = data.status.importance or []
    drawing = bar_plots.importance(found)
    rows = [[one.name, f"{one.share * 100:.1f}%"] for one in found]
    words = (
        "Each parameter's share of the variance of the objective, as an additive model of all experiments estimates it;"
        " the rest to 100% is interaction and noise."
        if found
        else "This is told at the end, where enough experiments gave a value."
    )
    tables = (
        [Table("importance-table", "The shares as a table", ["Parameter", "Share"], rows, folded=True)] if found else []
    )
    return Section("importance", "Which parameters matter", words, _plots(drawing, "Share of the variance"), tables)


def _effects(data: ReportData) -> Section:
    found = data.status.flag_effects or []
    rows = []
    for one in found:
        gain = "unknown" if one.percent is None else scoring.format_gain(one.percent)
        margin = "" if one.margin is None else f" ± {one.margin:.1f}"
        how = {
            "Measured": f"measured: {one.experiment} differs in this only",
            "Estimated": "estimated by the additive model",
        }.get(one.source, "too little was measured")
        how += ", compared with the average of the values searched" if one.compared_with == "Average" else ""
        rows.append([one.name, one.value, one.before or "the engine's default", f"{gain}{margin}", how])
    words = "Where the best differs from the baseline: the change of the objective, positive is better."
    if not found:
        words = "This is told at the end of a task with one objective whose best is not the baseline."
    heads = ["Parameter", "Value", "Baseline", "Effect", "How it is known"]
    tables = [Table("effects-table", "Effect of each flag, and how it is known", heads, rows)] if found else []
    legend = _legend(best="measured", other="estimated", interval="95% interval") if found else ()
    plots = _plots(bar_plots.effects(found), "Gain of each flag, in percent")
    return Section("effects", "What each flag does", words, plots, tables, legend)


def _timeline(data: ReportData) -> Section:
    drawing = timeline_plot.draw(data)
    if drawing is None:
        return Section("timeline", "Where the GPU-hours went", "No experiment has started yet.")
    held = stages_of_runs.accelerator_seconds(data.spans)
    total = sum(held.values())
    times = {
        stage: sum(one.seconds for _, found in data.spans for one in found if one.stage == stage) for stage in held
    }
    rows = [
        [
            stage,
            f"{times[stage] / 3600:.2f}",
            f"{seconds / 3600:.2f}",
            f"{seconds / total * 100:.0f}%" if total else "-",
            stages_of_runs.STAGES[stage],
        ]
        for stage, seconds in held.items()
    ]
    heads = ["Stage", "Hours", "GPU-hours", "Share of GPU-hours", "What it is"]
    words = (
        "The stages of every experiment by the operator's own clock. What failed stays in its stage until it is gone."
    )
    legend = _legend(**{stage: stage for stage in stages_of_runs.STAGES})
    table = Table("stages", "Time and GPU-hours of each stage", heads, rows)
    caption = "Each bar is an experiment"
    return Section("timeline", "Where the GPU-hours went", words, [Plot(drawing, caption)], [table], legend)


def _scenarios(data: ReportData) -> Iterator[str]:
    """The names of the scenarios, as far as anything of them was measured."""
    measured = {level.scenario for run in data.runs for level in run.status.levels or ()}
    yield from (one.name for one in (data.spec.benchmark.scenarios if data.spec else ()) if one.name in measured)


def _plots(drawing: Markup | None, caption: str) -> list[Plot]:
    return [Plot(drawing, caption)] if drawing else []


def _legend(**meanings: str) -> list[tuple[Markup, str]]:
    """Marks and what they mean; the marks are ours, nothing of others is in them."""
    svg = '<svg viewBox="0 0 16 16" aria-hidden="true">{}</svg>'
    return [(Markup(svg.format(_SWATCHES[mark])), words) for mark, words in meanings.items()]  # noqa: S704
