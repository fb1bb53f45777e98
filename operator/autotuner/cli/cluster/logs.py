"""The command `logs`: what an experiment's engine or benchmark prints, or printed at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Exit, Option, echo

from autotuner.cli.shared.options import Context, Kubeconfig, Namespace, TaskOrExperiment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autotuner.cli.shared.cluster_access import Cluster
    from autotuner.kubernetes_object import Object

EXAMPLES = ("logs chat-done-3 --namespace llm", "logs chat-done -n llm")

_Benchmark = Annotated[bool, Option("--benchmark", help="The benchmark's log instead of the engine's.")]


def run(
    name: TaskOrExperiment,
    benchmark: _Benchmark = False,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Print what an experiment's engine or benchmark printed.

    Of a running experiment, the lines of its pods that matter; of one that is over, the evidence that was kept. Of a
    task, those of its experiments that run, else of those that failed.

    Exit code: 0 printed, 1 there is nothing to print or it cannot be read, 2 wrong usage.
    """
    from autotuner.api.common import TASK_LABEL
    from autotuner.cli.shared import printing
    from autotuner.cli.shared.cluster_access import FAILED, Where, use
    from autotuner.kube import EXPERIMENT

    async def read(cluster: Cluster) -> str:
        found = await cluster.one(name)
        if found["kind"] == EXPERIMENT.kind:
            return await _of(cluster, found, benchmark=benchmark)
        every = await cluster.all(EXPERIMENT, labels=f"{TASK_LABEL}={name}")
        texts = [await _of(cluster, one, benchmark=benchmark) for one in _worth_reading(every)]
        return "\n".join(filter(None, texts))

    text = use(Where(namespace, context, kubeconfig), read)
    if not text:
        echo(f"autotuner: nothing was kept of {name}'s logs: only failed experiments leave evidence", err=True)
        raise Exit(FAILED)
    echo(printing.text(text), nl=False)


def _worth_reading(experiments: Sequence[Object]) -> list[Object]:
    """Those that run, else those that left evidence."""
    running = [one for one in experiments if not _over(one)]
    return running or [one for one in experiments if (one.get("status") or {}).get("evidence")]


def _over(experiment: Object) -> bool:
    conditions = (experiment.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Finished" and one["status"] == "True" for one in conditions)


async def _of(cluster: Cluster, experiment: Object, *, benchmark: bool) -> str:
    """The log of one experiment, with a line that says whose it is; empty if nothing is left."""
    if _over(experiment):
        return _evidence(experiment)
    from autotuner.api.common import EXPERIMENT_UID_LABEL
    from autotuner.cli.shared import cluster_access
    from autotuner.kube import POD

    uid, parts = experiment["metadata"]["uid"], []
    with cluster_access.told("its pods"):
        pods = await cluster.kube.list(POD, cluster.namespace, labels=f"{EXPERIMENT_UID_LABEL}={uid}")
        for pod in pods:
            if ("job-name" in (pod["metadata"].get("labels") or {})) != benchmark:
                continue
            for container in pod["spec"]["containers"]:
                who = pod["metadata"]["name"], container["name"]
                log = await cluster.kube.logs(cluster.namespace, *who, previous=False)
                if log:
                    parts.append(_headed(f"{experiment['metadata']['name']}, pod {who[0]}, container {who[1]}", log))
    return "\n".join(parts)


def _evidence(experiment: Object) -> str:
    status = experiment.get("status") or {}
    kept = status.get("evidence") or {}
    if not kept.get("logTail"):
        return ""
    code = f", exit code {kept['exitCode']}" if "exitCode" in kept else ""
    return _headed(f"{experiment['metadata']['name']}, ended with {status.get('reason')}{code}", kept["logTail"])


def _headed(who: str, log: str) -> str:
    return f"==> {who} <==\n{log.rstrip()}\n"
