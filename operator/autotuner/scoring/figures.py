"""One figure of a level, which way is better, and how figures are written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from autotuner.api.common import BOUNDARY_METRICS, LATENCY_METRICS, Statistic
from autotuner.api.experiment import Distribution, Level

DEFAULT_STATISTIC: Statistic = "P99"
_LATENCY_FIELDS = {"TTFT": "ttft_seconds", "TPOT": "tpot_seconds", "E2ELatency": "e2e_latency_seconds"}
_QUANTILES: Mapping[Statistic, float] = {"P50": 0.5, "P90": 0.9, "P95": 0.95, "P99": 0.99}
_JUST_BEYOND = 1.01
_PERCENT_MAX = 1e12  # beyond this a gain says only that soft SLOs were broken, and must fit into the status
_FACTOR, _FACTOR_MAX = 10, 1_000_000  # from the one on factors read better than per cent, beyond the other nothing does
_MINIMISED = (*LATENCY_METRICS, "CostPerMillionTokens")
_UNITS = {
    "OutputThroughput": "tok/s",
    "OutputThroughputPerGPU": "tok/s/GPU",
    "TotalThroughput": "tok/s",
    "RequestThroughput": "req/s",
    "ErrorRate": "%",
    "CostPerMillionTokens": "per 1M tokens",
    "MaxConcurrency": "users",
    "MaxRequestRate": "req/s",
    "Goodput": "req/s",
    "Attainment": "%",
}


def figure(
    level: Level, metric: str, statistic: Statistic | None, gpus: int, gpu_hour_price: float | None = None
) -> float | None:
    """One figure of a level in SI units; None if it was not measured, or is no finite number.

    Args:
        level: what was measured.
        metric: of an SLO, or of an objective other than a boundary, which takes more than one level.
            ErrorRate is failed requests / all requests; CostPerMillionTokens that of a million output tokens; Goodput
            and Attainment were not measured where there were no limits of a request.
        statistic: of a latency; P99 if None.
        gpus: for figures per GPU, and the cost.
        gpu_hour_price: for the cost; what one accelerator costs in an hour.
    """
    found = _measured(level, metric, statistic, gpus, gpu_hour_price)
    return found if found is not None and math.isfinite(found) else None


def _measured(
    level: Level, metric: str, statistic: Statistic | None, gpus: int, gpu_hour_price: float | None
) -> float | None:
    if metric in _LATENCY_FIELDS:
        latency: Distribution | None = getattr(level, _LATENCY_FIELDS[metric])
        return None if latency is None else getattr(latency, (statistic or DEFAULT_STATISTIC).lower())
    if metric == "ErrorRate":
        requests = level.requests + level.errors
        return level.errors / requests if requests else None
    if metric == "CostPerMillionTokens":
        return cost_per_million(level.output_tokens_per_second / max(1, gpus), gpu_hour_price)
    if metric == "OutputThroughputPerGPU":
        return level.output_tokens_per_second / max(1, gpus)
    return {
        "OutputThroughput": level.output_tokens_per_second,
        "TotalThroughput": level.total_tokens_per_second,
        "RequestThroughput": level.requests_per_second,
        "Goodput": level.good_requests_per_second,
        "Attainment": level.attainment.share if level.attainment else None,
    }[metric]


def failed_beyond(level: Level, metric: str, statistic: Statistic | None) -> float | None:
    """How many times more requests failed than may, for a percentile of a latency to be one of an answer.

    Of 153 requests 7 failed: 4.6 % are beyond every latency, the P99 allows 1 %, so 4.6 times.

    Args:
        level: what was measured.
        metric: a latency.
        statistic: of it; P99 if None.

    Returns:
        None where the statistic is that of answers, or was not measured for another reason. Else more than 1.
    """
    field, quantile = _LATENCY_FIELDS.get(metric), _QUANTILES.get(statistic or DEFAULT_STATISTIC)
    if field is None or not level.errors:
        return None
    latency: Distribution | None = getattr(level, field)
    if latency is None:
        # Without one answer even a mean is beyond every limit; TPOT may be missing for other reasons.
        return None if level.requests else _times(1.0, quantile or 0.5)
    if quantile is None or getattr(latency, (statistic or DEFAULT_STATISTIC).lower()) is not None:
        return None
    return _times(level.errors / (level.errors + level.requests), quantile)


def _times(failed: float, quantile: float) -> float:
    # Errors are counted in the whole level, answers in its steady window: where they hardly reach, they do.
    return max(failed / (1 - quantile), _JUST_BEYOND)


def cost_per_million(tokens_per_second: float, gpu_hour_price: float | None) -> float | None:
    """What a million tokens cost at so many a second and accelerator; None without a price or a token.

    It is its own inverse: the tokens per second and accelerator at which a million cost so much.
    """
    if gpu_hour_price is None or tokens_per_second <= 0:
        return None
    return gpu_hour_price * 1e6 / (tokens_per_second * 3600)


def minimised(metric: str) -> bool:
    """Whether less of a metric is better: latencies and cost."""
    return metric in _MINIMISED


def better(a: float, b: float, metric: str) -> bool:
    """Whether value `a` is strictly better than `b`: lower for latencies and cost, higher for the rest."""
    return a < b if minimised(metric) else a > b


def gain_percent(value: float | None, baseline: float | None, metric: str) -> float | None:
    """The improvement over the baseline as a percentage of the baseline; positive is better.

    A latency that is halved gains 50 %, a throughput that is doubled 100 %. None without a value or a positive
    baseline.
    """
    if value is None or baseline is None or baseline <= 0:
        return None
    change = max(-_PERCENT_MAX, min(_PERCENT_MAX, (value - baseline) / baseline * 100))
    # Adding zero turns -0.0 into 0.0.
    return (-change if minimised(metric) else change) + 0.0


def format_gain(percent: float) -> str:
    """A gain as people read it: `+31.0%`, or `x78` beyond per cent; far ends, where only soft SLOs lead, are cut."""
    factor = 1 + percent / 100
    if percent <= -_FACTOR * 100:
        return f"below -{_FACTOR * 100}%"
    if percent >= _FACTOR * 100:
        return f"x{factor:.0f}" if factor <= _FACTOR_MAX else f"over x{_FACTOR_MAX}"
    return f"{round(percent, 1) + 0.0:+.1f}%"


def over(percent: float, what: str) -> str:
    """A gain in words: `+31.0% over the baseline`, `78 times the baseline`."""
    told = format_gain(percent)
    return f"{told.replace('x', '')} times {what}" if "x" in told else f"{told} over {what}"


def saturated(value: float, metric: str, ladder: Sequence[float]) -> bool:
    """Whether a value is only a lower bound: the users or the rate at which no SLO broke, where the ladder ends."""
    return metric in BOUNDARY_METRICS and value >= max(ladder, default=math.inf)


def format_value(value: float, metric: str, ladder: Sequence[float] = ()) -> str:
    """A value with its unit for people: `1893 tok/s/GPU`, `210 ms`, `1.25 s`, `0.42 per 1M tokens`, `57.3 users`.

    With the ladder that it was measured on: `32 users or more` (`saturated`).
    """
    if saturated(value, metric, ladder):
        return f"{value:.0f} users or more" if metric == "MaxConcurrency" else f"{_number(value)} req/s or more"
    number, unit = _scaled(value, metric)
    return number + unit if unit == "%" else f"{number} {unit}"


def format_quantity(value: float, metric: str) -> str:
    """A value as SLOs are written: `612ms`; per GPU it is `tok/s` there too."""
    number, unit = _scaled(value, metric)
    return number + unit.removesuffix("/GPU")


def format_share(share: float) -> str:
    """A positive share for people: `22%`."""
    percent = share * 100
    return f"{percent:.0f}%" if percent >= 1 else f"{percent:.2g}%"


def format_excess(share: float, limit: str) -> str:
    """How far a limit is missed by this share of it: `500ms by 22%`, `1ms 43 times over`."""
    return f"{limit} {1 + share:.0f} times over" if share >= _FACTOR else f"{limit} by {format_share(share)}"


def figure_name(metric: str, statistic: Statistic | None) -> str:
    """The name of a figure: `TTFT P99`, `OutputThroughput`."""
    return f"{metric} {statistic or DEFAULT_STATISTIC}" if metric in LATENCY_METRICS else metric


def place(level: Level) -> str:
    """The name of a level: `chat x 32`, `chat x 4 req/s`."""
    return place_of(level.scenario, level.offered, level.rate is not None)


def place_of(scenario: str, offered: float, open_loop: bool) -> str:
    """The name of a level by its scenario and what is offered there: `chat x 32`, `chat x 4 req/s`."""
    return f"{scenario} x {offered:g} req/s" if open_loop else f"{scenario} x {offered:g}"


def told(offered: float, open_loop: bool) -> str:
    """What is offered at a level, in words: `concurrency 32`, `4 req/s`."""
    return f"{offered:g} req/s" if open_loop else f"concurrency {offered:g}"


def _scaled(value: float, metric: str) -> tuple[str, str]:
    if metric in LATENCY_METRICS:
        return (_number(value), "s") if value >= 1 else (_number(value * 1000), "ms")
    if metric in ("ErrorRate", "Attainment"):
        return _number(value * 100), "%"
    return _number(value), _UNITS[metric]


def _number(value: float) -> str:
    """A number with three digits or all whole ones; with two if it is very small."""
    if value >= 100:
        return f"{value:.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2g}" if 0 < value < 0.1 else f"{value:.2f}"
