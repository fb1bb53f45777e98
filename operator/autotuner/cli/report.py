"""The command `report`: a task as one HTML file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Exit, Option, echo

from autotuner.cli.shared.options import Context, Kubeconfig

if TYPE_CHECKING:
    from autotuner.cli.shared.cluster_access import Where
    from autotuner.kube import Kube
    from autotuner.kubernetes_object import Object

EXAMPLES = (
    "report chat --namespace team --output report.html",
    "report chat -n team > report.html",
    "report chat --from finished.yaml --output report.html",
)

FAILED = 1


@dataclass(frozen=True)
class _Read:
    """What a report is made of."""

    task: Object
    experiments: Sequence[Object]
    others: Sequence[Object] = ()
    recommendation: Object | None = None


def run(
    name: Annotated[str, Argument(metavar="NAME", help="The TuningTask's name.")],
    namespace: Annotated[str, Option("--namespace", "-n", help="Its namespace; none: the kubeconfig's.")] = "",
    output: Annotated[str, Option("--output", "-o", metavar="FILE", help="Where the page goes.")] = "",
    files: Annotated[
        list[Path] | None,
        Option(
            "--from",
            metavar="FILE",
            help="Read the task, its experiments and its ConfigMap from YAML instead of a cluster; may be repeated.",
        ),
    ] = None,
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """Write a report of a task as one HTML file.

    It has plots, and needs no network and no script to be read. It tells what there is of a task that waits, runs,
    failed or is finished: the verdict, what was measured, where the GPU-hours went, the arguments to paste. A file that
    exists already is replaced.

    Exit code: 0 written, 1 it cannot be, 2 wrong usage.
    """
    from pydantic import ValidationError

    from autotuner import clock
    from autotuner.cli.object_files import UnreadableError
    from autotuner.cli.shared.cluster_access import ToldError, Where
    from autotuner.html_report import page, report_data

    where = Where(namespace, context, kubeconfig)
    try:
        found = _of_files(name, namespace, files) if files else asyncio.run(_of_cluster(name, where))
        data = report_data.read(
            found.task, found.experiments, clock.now(), others=found.others, recommendation=found.recommendation
        )
    except (ToldError, UnreadableError) as problem:
        echo(f"autotuner: {problem}", err=True)
        raise Exit(FAILED) from None
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(step) for step in first["loc"])
        way = "use the autotuner of the operator's version"
        echo(f"autotuner: TuningTask {name}: status.{field}: {first['msg']}; {way}", err=True)
        raise Exit(FAILED) from None
    _write(page.html(data), output)


def _write(text: str, output: str) -> None:
    if output in ("", "-"):
        echo(text, nl=False)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as problem:
        echo(f"autotuner: {output}: {problem.strerror}; name another file with --output", err=True)
        raise Exit(FAILED) from None


def _of_files(name: str, namespace: str, files: Sequence[Path]) -> _Read:
    from autotuner.api.common import TASK_LABEL
    from autotuner.cli import object_files
    from autotuner.cli.object_files import UnreadableError

    every = [body for path in files for body in object_files.read(path)]
    objects = [one for one in every if not namespace or one["metadata"].get("namespace", namespace) == namespace]
    task = next((one for one in objects if (one.get("kind"), one["metadata"]["name"]) == ("TuningTask", name)), None)
    if task is None:
        there = [one["metadata"]["name"] for one in objects if one.get("kind") == "TuningTask"]
        raise UnreadableError(
            f"TuningTask {name} is not in {', '.join(map(str, files))}, where there are {', '.join(there) or 'none'};"
            " write them with: kubectl get tuningtasks,tuningexperiments,configmaps -o yaml"
        )
    named = _named(task)
    experiments = [one for one in objects if one.get("kind") == "TuningExperiment"]
    own = [one for one in experiments if (one["metadata"].get("labels") or {}).get(TASK_LABEL) == name]
    known = {one["metadata"]["name"] for one in own}
    others = [one for one in experiments if one["metadata"]["name"] in named and one["metadata"]["name"] not in known]
    wanted = _recommendation(task)
    maps = [one for one in objects if (one.get("kind"), one["metadata"]["name"]) == ("ConfigMap", wanted)]
    return _Read(task, own, others, maps[0] if maps else None)


async def _of_cluster(name: str, where: Where) -> _Read:
    from autotuner.cli.shared.cluster_access import Cluster, opened, told

    async with opened(where, "give the objects with --from FILE") as (kube, namespace):
        task = await Cluster(kube, namespace).task(name)
        with told(f"TuningTask {name} in namespace {namespace}"):
            return await _around(kube, task, namespace)


async def _around(kube: Kube, task: Object, namespace: str) -> _Read:
    """The experiments of a task, those of others that it names, and its recommendation as far as it may be read."""
    from autotuner.api.common import TASK_LABEL
    from autotuner.kube import CONFIG_MAP, EXPERIMENT, RejectedError
    from autotuner.ownership import controlled_by

    name, uid = task["metadata"]["name"], task["metadata"]["uid"]
    children = await kube.list(EXPERIMENT, namespace, labels=f"{TASK_LABEL}={name}")
    own = [one for one in children if controlled_by(one, uid)]
    known = {one["metadata"]["name"] for one in own}
    named = [await kube.get(EXPERIMENT, namespace, one) for one in _named(task) if one not in known]
    wanted = _recommendation(task)
    try:
        recommendation = await kube.get(CONFIG_MAP, namespace, wanted) if wanted else None
    except RejectedError:
        recommendation = None  # who may not read ConfigMaps has the arguments all the same
    return _Read(task, own, [one for one in named if one is not None], recommendation)


def _named(task: Object) -> list[str]:
    """The experiments that the status of a task names, of which some may be another's."""
    status = task.get("status") or {}
    found = [(status.get(part) or {}).get("experiment") for part in ("best", "baseline")]
    found += [point.get("experiment") for point in status.get("front") or ()]
    return [name for name in dict.fromkeys(found) if name]


def _recommendation(task: Object) -> str:
    """The name of the ConfigMap with what to apply; empty where there is none."""
    return str(((task.get("status") or {}).get("recommendation") or {}).get("configMap") or "")
