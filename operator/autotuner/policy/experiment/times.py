"""When an experiment reached its steps, by one clock: the operator's own, from when it first saw each of them.

Kubelets, the API server and the operator run on machines of their own, and a difference of two machines' times is as
wrong as their clocks. So nothing here reads a timestamp of another. What is reached is kept in the status, where a
restarted operator finds it; a step that fell into the operator's absence counts from its return.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from autotuner import clock
from autotuner.api.experiment import Times
from autotuner.benchmark.contract.result import Result
from autotuner.policy import conditions
from autotuner.policy.experiment.observed import ObservedExperiment
from autotuner.serving.backend import Serving


def known_since(seen: ObservedExperiment, now: datetime) -> datetime:
    """When the operator saw the experiment for the first time, or since its turn came."""
    first = conditions.find(seen.status.conditions, "Finished")
    return clock.parse(first.last_transition_time) if first and first.status != "Unknown" else now


def has_served(seen: ObservedExperiment) -> bool:
    """Whether the engine serves or has served, whatever came after."""
    known = seen.status.times is not None and seen.status.times.engine_ready is not None
    return known or isinstance(seen.serving, Serving)


def reached(seen: ObservedExperiment, now: datetime) -> Times:
    """The steps that are reached: those known from before, and with the present time those that are new."""
    known, engine, benchmark = seen.status.times or Times(), seen.engine, seen.benchmark
    steps = {
        "created": seen.owns_root,
        "scheduled": engine is not None and engine.node is not None,
        "container_started": engine is not None and engine.started,
        "engine_ready": has_served(seen),
        "benchmark_scheduled": benchmark is not None and benchmark.node is not None,
        "benchmark_finished": benchmark is not None and benchmark.ended is not None,
    }
    new = [step for step, there in steps.items() if there and getattr(known, step) is None]
    return known.model_copy(update=dict.fromkeys(new, clock.stamp(now)))


def with_first_request(times: Times, result: Result) -> Times:
    """The times with the first request: as long before the end as the benchmark's own clock says."""
    measuring = clock.seconds_between(result.first_request, result.benchmark_finished)
    if measuring is None or times.benchmark_finished is None:
        return times
    begun = clock.parse(times.benchmark_finished) - timedelta(seconds=measuring)
    return times.model_copy(update={"first_request": clock.stamp(begun)})
