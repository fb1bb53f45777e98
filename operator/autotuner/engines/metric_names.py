"""Under which names an engine tells on /metrics how it is doing."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class MetricNames:
    """The names of an engine's metrics, of all known releases; a release has one of those for the same figure.

    Attributes:
        served_by: the flag without which the engine serves no metrics; empty if it always does.
        preemptions: counters of requests that lost their place and their KV cache to others.
        kv_use: gauges of the used share of the KV cache, from 0 to 1.
        running: gauges of requests that are being answered.
        waiting: gauges of requests that wait for their turn.
        prompt_tokens: counters of tokens for which the prefix cache was asked.
        cached_tokens: counters of those that it had.
        drafted_tokens: counters of tokens that a draft proposed.
        accepted_tokens: counters of those that were right.
        acceptance: gauges of the share of drafted tokens that were right, where there are no such counters.
    """

    served_by: str
    preemptions: tuple[str, ...]
    kv_use: tuple[str, ...]
    running: tuple[str, ...]
    waiting: tuple[str, ...]
    prompt_tokens: tuple[str, ...]
    cached_tokens: tuple[str, ...]
    drafted_tokens: tuple[str, ...]
    accepted_tokens: tuple[str, ...]
    acceptance: tuple[str, ...]

    def __or__(self, other: MetricNames) -> MetricNames:
        """The names of both: for engines of which only relatives are known."""
        names = [field.name for field in fields(self) if field.name != "served_by"]
        return MetricNames(served_by="", **{name: getattr(self, name) + getattr(other, name) for name in names})
