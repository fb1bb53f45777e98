"""The command `targets`: what serves in a namespace and could be tuned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from typer import Option, echo

from autotuner.cli.cluster.listing import print_rows
from autotuner.cli.shared.options import Context, Everywhere, Format, Kubeconfig, Namespace, NoHeaders

if TYPE_CHECKING:
    from autotuner.cli.shared.cluster_access import Cluster
    from autotuner.cli.shared.records import TargetRow
    from autotuner.kubernetes_object import Object
    from autotuner.presets import Presets
    from autotuner.serving.backend import Backend

EXAMPLES = ("targets --namespace llm", "targets -A --output name")

_HEADS = ("TARGET", "ENGINE", "GPUS", "MODEL", "OBSTACLE")

_All = Annotated[bool, Option("--all", help="Also what cannot be tuned, with the reason.")]


def run(
    namespace: Namespace = "",
    everywhere: Everywhere = False,
    every: _All = False,
    output: Format = "text",
    no_headers: NoHeaders = False,
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """List what serves a model and could be tuned.

    `create TARGET` then writes the task.

    Exit code: 0 listed, 1 it cannot be read, 2 wrong usage.
    """
    from autotuner.cli.shared.cluster_access import Where, use
    from autotuner.cli.shared.records import TargetRow

    rows = use(Where(namespace, context, kubeconfig, everywhere), read)
    shown = [one for one in rows if every or one.obstacle is None]
    heads: tuple[str, ...] = ("NAMESPACE", *_HEADS) if everywhere else _HEADS
    cells = [[*([one.namespace] if everywhere else []), *_cells(one)] for one in shown]
    if output == "name":
        heads, cells = ("TARGET",), [[one.target] for one in shown]
    if output == "text" and not shown:
        hidden = f"; --all shows {len(rows)} that cannot be" if rows else ""
        echo(f"nothing that could be tuned{hidden}", err=True)
        return
    print_rows(shown, TargetRow, (heads, cells), output, headers=not no_headers)


def _cells(row: TargetRow) -> list[str]:
    gpus = "" if row.accelerators is None else str(row.accelerators)
    return [row.target, row.engine or "", gpus, row.model or "", row.obstacle or ""]


async def read(cluster: Cluster) -> list[TargetRow]:
    """Every object of a kind that can be tuned, and what was recognised of it."""
    from autotuner import presets
    from autotuner.backend_choice import BACKENDS
    from autotuner.cli.shared.cluster_access import ToldError, words
    from autotuner.cli.what_runs import may_be_target
    from autotuner.kube import KubeError

    known, rows = presets.load(presets.default_folder()), []
    for backend in BACKENDS:
        root = backend.capabilities.root
        if not (backend.capabilities.snapshots and may_be_target(root)):
            continue
        try:
            found = await cluster.all_or_none(root)
        except KubeError as problem:
            if problem.status == 403:
                continue  # one may be allowed to see some kinds only
            raise ToldError(words(problem, root.plural)) from problem
        rows += [await _row(cluster, backend, one, known) for one in found if not _ours(one)]
    return rows


def _ours(body: Object) -> bool:
    """Whether an experiment made it."""
    from autotuner.api.common import EXPERIMENT_UID_LABEL

    return EXPERIMENT_UID_LABEL in (body["metadata"].get("labels") or {})


async def _row(cluster: Cluster, backend: Backend, body: Object, known: Presets) -> TargetRow:
    from autotuner.cli.object_files import UnreadableError
    from autotuner.cli.shared.records import TargetRow
    from autotuner.cli.what_runs import Named, recognised_in
    from autotuner.policy.proposal.recognised import NotRecognisedError

    root, meta = backend.capabilities.root, body["metadata"]
    namespace = str(meta.get("namespace", cluster.namespace))
    kind = f"{root.plural}.{root.group}"
    target = f"{kind}/{meta['name']}"
    try:
        recognised = await recognised_in(cluster.kube, backend, Named(kind, meta["name"]), namespace, known)
    except (UnreadableError, NotRecognisedError) as problem:
        return TargetRow(namespace=namespace, target=target, obstacle=str(problem))
    return TargetRow(
        namespace=namespace,
        target=target,
        engine=recognised.product,
        model=recognised.model_name,
        accelerators=recognised.accelerators,
    )
