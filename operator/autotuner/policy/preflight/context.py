"""Checks of the context: do prompts and answers of the scenarios fit into the longest sequence that an engine takes?

vLLM answers a prompt that is too long with an error, and lowers `max_tokens` of one whose answer would be, without a
word: a benchmark would measure other traffic than the task says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from autotuner import engines
from autotuner.api.task import TaskSpec
from autotuner.api.traffic_scenarios import Scenario
from autotuner.engines.combination_rules import number
from autotuner.engines.model_rules import ModelConfig
from autotuner.policy.preflight.checked_task import Case
from autotuner.search.space.command_line import by_flag, flag_value
from autotuner.validation_messages import Finding, Kind


class Tokens(NamedTuple):
    """Tokens of a prompt and its answer together.

    Attributes:
        certain: that many requests have at least; the mean of a normal distribution, the highest of the others.
        likely: that a few requests have: two standard deviations above the mean.
    """

    certain: int
    likely: int


def of_load(load: str) -> Tokens:
    """The tokens of a scenario's requests: `load` as LOAD_PATTERN of the API has it."""
    given = [int(figure) for figure in re.findall(r"[0-9]+", load)]
    if load.startswith("N"):
        mean, spread, mean_out, spread_out = given
        return Tokens(mean + mean_out, mean + mean_out + 2 * (spread + spread_out))
    if load.startswith("U") and len(given) == 4:
        _, most, _, most_out = given
        return Tokens(most + most_out, most + most_out)
    most, most_out = given
    return Tokens(most + most_out, most + most_out)


def of_scenario(scenario: Scenario) -> Tokens | None:
    """The tokens of a scenario's longest requests, with shared prefixes and all turns before; None for a trace.

    What does not fit of a trace is cut, and told with the results.
    """
    if scenario.load is None:
        return None
    one = of_load(scenario.load)
    turns, prefix = (scenario.turns.count if scenario.turns else 1), (scenario.prefix.tokens if scenario.prefix else 0)
    # The sum of many drawn lengths is near the sum of their means.
    return Tokens(prefix + turns * one.certain, prefix + (turns - 1) * one.certain + one.likely)


def longest_request(spec: TaskSpec) -> int:
    """The tokens that a configuration must take for every scenario of a task to be measured; 0 if unknown."""
    known = [tokens.certain for scenario in spec.benchmark.scenarios if (tokens := of_scenario(scenario))]
    return max(known, default=0)


def problems(case: Case) -> Iterator[Finding]:
    """Scenarios that do not fit where every configuration, or the baseline, has one context."""
    for where, limit in _limits(case):
        for scenario in case.spec.benchmark.scenarios:
            tokens = of_scenario(scenario)
            if tokens and tokens.certain > limit:
                details = {"tokens": tokens.certain, "flag": _flag(case), "limit": limit, "where": where}
                yield Finding(f"benchmark.scenarios[{scenario.name}].load", Kind.REQUESTS_TOO_LONG, details)


def warnings(case: Case) -> Iterator[Finding]:
    """Scenarios of which some requests do not fit, or of which nobody knows."""
    limits = list(_limits(case))
    for scenario in case.spec.benchmark.scenarios:
        field, tokens = f"benchmark.scenarios[{scenario.name}].load", of_scenario(scenario)
        if tokens is None:
            continue
        for where, limit in limits:
            if tokens.certain <= limit < tokens.likely:
                details = {"tokens": tokens.likely, "flag": _flag(case), "limit": limit, "where": where}
                yield Finding(field, Kind.SOME_REQUESTS_TOO_LONG, details)
        own = _own_context(case)
        if own and not limits and tokens.certain > own:
            yield Finding(field, Kind.REQUESTS_BEYOND_MODEL, {"tokens": tokens.certain, "limit": own})


def _limits(case: Case) -> Iterator[tuple[str, int]]:
    """Where a context is fixed, and the tokens that it has."""
    spec = case.spec
    if case.engine is None or not _flag(case) or case.runtime_spec is None:
        return
    engine, template, extra = engines.get(case.engine), case.template, spec.runtime.extra_args or []
    runtime = [*template.command, *template.args]
    if engine.context not in _searched(case, engine) and (fixed := _context(engine, [*runtime, *extra])):
        yield ("runtime.extraArgs" if _context(engine, extra) else "the runtime"), fixed
    baseline = spec.baseline.args if spec.baseline else []
    if (own := _context(engine, baseline)) and not _context(engine, extra):
        yield "baseline.args", own


def _searched(case: Case, engine: engines.Engine) -> set[str]:
    """The canonical flags that parameters set."""
    parameters = case.spec.parameters
    return {engine.canonical(parameter.name) for parameter in parameters} | {
        flag
        for parameter in parameters
        for variant in parameter.variants or []
        for flag in by_flag(variant.args, engine)
    }


def _context(engine: engines.Engine, args: Sequence[str]) -> int | None:
    """The context that arguments set; None if they set none, or leave it to the engine (auto, -1)."""
    given = by_flag(args, engine).get(engine.context)
    value = number({engine.context: flag_value(given[-1:], engine)}, engine.context) if given else None
    return int(value) if value is not None and value > 0 else None


def _own_context(case: Case) -> int:
    """The model's own context; 0 if its object does not tell."""
    config = ModelConfig.of(case.model_spec)
    told = case.model_spec.get("maxTokens")
    return (config.context if config else 0) or (told if isinstance(told, int) else 0)


def _flag(case: Case) -> str:
    return engines.get(case.engine).context if case.engine else ""
