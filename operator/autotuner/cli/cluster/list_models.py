"""The command `models`."""

from __future__ import annotations

from autotuner.cli.cluster.listing import Offline, print_rows, read_catalogue
from autotuner.cli.shared.options import Context, Everywhere, Format, Kubeconfig, Namespace, NoHeaders

EXAMPLES = ("models --offline", "models --output json")

_HEADS = ("NAME", "KIND", "NAMESPACE", "SIZE", "ARCHITECTURE", "STATE")


def run(
    namespace: Namespace = "",
    everywhere: Everywhere = False,
    offline: Offline = False,
    output: Format = "text",
    no_headers: NoHeaders = False,
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """List models: presets, and what is live in the cluster.

    Exit code: 0 listed, 1 the cluster cannot be reached, 2 wrong usage.
    """
    from autotuner.cli.cluster import catalogue
    from autotuner.cli.shared.cluster_access import Where
    from autotuner.cli.shared.records import ModelRow

    found = read_catalogue(Where(namespace, context, kubeconfig, everywhere), offline=offline)
    rows = catalogue.model_rows(found)
    cells = [
        [one.name, *[one.kind, one.namespace or "", one.size or "", one.architecture or "", one.state or ""]]
        for one in rows
    ]
    print_rows(rows, ModelRow, (_HEADS, cells), output, headers=not no_headers)
