"""Whether what ended an experiment would end every other one too, so that the task stops. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from autotuner.policy.evidence.measurements import Measured
from autotuner.policy.evidence.retries import TOLD_BY_ENGINE
from autotuner.policy.experiment.reasons import meaning

_IN_A_ROW = 3

# Where in a task to look after a cause that its experiments have in common.
_FIELDS: Mapping[str, str] = {
    "EngineCrashed": "runtime (its image and extraArgs) and model",
    "EngineNotServing": "runtime.extraArgs and what the runtime's command adds to them",
    "StartupTimeout": "timeouts.startupSeconds",
    "OutOfMemory": "the memory limit of the runtime, model and placement",
    "InvalidArguments": "runtime.extraArgs, benchmark.requestParams and benchmark.scenarios",
    "ImagePullFailed": "runtime.image, benchmark.pod.image (absent: the operator's), and the Secrets to pull both",
    "PullTimeout": "timeouts.pullSeconds",
    "QueueTimeout": "placement, timeouts.queueSeconds and the namespace's quota",
    "PodsReadyTimeout": "Kueue's setting waitForPodsReady.timeout, which an engine's start and pull must fit into",
    "ServingNotCreated": "runtime, and the log of what serves engines",
    "BenchmarkFailed": "benchmark",
    "ClientOverloaded": "the CPU that the namespace leaves the benchmark, and what else runs on its node",
    "BenchmarkTimeout": "timeouts.benchmarkSeconds, or fewer and shorter levels in benchmark",
}

# What the same words differ in from one experiment to the next.
_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*"), "TIME"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "ADDRESS"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-f]*\d)[0-9a-f]{8,}(?:-[0-9a-f]{4,})*\b"), "ID"),
    (re.compile(r"\b(pid[ =:]*)\d+", re.IGNORECASE), r"\1N"),
    (re.compile(r"\b\d+ of \d+ requests"), "N requests"),
)


@dataclass(frozen=True)
class CommonCause:
    """What stops a task.

    Attributes:
        reason: of the experiment that met it last.
        message: for people.
        certain: whether what still runs would end the same way; else it may prove the contrary.
        field: of the task, where to look; told with the message.
    """

    reason: str
    message: str
    certain: bool = False
    field: str = ""


def find(measured: Sequence[Measured], *, target: bool = False) -> CommonCause | None:
    """The cause that stops a task after the experiment that ended last; None if it goes on.

    An ending that is everyone's stops it at once. So do a baseline whose program never ran, one that the surroundings
    spoil again and again, and endings with equal words: while nothing was measured, of three in a row, or of the
    baseline and a configuration if the engine named no cause, which another configuration might not have; afterwards of
    three in a row that the surroundings spoiled. What ran side by side met the surroundings at one moment, and that is
    no row: of those, three count that began one after the other's end.

    Args:
        measured: all its experiments by index, as `evidence.retries` judged them.
        target: the task names a target, so that it has no model and no runtime.
    """
    found = _find(measured)
    if found is None or not found.field:
        return found
    field = found.field
    if target:
        field = re.sub(r" and model$|, model\b", "", field).replace("runtime", "target")
    return replace(found, message=f"{found.message}: look at {field}")


def _find(measured: Sequence[Measured]) -> CommonCause | None:
    """The cause, its field apart."""
    over = _over(measured)
    if not over:
        return None
    if stop := next((one for one in over if one.outcome == "stop"), None):
        reason = stop.status.reason or ""
        return CommonCause(reason, _quoted(stop), certain=reason not in TOLD_BY_ENGINE)
    last = over[-1]
    if last.score is not None or meaning(last.status.reason or "").fault == "nobody":
        return None
    if last.is_baseline and last.status.evidence is not None and last.status.evidence.never_ran:
        return CommonCause(last.status.reason or "", f"{_quoted(last)}; so would every other configuration end")
    if last.is_baseline and last.outcome == "environment" and not last.retry:
        return _with_field(last, "the baseline ended like this again, and without it nothing is a gain")
    return _equal_words(over) or _spoiled_in_a_row(over)


def suspected(measured: Sequence[Measured]) -> bool:
    """Whether what ended last looks like a cause that all have in common: then one alone is tried next.

    Args:
        measured: as of `find`.
    """
    row = _over(measured)[-2:]
    if not row or row[-1].score is not None:
        return False
    given_up = row[-1].outcome == "environment" and not row[-1].retry
    return given_up or (len(row) > 1 and _alike(row))


def _over(measured: Sequence[Measured]) -> list[Measured]:
    """The task's own experiments that have ended, in the order of their ends."""
    over = [one for one in measured if one.finished and not one.withdrawn and not one.reused]
    return sorted(over, key=lambda one: (one.ended or "", one.index))


def _alike(row: Sequence[Measured]) -> bool:
    """Whether all ended with the same words, and not by what is bad luck each time: retries bound evictions."""
    return len({_words(one) for one in row}) == 1 and meaning(row[-1].status.reason or "").retries <= 1


def _equal_words(over: Sequence[Measured]) -> CommonCause | None:
    """The cause if what ended last has the words of others before it."""
    last, nothing_ran = over[-1], all(one.score is None for one in over)
    # A death without a word is what chance looks like: it is tried again before it proves anything about others.
    if last.status.reason == "EngineCrashed" and last.retry == "owed":
        return None
    baselines = [one for one in over if one.is_baseline]
    named = last.status.reproducible or last.is_baseline
    if nothing_ran and not named and baselines and _words(baselines[-1]) == _words(last):
        return _with_field(last, f"{baselines[-1].name}, the baseline, ended with the same words")
    surroundings = meaning(last.status.reason or "").fault == "surroundings"
    alike = list(takewhile(lambda one: _alike([one, last]), reversed(over)))
    row = (_one_after_the_other(alike) if surroundings else alike)[:_IN_A_ROW]
    if len(row) == _IN_A_ROW and (nothing_ran or surroundings):
        return _with_field(last, f"{', '.join(one.name for one in reversed(row[1:]))} ended with the same words")
    return None


def _spoiled_in_a_row(over: Sequence[Measured]) -> CommonCause | None:
    """The cause if the surroundings spoiled one configuration after the other, with all their retries."""
    tries = [one for one in reversed(over) if one.retry != "made"]
    row = _one_after_the_other(takewhile(lambda one: one.outcome == "environment" and not one.retry, tries))
    if len(row) < _IN_A_ROW:
        return None
    return _with_field(
        row[0], f"so did the surroundings spoil {', '.join(one.name for one in reversed(row[1:_IN_A_ROW]))}"
    )


def _one_after_the_other(latest_first: Iterable[Measured]) -> list[Measured]:
    """Of experiments in the order of their ends, the latest first: those that had ended before the one after began."""
    row: list[Measured] = []
    for one in latest_first:
        begun = row[-1].begun if row else None
        if begun is None or one.ended is None or one.ended <= begun:
            row.append(one)
    return row


def _words(one: Measured) -> tuple[str, str]:
    """Reason and message, without what differs from one experiment to the next."""
    text = re.sub(rf"\b{re.escape(one.name)}(?:-[a-z0-9]+)*\b", "NAME", one.status.message or "")
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return one.status.reason or "", text


def _with_field(last: Measured, why: str) -> CommonCause:
    reason = last.status.reason or ""
    return CommonCause(reason, f"{_quoted(last)}; {why}", field=_FIELDS.get(reason, ""))


def _quoted(one: Measured) -> str:
    return f"{one.name}: {one.status.message}"
