"""The command `cancel`: end one experiment and free its accelerators."""

from __future__ import annotations

import sys
from typing import Annotated

from typer import Argument, BadParameter, Exit, confirm, echo

from autotuner.cli.shared.options import Context, Kubeconfig, Namespace, Yes

EXAMPLES = ("cancel chat-search-2 --namespace llm --yes",)

_Experiment = Annotated[str, Argument(metavar="EXPERIMENT", help="The name of a TuningExperiment.")]


def run(
    experiment: _Experiment,
    yes: Yes = False,
    namespace: Namespace = "",
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """End a running experiment without a result.

    Its task goes on with others. It asks first. To stop a whole task, use `suspend`.

    Exit code: 0 cancelled, 1 it cannot be or you declined, 2 wrong usage.
    """
    from autotuner.cli.shared.cluster_access import FAILED, Cluster, ToldError, Where, told, use
    from autotuner.kube import EXPERIMENT, TASK

    async def cancel(cluster: Cluster) -> str:
        with told(f"TuningExperiment {experiment} in namespace {cluster.namespace}"):
            found = await cluster.kube.get(EXPERIMENT, cluster.namespace, experiment)
            if found is None and await cluster.kube.get(TASK, cluster.namespace, experiment):
                raise ToldError(f"{experiment} is a TuningTask: `suspend {experiment}` stops all of its experiments")
        found = found or await cluster.one(experiment, (EXPERIMENT,))
        status = found.get("status") or {}
        if any(one["type"] == "Finished" and one["status"] == "True" for one in status.get("conditions") or ()):
            raise ToldError(f"TuningExperiment {experiment} is over already ({status.get('reason', 'finished')})")
        if found["spec"].get("cancel"):
            return f"TuningExperiment {experiment} is being cancelled already"
        phase = status.get("phase", "Pending")
        if not yes and not confirm(f"TuningExperiment {experiment} is {phase}; end it without a result?", err=True):
            echo("autotuner: nothing was changed", err=True)
            raise Exit(FAILED)
        with told(f"TuningExperiment {experiment} in namespace {cluster.namespace}"):
            await cluster.kube.merge(EXPERIMENT, cluster.namespace, experiment, {"spec": {"cancel": True}})
        return f"TuningExperiment {experiment} cancelled; its accelerators are being released"

    if not yes and not sys.stdin.isatty():
        raise BadParameter("nobody can be asked here: say --yes")
    echo(use(Where(namespace, context, kubeconfig), cancel))
