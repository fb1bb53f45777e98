"""Times as Kubernetes writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """RFC 3339 with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def second_stamp(moment: datetime) -> str:
    """RFC 3339 in whole seconds, as the API server writes the times of objects."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def micro_stamp(moment: datetime) -> str:
    """RFC 3339 with exactly six decimals, as the API server demands of a Lease."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """The moment that a timestamp of any precision names."""
    return datetime.fromisoformat(text)


def seconds_between(start: str | None, end: str | None) -> float | None:
    """Seconds from one timestamp to the other, never negative; None if one is missing."""
    if start is None or end is None:
        return None
    return max(0.0, (parse(end) - parse(start)).total_seconds())
