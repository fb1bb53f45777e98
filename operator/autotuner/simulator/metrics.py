"""What the simulated engine says about itself on /metrics, under the engine's own names."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from autotuner.simulator.scheduler import SimulatedEngine

QUANTILES = (0.5, 0.95, 0.99)
WINDOW = 100_000


@dataclass(slots=True)
class Lateness:
    """How late tokens were written against the model's own time, in seconds, over the last 100,000 events."""

    last_chunk: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    step: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def clear(self) -> None:
        """Forget everything measured so far."""
        self.last_chunk.clear()
        self.step.clear()

    def summary(self) -> dict[str, dict[str, float]]:
        """Count and quantiles of both kinds."""
        return {name: _summary(values) for name, values in (("last_chunk", self.last_chunk), ("step", self.step))}


def _summary(values: Iterable[float]) -> dict[str, float]:
    ordered = sorted(values)
    result: dict[str, float] = {"count": len(ordered)}
    if ordered:
        result |= {str(q): ordered[min(len(ordered) - 1, int(q * len(ordered)))] for q in QUANTILES}
        result["max"] = ordered[-1]
    return result


def exposition(dialect: str, served_name: str, engines: Sequence[SimulatedEngine], lateness: Lateness) -> str:
    """The page in Prometheus text format."""
    counters = [engine.counters for engine in engines]
    running = sum(len(engine.running) for engine in engines)
    waiting = sum(len(engine.waiting) for engine in engines)
    usage = sum(engine.used_tokens / engine.capacity for engine in engines) / max(1, len(engines))
    prompt = sum(counter.prompt_tokens for counter in counters)
    cached = sum(counter.cached_tokens for counter in counters)
    output = sum(counter.output_tokens for counter in counters)
    finished = sum(counter.finished for counter in counters)
    preempted = sum(counter.preemptions for counter in counters)
    rows: list[tuple[str, str, float]]
    if dialect == "sglang":
        rows = [
            ("num_running_reqs", "gauge", running),
            ("num_queue_reqs", "gauge", waiting),
            ("token_usage", "gauge", usage),
            ("cache_hit_rate", "gauge", cached / prompt if prompt else 0.0),
            ("prompt_tokens_total", "counter", prompt),
            ("cached_tokens_total", "counter", cached),
            ("generation_tokens_total", "counter", output),
            ("num_requests_total", "counter", finished),
            ("num_retracted_requests_total", "counter", preempted),
        ]
    else:
        rows = [
            ("num_requests_running", "gauge", running),
            ("num_requests_waiting", "gauge", waiting),
            ("kv_cache_usage_perc", "gauge", usage),
            ("prefix_cache_queries_total", "counter", prompt),
            ("prefix_cache_hits_total", "counter", cached),
            ("prompt_tokens_total", "counter", prompt),
            ("generation_tokens_total", "counter", output),
            ("request_success_total", "counter", finished),
            ("num_preemptions_total", "counter", preempted),
        ]
    lines: list[str] = []
    for name, kind, value in rows:
        lines += [f"# TYPE {dialect}:{name} {kind}", f'{dialect}:{name}{{model_name="{served_name}"}} {value:g}']
    lines.append("# TYPE simulator:lateness_seconds summary")
    for kind, summary in lateness.summary().items():
        lines += [
            f'simulator:lateness_seconds{{kind="{kind}",quantile="{q}"}} {summary[str(q)]:.6f}'
            for q in QUANTILES
            if str(q) in summary
        ]
        lines.append(f'simulator:lateness_seconds_count{{kind="{kind}"}} {summary["count"]:g}')
    return "\n".join(lines) + "\n"
