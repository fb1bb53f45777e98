"""What limits a configuration at a level, by what its engine said of itself."""

from __future__ import annotations

from autotuner.api.experiment import EngineFigures, Level

# The engine holds requests back before the cache is full to the last token.
_FULL = 0.95
# Fewer waiting requests than this share of those running come and go by chance.
_QUEUE_SHARE = 0.1
_PREFILL_SHARE = 0.5


def of(level: Level) -> str:
    """What limits the engine at this level, as the end of a sentence; empty where it said too little of itself."""
    said = level.engine
    if said is None or said.kv_use_peak is None or said.waiting_mean is None:
        return ""
    used = f"its KV cache is in use up to {said.kv_use_peak:.0%}"
    if said.kv_use_peak >= _FULL or said.preemptions:
        preempted = f" and it preempted requests {said.preemptions} times" if said.preemptions else ""
        return f"the KV cache: {used}{preempted}, so that more of it would serve more requests at a time"
    if said.waiting_mean > max(1.0, _QUEUE_SHARE * (said.running_mean or 0.0)):
        return f"the queue: {_waiting(said)}, although {used}; limits of requests or of tokens in a step hold them back"
    if (before := _before_first_token(level)) is not None and before > _PREFILL_SHARE:
        return f"prefill: {before:.0%} of a request's time pass before its first token, and hardly any request waits"
    return f"nothing that the engine tells of: {used}, and hardly any request waits, so that more load may give more"


def _waiting(said: EngineFigures) -> str:
    return f"{said.waiting_mean:.1f} requests wait for their turn on average"


def _before_first_token(level: Level) -> float | None:
    if level.ttft_seconds is None or level.e2e_latency_seconds is None or level.e2e_latency_seconds.mean <= 0:
        return None
    return level.ttft_seconds.mean / level.e2e_latency_seconds.mean
