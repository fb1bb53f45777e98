"""What an engine said of itself that makes the figures of a level doubtful, in words. Pure."""

from __future__ import annotations

from autotuner.api.experiment import Level

# A chat template begins every prompt alike.
_TEMPLATE_SHARE = 0.1
# A request that is computed twice has a latency of its own; one in a hundred moves a P99.
_PREEMPTED_SHARE = 0.01


def of_level(level: Level, where: str, shares_prefixes: bool) -> list[str]:
    """Sentences on cache hits that nobody planned, and on requests that were computed twice.

    Args:
        level: with the engine's figures.
        where: its name, with which every sentence begins.
        shares_prefixes: prompts have beginnings in common, so that hits are planned.
    """
    engine, found = level.engine, []
    if engine is None:
        return []
    hits = engine.prefix_hit_share or 0.0
    if hits > _TEMPLATE_SHARE and not shares_prefixes:
        found.append(
            f"{where}: the prefix cache had {hits:.0%} of the prompts' tokens, although prompts have no beginnings in"
            " common: TTFT is that of other traffic; is somebody else using the engine?"
        )
    if (preempted := engine.preemptions or 0) > _PREEMPTED_SHARE * max(1, level.requests):
        found.append(
            f"{where}: the engine ran out of KV cache and preempted requests {preempted} times, and computed them"
            " twice; it needs more KV cache, or fewer requests at a time"
        )
    return found
