"""The command `resume`: let a suspended task go on."""

from __future__ import annotations

from typer import echo

from autotuner.cli.cluster.suspend import switched
from autotuner.cli.shared.options import Context, Kubeconfig, Namespace, Task

EXAMPLES = ("resume paused-search --namespace llm",)


def run(task: Task, namespace: Namespace = "", context: Context = "", kubeconfig: Kubeconfig = "") -> None:
    """Go on with a suspended task.

    Exit code: 0 resumed, 1 it cannot be, 2 wrong usage.
    """
    from autotuner.cli.shared.cluster_access import Where

    echo(switched(Where(namespace, context, kubeconfig), task, on=False))
