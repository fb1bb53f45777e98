"""What an engine says of itself on /metrics during a level: read now and then, and kept in a few figures."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

from autotuner.api.experiment import EngineFigures
from autotuner.benchmark.contract.spec import EngineMetrics

# Often enough for a short level, seldom enough to cost nothing: a page takes the engine and us a few milliseconds.
PERIOD_SECONDS = 1.0

Metrics = Mapping[str, Sequence[float]]
"""Name -> the values of all its series: an engine has one for each of its replicas."""


def parsed(page: str, wanted: Iterable[str]) -> dict[str, list[float]]:
    """The values of the wanted metrics on a page of Prometheus' text format; what cannot be read is left out."""
    found: dict[str, list[float]] = {}
    names = frozenset(wanted)
    for line in page.splitlines():
        name = line[: min((at for at in (line.find("{"), line.find(" ")) if at > 0), default=0)]
        if name not in names:
            continue
        # A label may hold blanks and braces; values and times hold neither.
        tail = line.rpartition("}")[2] if line[len(name)] == "{" else line[len(name) :]
        try:
            value = float(tail.split()[0])
        except (IndexError, ValueError):
            continue
        if 0 <= value < float("inf"):
            found.setdefault(name, []).append(value)
    return found


def all_names(names: EngineMetrics) -> list[str]:
    """Every name that may be on a page."""
    told = names.model_dump(exclude={"served_by"})
    return [name for several in told.values() for name in several]


def figures(samples: Sequence[Metrics], names: EngineMetrics) -> EngineFigures | None:
    """The figures of a level from its pages, the first from its beginning, the last from its end; None without any.

    Counters are told by these two. At both of them the engine has nothing to do, so gauges are told by those between.
    """
    if not samples:
        return None
    first, last, between = samples[0], samples[-1], samples[1:-1]
    kv_use = _clipped(_mean(one, names.kv_use) for one in between)
    running = _present(_sum(one, names.running) for one in between)
    waiting = _present(_sum(one, names.waiting) for one in between)
    preemptions = _grown(first, last, names.preemptions)
    accepted = _share(first, last, names.accepted_tokens, names.drafted_tokens)
    gauged = [one for one in _clipped(_mean(page, names.acceptance) for page in between) if one > 0]
    found = EngineFigures(
        preemptions=None if preemptions is None else round(preemptions),
        kv_use_mean=_average(kv_use),
        kv_use_peak=max(kv_use, default=None),
        running_mean=_average(running),
        running_peak=max(running, default=None),
        waiting_mean=_average(waiting),
        waiting_peak=max(waiting, default=None),
        prefix_hit_share=_share(first, last, names.cached_tokens, names.prompt_tokens),
        acceptance=_average(gauged) if accepted is None else accepted,
    )
    return found if found.dump() else None


class EngineWatch:
    """Reads the engine's metrics beside a level, in a thread that sleeps nearly always.

    Args:
        read: the page of metrics; None where the engine does not answer.
        names: what the engine calls them.
    """

    def __init__(self, read: Callable[[], str | None], names: EngineMetrics) -> None:
        self._read, self._names, self._wanted = read, names, all_names(names)
        self._samples: list[Metrics] = []
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Read the first page, and go on by itself; what was read before is forgotten."""
        self.stop()
        self._samples = []
        if self._wanted:
            self._sample()
        if self._samples:
            self._thread = threading.Thread(target=self._go_on, daemon=True)
            self._thread.start()

    def end(self) -> EngineFigures | None:
        """Read the last page; the figures since `begin`. None if the engine tells nothing."""
        if self._thread is None:
            return None
        self.stop()
        self._sample()
        return figures(self._samples, self._names)

    def stop(self) -> None:
        """Read no more."""
        if self._thread is not None:
            self._over.set()
            self._thread.join()
            self._thread = None
        self._over.clear()

    def _go_on(self) -> None:
        while not self._over.wait(PERIOD_SECONDS):
            self._sample()

    def _sample(self) -> None:
        page = self._read()
        if page is not None and (found := parsed(page, self._wanted)):
            self._samples.append(found)


def _series(page: Metrics, names: Sequence[str]) -> Sequence[float]:
    return next((page[name] for name in names if name in page), ())


def _sum(page: Metrics, names: Sequence[str]) -> float | None:
    series = _series(page, names)
    return sum(series) if series else None


def _mean(page: Metrics, names: Sequence[str]) -> float | None:
    series = _series(page, names)
    return sum(series) / len(series) if series else None


def _present(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _clipped(values: Iterable[float | None]) -> list[float]:
    return [min(1.0, value) for value in _present(values)]


def _average(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _grown(first: Metrics, last: Metrics, names: Sequence[str]) -> float | None:
    """By how much a counter grew; None where there is none. One that began anew is that of an engine that did."""
    before, after = _sum(first, names), _sum(last, names)
    if after is None:
        return None
    return after - before if before is not None and before <= after else after


def _share(first: Metrics, last: Metrics, part: Sequence[str], whole: Sequence[str]) -> float | None:
    parts, of = _grown(first, last, part), _grown(first, last, whole)
    return min(1.0, parts / of) if parts is not None and of else None
