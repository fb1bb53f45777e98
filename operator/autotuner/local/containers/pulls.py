"""What is told of a pull, and when the disk is too small for it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_MB = 1_000_000
# Less than this is no place for any engine's image.
LEAST_FREE_BYTES = 2_000_000_000
_PACE_SECONDS = 5.0
_MAKE_ROOM = (
    "remove images that nobody needs (`docker image prune` or `podman image prune`), or give the container engine a "
    "larger disk"
)
_FINISHED = ("Pull complete", "Already exists")


@dataclass
class Pull:
    """One pull as its progress tells it.

    Attributes:
        image: that is pulled.
        finished: layers that are there.
        sizes: compressed bytes of layers, by their ids, as far as they are announced.
        fetched: bytes of them that were fetched.
    """

    image: str
    finished: set[str] = field(default_factory=set)
    sizes: dict[str, int] = field(default_factory=dict)
    fetched: dict[str, int] = field(default_factory=dict)
    _layers: set[str] = field(default_factory=set)
    _told: float = float("-inf")

    def hear(self, event: Mapping[str, Any]) -> str:
        """Take one object of the daemon's answer; returns its error, empty where it is none."""
        if problem := event.get("error"):
            return str((event.get("errorDetail") or {}).get("message") or problem)
        layer, status = str(event.get("id") or ""), str(event.get("status") or "")
        if not layer or status.startswith("Pulling from"):
            return ""
        self._layers.add(layer)
        detail = event.get("progressDetail") or {}
        if status == "Downloading" and detail.get("total"):
            self.sizes[layer] = int(detail["total"])
            self.fetched[layer] = int(detail.get("current") or 0)
        elif status in ("Download complete", "Extracting", *_FINISHED):
            self.fetched[layer] = self.sizes.get(layer, 0)
        if status in _FINISHED:
            self.finished.add(layer)
        return ""

    def line(self, now: float) -> str:
        """What to tell at this second of a steady clock; empty while the last words are fresh."""
        if now - self._told < _PACE_SECONDS:
            return ""
        self._told = now
        layers = f"{len(self.finished)} of {len(self._layers)} layers"
        total = sum(self.sizes.values())
        if not total:
            return f"pulling {self.image}" + (f": {layers}" if self._layers else "")
        done = sum(self.fetched.values())
        return f"pulling {self.image}: {layers}, {done / _MB:,.0f} of {total / _MB:,.0f} MB ({done / total:.0%})"

    def too_big(self, free_bytes: int, root: str) -> str:
        """Why it cannot fit; empty where it may.

        What is still to come takes its compressed size, and at least as much again once it is unpacked.
        """
        waiting = {layer: size for layer, size in self.sizes.items() if layer not in self.finished}
        needed = sum(2 * size - min(size, self.fetched.get(layer, 0)) for layer, size in waiting.items())
        if needed <= free_bytes:
            return ""
        return (
            f"image {self.image} takes {needed / _MB:,.0f} MB more on the disk of {root}, where "
            f"{free_bytes / _MB:,.0f} MB are free: {_MAKE_ROOM}"
        )


def too_little(image: str, free_bytes: int, root: str) -> str:
    """Why a pull is not begun; empty where there is room."""
    if free_bytes >= LEAST_FREE_BYTES:
        return ""
    return f"the disk of {root} has {free_bytes / _MB:,.0f} MB free, too few for image {image}: {_MAKE_ROOM}"


def name_and_tag(image: str) -> tuple[str, str]:
    """An image's name without and its tag or digest, as a pull takes them."""
    if "@" in image:
        name, _, digest = image.partition("@")
        return name, digest
    path, slash, last = image.rpartition("/")
    last, colon, tag = last.partition(":")
    return f"{path}{slash}{last}", tag if colon else "latest"
