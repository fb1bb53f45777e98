"""A page as a reader has it: elements with their attributes and texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"meta", "br", "input", "link", "img", "hr"}


@dataclass
class Part:
    """An element."""

    tag: str
    attributes: dict[str, str]
    inside: list[Part | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(one if isinstance(one, str) else one.text for one in self.inside)

    def all(self, tag: str = "", **wanted: str) -> Iterator[Part]:
        """The elements inside, in their order, that have this tag and these attributes (`_` for a dash)."""
        for one in self.inside:
            if isinstance(one, Part):
                named = {key.replace("_", "-"): value for key, value in wanted.items()}
                if tag in ("", one.tag) and named.items() <= one.attributes.items():
                    yield one
                yield from one.all(tag, **wanted)

    def one(self, tag: str = "", **wanted: str) -> Part:
        (found,) = self.all(tag, **wanted)
        return found

    def rows(self, table: str) -> list[list[str]]:
        """The cells of a table's body, row by row."""
        body = self.one("table", id=table).one("tbody")
        return [[cell.text for cell in row.all() if cell.tag in ("td", "th")] for row in body.all("tr")]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.stack = [Part("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        part = Part(tag, {name: value or "" for name, value in attrs})
        self.stack[-1].inside.append(part)
        if tag not in _VOID:
            self.stack.append(part)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.stack[-1].inside.append(Part(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack[-1].tag == tag, f"</{tag}> ends <{self.stack[-1].tag}>"
        self.stack.pop()

    def handle_data(self, data: str) -> None:
        self.stack[-1].inside.append(data)


def parsed(html: str) -> Part:
    """The document, whose every element is closed by its own end tag."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert len(reader.stack) == 1, f"<{reader.stack[-1].tag}> is not closed"
    return reader.stack[0]
