"""The command `apply`: make what serves run what a task found best."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

from typer import BadParameter, Exit, Option, confirm, echo

from autotuner.cli.shared.options import Context, Kubeconfig, Namespace, Task, Yes

if TYPE_CHECKING:
    from autotuner.cli.cluster.recommended import Change
    from autotuner.cli.shared.cluster_access import Cluster

EXAMPLES = (
    "apply chat-done --namespace llm --dry-run client > patch.yaml",
    "apply chat-done --namespace llm --dry-run server",
    "apply chat-done --namespace llm --yes",
)

_Experiment = Annotated[
    str, Option("--experiment", metavar="NAME", help="Which one, where a task with several objectives has a front.")
]
_DryRun = Annotated[
    Literal["none", "client", "server"],
    Option("--dry-run", help="client: print it. server: let the API server try it, and keep nothing."),
]
_Force = Annotated[bool, Option("--force-conflicts", help="Take fields over that somebody else manages.")]


def run(
    task: Task,
    dry_run: _DryRun = "none",
    experiment: _Experiment = "",
    force_conflicts: _Force = False,
    yes: Yes = False,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Make what serves run the winner of a task.

    The change is a patch of the object that the task tuned, or a new object that serves. It is shown, and you are asked
    before it changes what runs.

    Exit code: 0 applied or shown, 1 it cannot be or you declined, 2 wrong usage.
    """
    from autotuner.cli.shared.cluster_access import FAILED, Where, use

    async def apply(cluster: Cluster) -> str:
        from autotuner.cli.cluster import recommended

        found = await recommended.read(cluster, task, experiment)
        if dry_run == "client":
            return found.text
        if dry_run == "none" and not yes:
            echo(found.text, err=True, nl=False)
            if not confirm(f"{found.doubt}Change {found.what} in namespace {found.namespace}?", err=True):
                echo("autotuner: nothing was changed", err=True)
                raise Exit(FAILED)
        return await _written(cluster, found, force=force_conflicts, dry_run=dry_run == "server")

    if dry_run == "none" and not yes and not sys.stdin.isatty():
        raise BadParameter("nobody can be asked here: say --yes, or --dry-run client to print the change")
    echo(use(Where(namespace, context, kubeconfig), apply), nl=False)


async def _written(cluster: Cluster, change: Change, *, force: bool, dry_run: bool) -> str:
    from autotuner.cli.shared import cluster_access
    from autotuner.cli.shared.cluster_access import ToldError
    from autotuner.kube import ConflictError

    try:
        with cluster_access.told(change.what):
            await cluster.kube.patch(
                change.resource, change.namespace, change.name, change.body, change.kind, dry_run=dry_run, force=force
            )
    except ToldError as problem:
        if isinstance(problem.__cause__, ConflictError) and not force:
            raise ToldError(f"{problem}; --force-conflicts takes these fields over") from problem
        raise
    done = "would be changed; nothing was (--dry-run server)" if dry_run else "runs the winner now"
    return f"{change.what} in namespace {change.namespace} {done}\n"
