"""The page: one HTML file that needs no network and no script to be read.

The template escapes every text, and writes out characters that nobody sees. Beside that the page forbids the browser
to load anything or to run any script but its own, by its hash: what should ever slip through does nothing.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from autotuner import __version__, clock
from autotuner.html_report import headline, plot_sections, provenance, run_rows
from autotuner.html_report.report_data import ReportData
from autotuner.html_report.shown_text import shown
from autotuner.scoring.figures import figure_name

_OWN_SECTIONS = (("experiments", "All experiments"), ("asked", "What was asked"), ("provenance", "Provenance"))


def html(data: ReportData) -> str:
    """The whole page.

    Args:
        data: what it tells.
    """
    style, script = _own("report.css"), _own("report.js")
    plotted = plot_sections.of(data)
    best = data.status.best
    rows = run_rows.rows(data)
    values: dict[str, Any] = {
        "data": data,
        "style": Markup(style),  # noqa: S704
        "script": Markup(script),  # noqa: S704
        "style_hash": _hash(style),
        "script_hash": _hash(script),
        "headline": headline.headline(data),
        "subtitle": headline.subtitle(data),
        "sections": [("verdict", "Verdict"), *((one.anchor, one.title) for one in plotted), *_OWN_SECTIONS],
        "warnings": list(headline.warnings(data)),
        "verdict": headline.verdict(data),
        "facts": list(headline.facts(data)),
        "front": headline.front(data),
        "objectives": [figure_name(one.metric, one.statistic) for one in data.objectives],
        "arguments": None if best is None else shlex.join(best.args),
        "plotted": plotted,
        "runs": rows,
        "kinds": run_rows.kinds(rows),
        "value_name": figure_name(data.objectives[0].metric, data.objectives[0].statistic) if data.objectives else "",
        "failures": run_rows.failures(data),
        "asked": list(provenance.asked(data)),
        "search_space": provenance.search_space(data),
        "provenance": list(provenance.of(data)),
        "conditions": data.status.conditions or [],
        "made": f"Made by autotuner {__version__} at {clock.second_stamp(data.now)}.",
    }
    return _environment().get_template("report.html").render(values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("autotuner.html_report"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        finalize=_finalized,
    )


def _finalized(value: Any) -> Any:
    """A value as it is written; what is markup already was made by us, and of cleaned texts."""
    return value if isinstance(value, Markup) else shown(str(value))


@cache
def _own(file: str) -> str:
    return (resources.files("autotuner.html_report") / "templates" / file).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"sha256-{digest}"
