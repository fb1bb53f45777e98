"""What was asked, and what was measured: images, versions, hashes, accelerators. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from autotuner import __version__, yaml_text
from autotuner.html_report.report_data import ReportData
from autotuner.policy.conditions import shorten
from autotuner.policy.evidence.measurements import Measured
from autotuner.scoring.figures import figure_name

_ASKED_MAX = 20_000  # characters of the YAML
_VARIETY_MAX = 8
# Of the spec; environment variables may hold what is nobody's business.
_SHOWN = ("parameters", "constraints", "parallelism", "quantization", "baseline", "benchmark", "search")
_HIDDEN = ("env", "pod", "tokenSecret")


def asked(data: ReportData) -> Iterator[tuple[str, str]]:
    """The goal, the limits and the traffic, in words."""
    spec = data.spec
    if spec is None:
        return
    yield "Objectives", ", ".join(figure_name(one.metric, one.statistic) for one in spec.objectives)
    limits = [_limit(one) for one in spec.slos or ()]
    yield "SLOs", "; ".join(limits) or "none"
    benchmark = spec.benchmark
    yield "Traffic", "; ".join(f"{one.name}: {one.load}, weight {one.weight:g}" for one in benchmark.scenarios)
    unit = "requests per second" if benchmark.rates is not None else "users"
    yield "Levels", f"{', '.join(f'{one:g}' for one in benchmark.ladder)} {unit}"
    yield "Search", f"{spec.search.strategy}, {spec.search.max_experiments} experiments, seed {spec.search.seed}"
    if spec.budget is not None:
        yield "Budget", ", ".join(f"{name} {value:g}" for name, value in spec.budget.dump().items())
    if (found := data.status.resolved) is not None:
        about = "about " if found.estimated else ""
        yield "Search space", f"{about}{found.configurations} configurations"


def search_space(data: ReportData) -> str:
    """The search space and the benchmark as YAML, without environment variables and Secrets."""
    if data.spec is None:
        return ""
    spec = data.spec.dump()
    return shorten(yaml_text.dump({key: _without_hidden(spec[key]) for key in _SHOWN if key in spec}), _ASKED_MAX)


def of(data: ReportData) -> Iterator[tuple[str, str]]:
    """Where the figures are from."""
    meta, status = data.object["metadata"], data.status
    yield (
        "Task",
        f"{data.namespace}/{data.name}, uid {meta.get('uid', 'unknown')}, generation {meta.get('generation', '?')}",
    )
    yield "Started", status.start_time or "not yet"
    yield "Completed", status.completion_time or "not yet"
    for term, read in _OF_RUNS:
        found = list(dict.fromkeys(value for run in data.runs if (value := read(run))))
        more = f", and {len(found) - _VARIETY_MAX} more" if len(found) > _VARIETY_MAX else ""
        if found:
            yield term, ", ".join(found[:_VARIETY_MAX]) + more
    if (winner := data.winner) is not None and winner.status.fingerprint:
        yield "Fingerprint of the best", winner.status.fingerprint
    yield "Report", f"autotuner {__version__}"


_OF_RUNS: tuple[tuple[str, Callable[[Measured], str | None]], ...] = (
    ("Engine", lambda run: run.spec.service.engine),
    ("Version that the engine told", lambda run: run.status.engine_version),
    ("Image", lambda run: run.status.image),
    ("Digest of the image", lambda run: run.status.image_id),
    ("Accelerator", lambda run: run.status.accelerator_product),
    ("Nodes of engines", lambda run: run.status.node),
    ("Nodes of benchmarks", lambda run: run.status.benchmark_node),
    ("Hash of the model", lambda run: run.status.hashes.model if run.status.hashes else None),
    ("Hash of the runtime", lambda run: run.status.hashes.runtime if run.status.hashes else None),
    ("Notes of the engine", lambda run: "; ".join(run.status.notes or ()) or None),
)


def _limit(slo: Any) -> str:
    side = f"at most {slo.max}" if slo.max is not None else f"at least {slo.min}"
    soft = ", soft" if slo.enforcement == "Soft" else ""
    return f"{figure_name(slo.metric, slo.statistic)} {side}{', of each request' if slo.per_request else ''}{soft}"


def _without_hidden(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_hidden(one) for key, one in value.items() if key not in _HIDDEN}
    return [_without_hidden(one) for one in value] if isinstance(value, list) else value
