"""How much processor time it takes to build and to count a search space: `python -m tests.benchmarks.space`.

The million is a task as people write it: ranges, unset values, a condition, constraints. The billion has no rules; in
the joined one a single constraint reads every parameter, so that it can only be estimated.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

from autotuner.api.parameters import Constraint, SearchParameter
from autotuner.search.space.assembly import Offer, assemble
from autotuner.search.space.cluster_facts import Facts
from autotuner.search.space.space import Space
from tests.benchmarks import against


def _million() -> Offer:
    parameters: list[dict[str, Any]] = [
        {"name": "tp-size", "values": [1, 2, 4, 8]},
        {"name": "dp-size", "values": [1, 2, 4]},
        {"name": "mem-fraction-static", "range": {"min": 0.7, "max": 0.95, "step": 0.025}},
        {
            "name": "chunked-prefill-size",
            "range": {"min": 1024, "max": 16384, "scale": "Log", "type": "Integer"},
            "allowUnset": True,
        },
        {
            "name": "enable-mixed-chunk",
            "toggle": True,
            "when": "!has(p.chunked_prefill_size) || p.chunked_prefill_size >= 2048",
        },
        {"name": "schedule-policy", "choices": ["lpm", "fcfs", "dfs-weight", "random"]},
        {"name": "max-running-requests", "values": [16, 32, 64, 128, 256, 512]},
        {"name": "schedule-conservativeness", "range": {"min": 0.3, "max": 1.3, "step": 0.2}},
        {
            "name": "speculation",
            "variants": [
                {"name": "none", "args": []},
                {"name": "ngram", "args": ["--speculative-algorithm=NGRAM"], "env": [{"name": "A", "value": "1"}]},
            ],
        },
    ]
    rules = [
        "p.tp_size * p.dp_size <= 8",
        "p.schedule_policy != 'random' || p.max_running_requests <= 128",
        "p.mem_fraction_static < 0.9 || p.tp_size > 1",
        "!has(p.chunked_prefill_size) || p.chunked_prefill_size >= p.max_running_requests * 8",
    ]
    return _offer(parameters, rules)


def _billion(*rules: str) -> Offer:
    return _offer([{"name": f"p{number}", "values": list(range(8))} for number in range(10)], rules)


def _offer(parameters: list[dict[str, Any]], rules: Sequence[str]) -> Offer:
    return Offer(
        tuple(SearchParameter.model_validate(parameter) for parameter in parameters),
        tuple(Constraint(rule=rule) for rule in rules),
    )


def _measure(name: str, offer: Offer) -> tuple[int, dict[str, float]]:
    """Print a row; returns the size and the times by name."""
    begin = time.process_time()
    space = Space(assemble(offer, "SGLang", ["--tp-size=1", "--fixed=1"], Facts()), offer)
    build = time.process_time() - begin
    numbers = range(0, space.numbers, max(1, space.numbers // 5000))
    begin = time.process_time()
    configurations = [space.at(number) for number in numbers]
    at = (time.process_time() - begin) / len(numbers)
    some = [one for one in configurations if one is not None][:500]
    begin = time.process_time()
    for one in some:
        space.render(one)
    render = (time.process_time() - begin) / len(some)
    exact = "yes" if space.exact else "no"
    print(f"{name:<20}{space.size:>16,}{exact:>7}{build * 1e3:>10.1f}{at * 1e6:>8.1f}{render * 1e6:>11.1f}")
    for rule, count in space.removed:
        print(f"    {rule} removes {count:,}")
    return space.size, {"build in ms": build * 1e3, "at in us": at * 1e6, "render in us": render * 1e6}


def run(_: argparse.Namespace) -> against.Result:
    """Print a table."""
    total = " + ".join(f"p.p{number}" for number in range(10))
    print(f"{'space':<20}{'size':>16}{'exact':>7}{'build ms':>10}{'at us':>8}{'render us':>11}")
    offers = {"a million": _million(), "a billion, free": _billion(), "a billion, joined": _billion(f"{total} <= 35")}
    found = {name: _measure(name, offer) for name, offer in offers.items()}
    figures = {f"{name}, {what}": [value] for name, (_, times) in found.items() for what, value in times.items()}
    return against.Result(figures, answers={name: [str(size)] for name, (size, _) in found.items()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sys.exit(against.main("space", parser, run, rounds=5))
