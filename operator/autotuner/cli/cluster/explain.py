"""The command `explain`: what happened to a task or an experiment, and why."""

from __future__ import annotations

from typer import echo

from autotuner.cli.shared.options import Context, Document, Kubeconfig, Namespace, TaskOrExperiment

EXAMPLES = ("explain chat-done --namespace llm", "explain chat-done-2 -n llm", "explain chat-search -n llm -o json")


def run(
    name: TaskOrExperiment,
    output: Document = "text",
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Explain what happened to a task or experiment.

    Its result and how sure it is, what limits it, what failed and whose fault it was, what it waits for, what to do.

    It works for what waits, runs, failed, or was refused, too.

    Exit code: 0 explained, 1 it cannot be read, 2 wrong usage.
    """
    from autotuner import clock
    from autotuner.api.common import TASK_LABEL
    from autotuner.cli.shared import printing, records
    from autotuner.cli.shared.cluster_access import Cluster, Where, use
    from autotuner.cli.shared.records import Explanation
    from autotuner.cli.telling import explained_experiment, explained_task
    from autotuner.kube import EXPERIMENT, TASK

    async def explained(cluster: Cluster) -> Explanation:
        found = await cluster.one(name)
        if found["kind"] == EXPERIMENT.kind:
            return explained_experiment.of(found)
        experiments = await cluster.all(EXPERIMENT, labels=f"{TASK_LABEL}={found['metadata']['name']}")
        assert found["kind"] == TASK.kind, "there are two kinds"
        return explained_task.of(found, experiments, clock.now())

    answer = use(Where(namespace, context, kubeconfig), explained)
    if output == "text":
        echo(printing.text(explained_task.text(answer, printing.width())), nl=False)
    else:
        echo(printing.document(records.single(answer), output), nl=False)
