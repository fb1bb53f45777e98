"""Importance as bars, and what each flag does with its interval."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from autotuner import scoring
from autotuner.api.task_status import FlagEffect, Importance
from autotuner.html_report import scales
from autotuner.html_report.drawing import RIGHT, Drawing
from autotuner.policy.conditions import shorten

_ROW, _TOP = 26.0, 8.0
_LEFT, _NAME_MAX = 190.0, 27
_BARS_MAX = 20


def importance(found: Sequence[Importance]) -> Markup | None:
    """The share of each parameter, the most important first; None without any."""
    if not found:
        return None
    bars = found[:_BARS_MAX]
    scale = scales.linear([0.0, *(one.share for one in bars)], _LEFT, RIGHT - 56, from_zero=True)
    summary = "; ".join(f"{one.name} {one.share * 100:.1f}%" for one in bars[:5])
    drawing = Drawing("Which parameters matter", summary, height=2 * _TOP + _ROW * len(bars))
    for number, one in enumerate(bars):
        middle = _TOP + _ROW * (number + 0.5)
        drawing.add("text", "name end", shorten(one.name, _NAME_MAX), title=one.name, x=_LEFT - 8, y=middle + 4)
        width = max(1.0, scale.at(one.share) - _LEFT)
        drawing.add("rect", "bar", x=_LEFT, y=middle - 8, width=width, height=16)
        drawing.add("text", "value", f"{one.share * 100:.1f}%", x=_LEFT + width + 6, y=middle + 4)
    return drawing.markup


def effects(found: Sequence[FlagEffect]) -> Markup | None:
    """The gain of each flag with the interval of an estimate; None where none is known."""
    known = [(one, one.percent) for one in found if one.percent is not None and abs(one.percent) <= 1000][:_BARS_MAX]
    if not known:
        return None
    most = 3 * max(abs(percent) for _, percent in known) + 1.0
    margins = [min(one.margin, most) if one.margin is not None else 0.0 for one, _ in known]
    ends = [0.0, *(end for (_, p), m in zip(known, margins, strict=True) for end in (p - m, p + m))]
    scale = scales.linear(ends, _LEFT, RIGHT - 8, marks=5)
    height = 2 * _TOP + _ROW * len(known) + 22
    bottom = height - 26
    drawing = Drawing("What each flag of the best does", _spoken(known), height=height)
    for tick in scale.ticks:
        x = scale.at(tick)
        drawing.add("path", "grid", d=f"M{x:g} {_TOP:g}V{bottom:g}")
        drawing.add("text", "tick middle", f"{tick:+g}%" if tick else "0%", x=x, y=bottom + 18)
    drawing.add("path", "axis", d=f"M{scale.at(0):g} {_TOP:g}V{bottom:g}")
    for number, ((one, percent), margin) in enumerate(zip(known, margins, strict=True)):
        y = _TOP + _ROW * (number + 0.5)
        drawing.add("text", "name end", shorten(one.name, _NAME_MAX), title=one.name, x=_LEFT - 8, y=y + 4)
        if margin:
            drawing.add("path", "interval", d=f"M{scale.at(percent - margin):g} {y:g}H{scale.at(percent + margin):g}")
        drawing.mark("best" if one.source == "Measured" else "other", scale.at(percent), y, _title(one, percent))
    return drawing.markup


def _spoken(known: Sequence[tuple[FlagEffect, float]]) -> str:
    return "; ".join(f"{one.name} {scoring.format_gain(percent)}" for one, percent in known[:5])


def _title(one: FlagEffect, percent: float) -> str:
    return f"{one.name}: {scoring.format_gain(percent)}, {one.source.lower()}"
