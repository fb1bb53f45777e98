"""What people say of the task that is proposed to them, and how they say it on a command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from autotuner.api.common import DerivedMetric, LatencyMetric, Statistic, ThroughputMetric
from autotuner.kubernetes_object import Object

# Words for common traffic: prompts and answers in tokens, mean and standard deviation.
TRAFFIC: Mapping[str, str] = {
    "chat": "N(1024,256)/(256,64)",
    "rag": "N(4096,1024)/(256,64)",
    "code": "N(2048,512)/(512,128)",
    "reasoning": "N(512,128)/(2048,512)",
}
# Each twice the one before: where neighbours lie further apart, the gap between them decides instead of the engine.
LADDER = (8, 16, 32, 64, 128)
# What MLPerf Inference demands of Llama 2 70B as a server, which is lenient, and requests that are answered.
SLOS: Sequence[str] = ("TTFT:P99=2s", "TPOT:P99=200ms", "ErrorRate=1%")
MAX_EXPERIMENTS = 20
MAX_HOURS = 24

_LATENCIES, _STATISTICS = get_args(LatencyMetric), get_args(Statistic)
_THROUGHPUTS = get_args(ThroughputMetric)
_GOALS = (*_THROUGHPUTS, *_LATENCIES, *get_args(DerivedMetric))
_LIMITED = (*_LATENCIES, "ErrorRate", *_THROUGHPUTS)
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True)
class Wishes:
    """What people say; an empty field leaves the choice to the proposal.

    Attributes:
        name: of the task.
        scenarios: as the API has them.
        users: the ladder of concurrency.
        requests: after which a level ends.
        slos: as the API has them; None leaves the choice, none at all are none.
        objective: as the API has it.
        tokenizer: its id on the hub.
        api_key_secret: name and key of the Secret with the engine's key.
        resource: the extended resource of the accelerators; None leaves it to what the engine's container asks for.
        allow_shared: measure on accelerators that others use too.
        max_gpus: that running experiments may hold together.
        max_experiments: of the search.
        max_gpu_hours: that the task may use.
        max_hours: that it may take.
    """

    name: str = ""
    scenarios: Sequence[Object] = ()
    users: Sequence[int] = ()
    requests: int | None = None
    slos: Sequence[Object] | None = None
    objective: Object | None = None
    tokenizer: str = ""
    api_key_secret: Mapping[str, str] | None = None
    resource: str | None = None
    allow_shared: bool = False
    max_gpus: int | None = None
    max_experiments: int | None = None
    max_gpu_hours: float | None = None
    max_hours: float | None = None


def scenario(text: str) -> Object:
    """The scenario that a text means: a word of `TRAFFIC`, a load, or a name and a load (`NAME=LOAD`).

    Raises:
        ValueError: it means none; the message says what to write.
    """
    name, equals, load = text.partition("=")
    if text in TRAFFIC:
        return {"name": text, "load": TRAFFIC[text]}
    load = load if equals else text
    name = name if equals else "traffic"
    if not _NAME.fullmatch(name) or not re.fullmatch(r"[NUD]\(.*\)", load):
        known = ", ".join(TRAFFIC)
        raise ValueError(f"{text!r} is no traffic: write one of {known}, or a load such as N(1024,256)/(256,64)")
    return {"name": name, "load": load}


def users(text: str) -> list[int]:
    """The ladder that a text means: whole numbers with commas between them.

    Raises:
        ValueError: it means none.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise ValueError(f"{text!r} is no ladder of users: write whole numbers, for example 8,16,32")
    return sorted({int(part) for part in parts})


def slo(text: str) -> Object:
    """The SLO that a text means: METRIC[:STATISTIC]=LIMIT; throughputs have a least, all others a most.

    Raises:
        ValueError: it means none.
    """
    found, limit = _metric(text.partition("=")[0], _LIMITED), text.partition("=")[2]
    if found is None or not limit:
        raise ValueError(
            f"{text!r} is no SLO: write METRIC:STATISTIC=LIMIT, for example TTFT:P99=500ms, ErrorRate=1%; the metrics"
            f" are {', '.join(_LIMITED)}"
        )
    return {**found, ("min" if found["metric"] in _THROUGHPUTS else "max"): limit}


def objective(text: str) -> Object:
    """The objective that a text means: METRIC[:STATISTIC].

    Raises:
        ValueError: it means none.
    """
    if (found := _metric(text, _GOALS)) is None:
        raise ValueError(f"{text!r} is no objective: write one of {', '.join(_GOALS)}, latencies as TTFT:P99")
    return found


def secret(text: str) -> dict[str, str]:
    """The key of a Secret that a text means: NAME/KEY.

    Raises:
        ValueError: it means none.
    """
    name, slash, key = text.partition("/")
    if not (name and slash and key):
        raise ValueError(f"{text!r} names no key of a Secret: write NAME/KEY")
    return {"name": name, "key": key}


def _metric(text: str, known: Sequence[str]) -> dict[str, Any] | None:
    """Metric and statistic of `TTFT:P99`, however their letters are written; None if there are no such."""
    name, colon, statistic = text.strip().partition(":")
    metrics = {one.lower(): one for one in known}
    statistics = {one.lower(): one for one in _STATISTICS}
    if name.lower() not in metrics or (colon and statistic.lower() not in statistics):
        return None
    metric = metrics[name.lower()]
    if metric not in _LATENCIES:
        return None if colon else {"metric": metric}
    return {"metric": metric, "statistic": statistics[statistic.lower() or "p99"]}
