"""Writes docs/metrics.md from the metrics and the alert rules themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import Metric

from autotuner import metrics

_ROOT = Path(__file__).parents[1]
FILE = _ROOT / "docs" / "metrics.md"
RULES = _ROOT / "monitoring" / "prometheusrule.yaml"
_SUFFIXES = {"counter": "_total", "info": "_info"}

_HEAD = """\
# Metrics and alerts

This page lists the metrics of the operator and the alerts on them. `make generate` writes it from
`operator/autotuner/metrics.py` and `monitoring/prometheusrule.yaml`.

## Setup

The operator serves Prometheus' text format on port 8080 at `/metrics` (`AUTOTUNER_METRICS_PORT`). The labels
`namespace` and `task` name the TuningTask, so scrape with `honorLabels: true`, as the chart's ServiceMonitor does. A
standby replica serves the same metrics without any values. The operator also serves the usual `process_*` metrics.

The chart installs a ServiceMonitor, alert rules and a Grafana dashboard:

```console
$ helm upgrade autotuner helm/autotuner --namespace autotuner-system --reset-then-reuse-values \\
    --set metrics.serviceMonitor.enabled=true --set metrics.prometheusRule.enabled=true \\
    --set metrics.dashboard.enabled=true
```

Without the Prometheus Operator, use `spec.groups` of `monitoring/prometheusrule.yaml` as a rule file and import
`monitoring/dashboard.json` into Grafana.

## Metrics

| metric | type | labels | meaning |
|---|---|---|---|
"""
_ALERTS = """
## Alerts

[operations.md](operations.md#autotunerdown) says for each alert what to do.

| alert | severity | after | meaning |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Described:
    """A metric as Prometheus knows it: `name` is that of its series, a histogram's without its endings."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


def described() -> list[Described]:
    """The operator's own metrics, by name."""
    return sorted(_families(), key=lambda one: one.name)


def _families() -> Iterator[Described]:
    # The registry tells names of labels only where there are series.
    for collector in metrics.REGISTRY._collector_to_names:
        for family in collector.collect():
            if family.name.startswith("autotuner_"):
                name = family.name + _SUFFIXES.get(family.type, "")
                yield Described(name, family.type, _labels(collector, family), family.documentation)


def _labels(collector: Any, family: Metric) -> tuple[str, ...]:
    names = getattr(collector, "_labelnames", ()) or getattr(family, "_labelnames", ())
    return tuple(names or (family.samples[0].labels if family.samples else ()))


def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    return [rule for group in yaml.safe_load(RULES.read_text())["spec"]["groups"] for rule in group["rules"]]


def render() -> str:
    """The page as the file holds it."""
    rows = [
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} | {one.meaning} |"
        for one in described()
    ]
    alerts = [
        f"| [{rule['alert']}]({rule['annotations']['runbook'].removeprefix('docs/')}) | {rule['labels']['severity']}"
        f" | {rule.get('for', 'at once')} | {rule['annotations']['summary']} |"
        for rule in rules()
    ]
    return _HEAD + "\n".join(rows) + "\n" + _ALERTS + "\n".join(alerts) + "\n"
