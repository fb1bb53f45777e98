"""Texts of others as they are shown: what cannot be seen, or turns the words around it, is written out."""

from __future__ import annotations

import re

# Controls, surrogates, and what changes the direction of the text beside it; not the tab and the line feed.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)


def shown(text: str) -> str:
    """The text with every character that nobody sees written as its number, for example U+202E."""
    return _UNSEEN.sub(lambda found: f"U+{ord(found[0]):04X}", text)
