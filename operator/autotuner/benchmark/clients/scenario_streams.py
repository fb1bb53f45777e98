"""The streams of requests that a scenario's levels are made of, alike for every load client."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any

from autotuner.benchmark.clients.prompts import Draw, Prompts, SyntheticRequests
from autotuner.benchmark.clients.trace_requests import TraceRequests, clip
from autotuner.benchmark.contract.spec import RunnerScenario, RunnerSpec
from autotuner.benchmark.traces.trace_file import ReadTrace

# Of a warm-up before a trace that does not say its lengths.
_WARMUP_TOKENS = 256


class ScenarioStreams:
    """Makes the streams of a benchmark.

    Args:
        spec: of the benchmark.
        sampler: makes texts.
        traces: what was read, by scenario.
    """

    def __init__(self, spec: RunnerSpec, sampler: Any, traces: Mapping[str, ReadTrace]) -> None:
        self._spec, self._sampler, self._traces = spec, sampler, traces

    def warm_up(self, key: Hashable, expected: int) -> Prompts:
        """The stream of the warm-up: requests of the first level's shape, of a text that no level has."""
        scenario = self._spec.levels[0][0]
        load = scenario.load or _shape(self._traces[scenario.name])
        return Prompts(SyntheticRequests(self._sampler, _parsed(load), key, scenario.prefix), expected)

    def level(self, index: int, key: Hashable, expected: int) -> Prompts:
        """The stream of a level.

        Args:
            index: of the level in the spec.
            key: what it is drawn from.
            expected: how many requests will be taken.
        """
        scenario, _ = self._spec.levels[index]
        if scenario.trace is None:
            return Prompts(self._synthetic(scenario, key), expected)
        ladder = len(self._spec.ladder)
        recorded = self._traces[scenario.name].requests
        draw = TraceRequests(self._sampler, recorded, key, index % ladder, ladder)
        return Prompts(draw, expected, partial(clip, self._sampler), draw.different)

    def _synthetic(self, scenario: RunnerScenario, key: Hashable) -> Draw:
        turns = scenario.turns.count if scenario.turns else 1
        return SyntheticRequests(self._sampler, _parsed(scenario.load or ""), key, scenario.prefix, turns)


def _parsed(load: str) -> Any:
    from genai_bench.scenarios import Scenario

    return Scenario.from_string(load)


def _shape(trace: ReadTrace) -> str:
    """One fixed size near those of a trace."""
    first = trace.requests[:100]
    asked = sum(one.output_tokens for one in first) // len(first)
    given = sum(one.input_tokens for one in first) // len(first)
    return f"D({given or _WARMUP_TOKENS},{asked or _WARMUP_TOKENS})"
