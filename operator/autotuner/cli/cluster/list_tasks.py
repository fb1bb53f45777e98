"""The command `list`: the tasks of a namespace or of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer import echo

from autotuner.cli.shared.options import Context, Everywhere, Format, Kubeconfig, Namespace, NoHeaders

if TYPE_CHECKING:
    from datetime import datetime

    from autotuner.cli.shared.records import TaskRow
    from autotuner.kubernetes_object import Object

EXAMPLES = ("list --namespace llm", "list --all-namespaces", "list -n llm --output json")


def run(
    namespace: Namespace = "",
    everywhere: Everywhere = False,
    output: Format = "text",
    no_headers: NoHeaders = False,
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """List tuning tasks with their best result so far.

    Exit code: 0 listed, 1 they cannot be read, 2 wrong usage.
    """
    from autotuner import clock
    from autotuner.cli.shared import cluster_access, printing, records
    from autotuner.kube import TASK

    where = cluster_access.Where(namespace, context, kubeconfig, everywhere)
    tasks = cluster_access.use(where, lambda cluster: cluster.all(TASK))
    rows = [row(task) for task in tasks]
    if output == "name":
        echo("".join(f"tuningtask.autotuner.io/{one.name}\n" for one in rows), nl=False)
    elif output == "text":
        shown = table(rows, clock.now(), everywhere=everywhere, headers=not no_headers, wide=printing.width())
        echo(shown, nl=False)
        if not rows:
            echo("no tasks; `create` writes one for what serves, `targets` lists what could be tuned", err=True)
    else:
        echo(printing.document(records.listed(rows, records.TaskRow), output), nl=False)


def row(task: Object) -> TaskRow:
    """What there is to tell of a task in one line."""
    from autotuner.cli.shared.records import TaskRow

    meta, status = task["metadata"], task.get("status") or {}
    best = status.get("best") or {}
    succeeded: Object = next((one for one in status.get("conditions") or () if one["type"] == "Succeeded"), {})
    return TaskRow(
        namespace=str(meta.get("namespace", "")),
        name=meta["name"],
        phase=status.get("phase") or "Pending",
        experiments=(status.get("experiments") or {}).get("summary"),
        best=(status.get("columns") or {}).get("best"),
        gain=best.get("gain"),
        verdict=(best.get("confidence") or {}).get("verdict"),
        gpu_hours=(status.get("usage") or {}).get("gpuHours"),
        reason=succeeded.get("reason"),
        message=status.get("message"),
        created=meta.get("creationTimestamp"),
    )


def table(rows: list[TaskRow], now: datetime, *, everywhere: bool, headers: bool, wide: int) -> str:
    """The rows for people."""
    from autotuner.cli.shared import printing

    heads = ["NAME", "PHASE", "DONE", "BEST", "GAIN", "GPU-H", "AGE"]
    cells = [
        [
            one.name,
            one.phase,
            one.experiments or "",
            one.best or "",
            one.gain or "",
            "" if one.gpu_hours is None else f"{one.gpu_hours:.1f}",
            printing.age(one.created, now),
        ]
        for one in rows
    ]
    if everywhere:
        heads = ["NAMESPACE", *heads]
        cells = [[row.namespace, *line] for row, line in zip(rows, cells, strict=True)]
    return printing.table(heads, cells, wide=wide, headers=headers, fixed=2 if everywhere else 1) if rows else ""
