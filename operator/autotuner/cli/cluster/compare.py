"""The command `compare`: tasks or experiments side by side."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, BadParameter, echo

from autotuner.cli.shared.options import Context, Document, Kubeconfig, Namespace

EXAMPLES = ("compare chat-done-0 chat-done-2 --namespace llm", "compare chat-done chat-done-3 -n llm --output json")

_MOST = 6
_Names = Annotated[list[str], Argument(metavar="NAME NAME...", help="TuningTasks or TuningExperiments, two to six.")]


def run(
    names: _Names,
    output: Document = "text",
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Compare tasks or experiments side by side.

    Tasks are compared by their best: arguments, figures of each level, cost.

    Exit code: 0 compared, 1 one cannot be read or has nothing to compare, 2 wrong usage.
    """
    from autotuner.cli.shared import printing, records
    from autotuner.cli.shared.cluster_access import Cluster, ToldError, Where, use
    from autotuner.cli.telling import compared
    from autotuner.kube import EXPERIMENT, TASK

    async def read(cluster: Cluster, name: str) -> compared.Side:
        found = await cluster.one(name)
        if found["kind"] == EXPERIMENT.kind:
            return compared.of_experiment(found)
        best = compared.best_of(found)
        if not best:
            why = (found.get("status") or {}).get("message") or "the operator has not seen it yet"
            raise ToldError(f"{TASK.kind} {name} has no best to compare: {why}")
        return compared.of_task(found, await cluster.kube.get(EXPERIMENT, cluster.namespace, best))

    async def both(cluster: Cluster) -> list[compared.Side]:
        return [await read(cluster, name) for name in names]

    if not 2 <= len(names) <= _MOST:
        raise BadParameter(f"give two to {_MOST} names")
    answer = compared.compare(use(Where(namespace, context, kubeconfig), both))
    if output == "text":
        echo(printing.text(compared.text(answer, printing.width())), nl=False)
    else:
        echo(printing.document(records.single(answer), output), nl=False)
