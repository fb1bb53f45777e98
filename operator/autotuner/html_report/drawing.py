"""Plots as SVG: elements whose texts are always escaped, a frame with axes, and marks.

An element tree writes them, so that no text of others can become an element. Colours are classes of the page's style:
the same drawing serves light, dark and paper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from markupsafe import Markup

from autotuner.html_report.scales import Scale
from autotuner.html_report.shown_text import shown

WIDTH, HEIGHT = 560.0, 320.0
LEFT, RIGHT, TOP, BOTTOM = 74.0, 544.0, 14.0, 268.0
_LABEL_ROOM = 46.0  # between the labels of two ticks of a horizontal axis
_RADIUS = 4.0


@dataclass(frozen=True)
class Axis:
    """An axis of a plot.

    Attributes:
        scale: from figures to places.
        label: what it is of, with the unit.
        told: how a tick is written.
    """

    scale: Scale
    label: str
    told: Callable[[float], str]


class Drawing:
    """One plot.

    Args:
        title: what it shows, for those who do not see it.
        summary: what is to be seen in it, for them too.
        height: in units of the plot; it is `WIDTH` wide.
    """

    def __init__(self, title: str, summary: str = "", height: float = HEIGHT) -> None:
        label = shown(f"{title}. {summary}" if summary else title)
        size = f"0 0 {WIDTH:g} {height:g}"
        self._root = Element("svg", {"viewBox": size, "role": "img", "aria-label": label, "class": "plot"})

    @property
    def markup(self) -> Markup:
        """The drawing as HTML."""
        return Markup(ElementTree.tostring(self._root, encoding="unicode"))  # noqa: S704  # the tree escapes

    def add(self, tag: str, kind: str, words: str = "", title: str = "", **attributes: float | str) -> None:
        """Add an element.

        Args:
            tag: of SVG.
            kind: its class.
            words: that it shows.
            title: what is told of it under the pointer.
            attributes: of it; `_` stands for a dash.
        """
        written = {name.replace("_", "-"): _written(value) for name, value in attributes.items()}
        element = ElementTree.SubElement(self._root, tag, {"class": kind, **written})
        if words:
            element.text = shown(words)
        if title:
            ElementTree.SubElement(element, "title").text = shown(title)

    def frame(self, across: Axis, up: Axis) -> None:
        """Both axes with their grid and labels."""
        for tick in up.scale.ticks:
            y = up.scale.at(tick)
            self.add("path", "grid", d=f"M{LEFT:g} {y:g}H{RIGHT:g}")
            self.add("text", "tick end", up.told(tick), x=LEFT - 7, y=y + 4)
        last = -_LABEL_ROOM
        for tick in across.scale.ticks:
            x = across.scale.at(tick)
            self.add("path", "grid", d=f"M{x:g} {TOP:g}V{BOTTOM:g}")
            if x - last >= _LABEL_ROOM:
                self.add("text", "tick middle", across.told(tick), x=x, y=BOTTOM + 18)
                last = x
        self.add("path", "axis", d=f"M{LEFT:g} {TOP:g}V{BOTTOM:g}H{RIGHT:g}")
        self.add("text", "label middle", across.label, x=(LEFT + RIGHT) / 2, y=BOTTOM + 42)
        middle = (TOP + BOTTOM) / 2
        self.add("text", "label middle", up.label, x=14, y=middle, transform=f"rotate(-90 14 {middle:g})")

    def line(self, kind: str, points: Sequence[tuple[float, float]], *, steps: bool = False) -> None:
        """A line through places; with `steps` it changes its height at each place only."""
        if points:
            first, *rest = points
            parts = [f"H{x:g}V{y:g}" if steps else f"L{x:g} {y:g}" for x, y in rest]
            self.add("path", kind, d=f"M{first[0]:g} {first[1]:g}{''.join(parts)}")

    def limit(self, words: str, *, x: float | None = None, y: float | None = None) -> None:
        """The line of an SLO across the plot, with its words."""
        if x is not None:
            self.add("path", "limit", d=f"M{x:g} {TOP:g}V{BOTTOM:g}")
            side = "end" if x > (LEFT + RIGHT) / 2 else "begin"
            self.add("text", f"limit-words {side}", words, x=x + (-5 if side == "end" else 5), y=BOTTOM - 8)
        if y is not None:
            self.add("path", "limit", d=f"M{LEFT:g} {y:g}H{RIGHT:g}")
            self.add("text", "limit-words end", words, x=RIGHT - 4, y=y - 5 if y > TOP + 20 else y + 13)

    def dots(self, kind: str, places: Iterable[tuple[float, float]]) -> None:
        """Many small dots as one element, which takes a dozen bytes for each."""
        path = "".join(f"M{x:g} {y:g}h0" for x, y in places)
        if path:
            self.add("path", f"dots {kind}", d=path)

    def mark(self, kind: str, x: float, y: float, title: str) -> None:
        """A mark whose shape says what it is, not its colour alone: circle, square, diamond or cross."""
        r = _RADIUS
        if kind in _SHAPES:
            self.add("path", f"mark {kind}", title=title, d=_SHAPES[kind].format(x=x, y=y, r=r, up=y - r * 1.5))
        else:
            self.add("circle", f"mark {kind}", title=title, cx=x, cy=y, r=r)


_SHAPES = {
    "baseline": "M{x:g} {y:g}m-4 -4h8v8h-8z",
    "best": "M{x:g} {y:g}m0 -6.5l6.5 6.5l-6.5 6.5l-6.5 -6.5z",
    "broken": "M{x:g} {y:g}m-3.5 -3.5l7 7m0 -7l-7 7",
}


def _written(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.1f}".rstrip("0").rstrip(".")
