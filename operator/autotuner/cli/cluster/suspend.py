"""The command `suspend`: stop a task's search and free its accelerators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer import echo

from autotuner.cli.shared.options import Context, Kubeconfig, Namespace, Task

if TYPE_CHECKING:
    from autotuner.cli.shared.cluster_access import Where
    from autotuner.kubernetes_object import Object

EXAMPLES = ("suspend chat-search --namespace llm",)

# What tools that deploy from Git leave on objects; a change made here does not last.
_FROM_GIT = {
    "argocd.argoproj.io/tracking-id": "Argo CD",
    "kustomize.toolkit.fluxcd.io/name": "Flux",
    "helm.toolkit.fluxcd.io/name": "Flux",
}


def run(task: Task, namespace: Namespace = "", context: Context = "", kubeconfig: Kubeconfig = "") -> None:
    """Stop a task's search and free its accelerators.

    Running experiments are cancelled. What was measured stays, and `resume` goes on from there.

    Exit code: 0 suspended, 1 it cannot be, 2 wrong usage.
    """
    from autotuner.cli.shared.cluster_access import Where

    echo(switched(Where(namespace, context, kubeconfig), task, on=True))


def switched(where: Where, name: str, *, on: bool) -> str:
    """Suspend a task or resume it; returns what to tell."""
    from autotuner.cli.shared.cluster_access import Cluster, ToldError, told, use
    from autotuner.kube import TASK

    async def switch(cluster: Cluster) -> str:
        task = await cluster.task(name)
        state = "suspended" if on else "resumed"
        if _finished(task):
            raise ToldError(f"TuningTask {name} is finished, and never starts again: create another to search again")
        if bool(task["spec"].get("suspend")) == on:
            return f"TuningTask {name} {'is suspended already' if on else 'is not suspended'}"
        with told(f"TuningTask {name} in namespace {cluster.namespace}"):
            await cluster.kube.merge(TASK, cluster.namespace, name, {"spec": {"suspend": on}})
        return "\n".join(filter(None, (f"TuningTask {name} {state}", _git_note(task, on))))

    return use(where, switch)


def _finished(task: Object) -> bool:
    conditions = (task.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Finished" and one["status"] == "True" for one in conditions)


def _git_note(task: Object, on: bool) -> str:
    """That the change does not last where a tool keeps the task as Git has it; empty where none does."""
    marks = {**(task["metadata"].get("labels") or {}), **(task["metadata"].get("annotations") or {})}
    tool = next((name for key, name in _FROM_GIT.items() if key in marks), "")
    written = f"suspend: {str(on).lower()}"
    return f"note: {tool} deploys this task and may undo that: write {written} in Git too" if tool else ""
