"""The command `watch`: what happens to tasks, as it happens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit, echo

from autotuner.cli.shared.options import Context, Everywhere, Kubeconfig, Namespace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from autotuner.cli.shared.cluster_access import Cluster
    from autotuner.kubernetes_object import Object

EXAMPLES = ("watch chat-done --namespace llm",)

_Watched = Annotated[str | None, Argument(metavar="[TASK]", help="Until this task is over; none: all, until Ctrl-C.")]
_GONE = 410
_PAUSE_SECONDS = 1.0  # before a watch that ended is begun again: a proxy may end each at once


def run(
    task: _Watched = None,
    namespace: Namespace = "",
    everywhere: Everywhere = False,
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Print a line whenever a task tells something new.

    With TASK it ends when the task does.

    Exit code: 0 the task succeeded, 1 it failed, was deleted or cannot be read, 2 wrong usage, 130 interrupted.
    """
    from autotuner.cli.shared.cluster_access import FAILED, Where, use

    async def follow(cluster: Cluster) -> bool:
        if task is not None:
            await cluster.task(task)  # tells who is there, where the name is wrong
        async for line, over in lines(cluster, task):
            echo(line)
            if over is not None:
                return over
        return True

    if not use(Where(namespace, context, kubeconfig, everywhere and task is None), follow):
        raise Exit(FAILED)


async def lines(cluster: Cluster, name: str | None) -> AsyncIterator[tuple[str, bool | None]]:
    """A line for each news of tasks; beside it, for the named task, whether it succeeded once it is over."""
    told: dict[str, str] = {}
    async for kind, body in _events(cluster):
        if name is not None and body["metadata"]["name"] != name:
            continue
        key = f"{body['metadata'].get('namespace')}/{body['metadata']['name']}"
        line = _line(body, deleted=kind == "DELETED", everywhere=cluster.everywhere)
        over = False if kind == "DELETED" else _over(body)
        if told.get(key) != line or over is not None:
            told[key] = line
            yield line, (over if name is not None else None)


async def _events(cluster: Cluster) -> AsyncIterator[tuple[str, Object]]:
    """What happens to tasks, for ever: a watch that ends is begun again where it ended."""
    from autotuner.cli.shared import cluster_access
    from autotuner.kube import TASK, KubeError

    version, namespace = "", None if cluster.everywhere else cluster.namespace
    while True:
        with cluster_access.told("tuningtasks"):
            try:
                async for event in cluster.kube.watch(TASK, namespace, version):
                    version = event.object["metadata"]["resourceVersion"]
                    if event.type != "BOOKMARK":
                        yield event.type, event.object
            except KubeError as problem:
                if problem.status != _GONE:
                    raise
                version = ""
        await asyncio.sleep(_PAUSE_SECONDS)


def _line(task: Object, *, deleted: bool, everywhere: bool) -> str:
    from autotuner.cli.cluster.list_tasks import row
    from autotuner.cli.shared import printing

    told = row(task)
    who = f"{told.namespace}/{told.name}" if everywhere else told.name
    phase = "Deleted" if deleted else told.phase
    done = f" {told.experiments}" if told.experiments else ""
    return printing.text(
        " ".join(f"{who}: {phase}{done}: {told.message or 'the operator has not seen it yet'}".split())
    )


def _over(task: Object) -> bool | None:
    """Whether a finished task succeeded; None while it is not finished."""
    states = {one["type"]: one["status"] for one in (task.get("status") or {}).get("conditions") or ()}
    return states.get("Succeeded") == "True" if states.get("Finished") == "True" else None
