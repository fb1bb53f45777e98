"""What people see of a task while it runs and at its end: pure, from the objects of the API to lines and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from autotuner.kubernetes_object import Object
from autotuner.scoring import format_value

_STYLES = {"Succeeded": "green", "Failed": "red", "Benchmarking": "cyan", "Releasing": "dim"}


def progress(task: Object, experiments: Sequence[Object], seconds: float) -> RenderableType:
    """The task in one line and every experiment in a row."""
    status = task.get("status", {})
    head = Text(f"{int(seconds) // 60}:{int(seconds) % 60:02d}  ", style="dim")
    head.append(f"{status.get('phase', 'Pending')}  ", style="bold")
    head.append(status.get("message", "waiting for the operator"))
    table = Table(box=None, pad_edge=False, header_style="dim")
    names = [parameter["name"] for parameter in task["spec"]["parameters"]]
    for name in ("experiment", *names, "gpus", "phase", "tok/s/GPU", "TTFT P95", "seconds"):
        table.add_column(name, justify="left" if name in ("experiment", "phase") else "right")
    best = (status.get("best") or {}).get("experiment")
    for experiment in experiments:
        cells = row(experiment, names)
        style = "bold green" if experiment["metadata"]["name"] == best else _STYLES.get(phase(experiment), "")
        table.add_row(*cells, style=style)
    return Group(head, Text(), table)


def phase(experiment: Object) -> str:
    """The experiment's phase, or why it ended when that is not plain success."""
    status = experiment.get("status", {})
    word: str = status.get("phase", "Pending")
    return word if status.get("reason") in (None, "Completed") else status["reason"]


def row(experiment: Object, names: Sequence[str]) -> list[str]:
    """One experiment as the cells of the progress table: its best level's figures as soon as there are any."""
    status, spec = experiment.get("status", {}), experiment["spec"]
    gpus = spec["service"]["accelerator"]["count"]
    levels = status.get("levels", [])
    best = max(levels, key=lambda level: level["outputTokensPerSecond"], default=None)
    figures = ["", ""]
    if best:
        ttft = best["ttftSeconds"]["p95"] * 1000
        figures = [f"{best['outputTokensPerSecond'] / gpus:.0f}", f"{ttft:.0f} ms"]
    seconds = f"{status['gpuSeconds'] / gpus:.0f}" if "gpuSeconds" in status else ""
    chosen = {parameter["name"]: parameter["value"] for parameter in spec.get("parameters", [])}
    values = [chosen.get(name, "baseline" if name == names[0] else "") for name in names]
    return [experiment["metadata"]["name"], *values, str(gpus), phase(experiment), *figures, seconds]


def line(task: Object) -> str:
    """The same in one line, for output that is not a terminal."""
    status = task.get("status", {})
    return f"{status.get('phase', 'Pending'):<10} {status.get('message', 'waiting for the operator')}"


def kubectl(table: Object) -> str:
    """A meta.k8s.io Table as kubectl prints it."""
    columns = [(i, column) for i, column in enumerate(table["columnDefinitions"]) if column["priority"] == 0]
    rows = [[column["name"].upper() for _, column in columns]]
    rows += [[_cell(entry["cells"][i]) for i, _ in columns] for entry in table["rows"]]
    widths = [max(len(cells[i]) for cells in rows) for i in range(len(columns))]
    return "\n".join("   ".join(text.ljust(width) for text, width in zip(cells, widths, strict=True)) for cells in rows)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def answer(task: Object) -> str:
    """The best parameters with what was measured."""
    status = task["status"]
    best = status.get("best")
    if not best:
        return f"No configuration was found: {status.get('message', '')}"
    metrics, level, baseline = best["metrics"], best["level"], status["baseline"]
    metric = task["spec"]["objectives"][0]["metric"]
    ttft, tpot = metrics["ttftSeconds"], metrics.get("tpotSeconds", {})
    before = format_value(baseline["value"], metric) if "value" in baseline else "no value"
    lines = [
        f"Best: {best['experiment']}, {format_value(best['value'], metric)}, {best.get('gain', 'no gain')} over the"
        f" baseline ({baseline['experiment']}, {before}); {_confidence(best['confidence'])}",
        *(f"  {one['name']:<24} {one['value']}" for one in best.get("parameters", [])),
        f"  measured at {level['scenario']} x {level['concurrency']}:"
        f" {metrics['outputTokensPerSecond']:.0f} tok/s, TTFT P95 {ttft['p95'] * 1000:.0f} ms,"
        f" TPOT P95 {tpot.get('p95', 0) * 1000:.1f} ms, {metrics['requests']} requests, {metrics['errors']} errors",
        f"  to paste: {' '.join(best['args'])}",
        f"  it took {status['usage']['gpuHours']:.2f} GPU-hours",
    ]
    return "\n".join(lines)


def _confidence(found: Object) -> str:
    """`Improved, 95% sure of +4.1% to +9.8%`."""
    if "low" not in found:
        return str(found["verdict"])
    return f"{found['verdict']}, 95% sure of {found['low']:+.1f}% to {found['high']:+.1f}%"
