"""The command `runtimes`."""

from __future__ import annotations

from autotuner.cli.cluster.listing import Offline, print_rows, read_catalogue
from autotuner.cli.shared.options import Context, Everywhere, Format, Kubeconfig, Namespace, NoHeaders

EXAMPLES = ("runtimes --offline", "runtimes --output json")

_HEADS = ("NAME", "KIND", "ENGINE", "FOR", "FITS", "IMAGE")


def run(
    namespace: Namespace = "",
    everywhere: Everywhere = False,
    offline: Offline = False,
    output: Format = "text",
    no_headers: NoHeaders = False,
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """List runtimes: presets, and what is live in the cluster.

    FOR is the accelerator that a preset is meant for, FITS on how many nodes of the cluster there are enough of it.

    Exit code: 0 listed, 1 the cluster cannot be reached, 2 wrong usage.
    """
    from autotuner.cli.cluster import catalogue
    from autotuner.cli.shared.cluster_access import Where
    from autotuner.cli.shared.records import RuntimeRow

    found = read_catalogue(Where(namespace, context, kubeconfig, everywhere), offline=offline)
    rows = catalogue.runtime_rows(found)
    cells = [
        [one.name, *[one.kind, one.engine or "", one.accelerator or "", one.fits or "", one.image or ""]]
        for one in rows
    ]
    print_rows(rows, RuntimeRow, (_HEADS, cells), output, headers=not no_headers)
