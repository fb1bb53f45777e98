"""The command `presets`."""

from __future__ import annotations

from autotuner.cli.cluster.listing import Offline, print_rows, read_catalogue
from autotuner.cli.shared.options import Context, Everywhere, Format, Kubeconfig, Namespace, NoHeaders

EXAMPLES = ("presets --offline", "presets --output json")

_HEADS = ("NAME", "KIND", "ENGINE/SIZE", "FOR", "SOURCE")


def run(
    namespace: Namespace = "",
    everywhere: Everywhere = False,
    offline: Offline = False,
    output: Format = "text",
    no_headers: NoHeaders = False,
    context: Context = "",
    kubeconfig: Kubeconfig = "",
) -> None:
    """List the presets of models and runtimes.

    Tasks name them by `preset`. Some are shipped; ConfigMaps with the label autotuner.io/presets=true add others.

    Exit code: 0 listed, 1 the cluster cannot be reached, 2 wrong usage.
    """
    from autotuner.cli.cluster import catalogue
    from autotuner.cli.shared.cluster_access import Where
    from autotuner.cli.shared.records import PresetRow

    found = read_catalogue(Where(namespace, context, kubeconfig, everywhere), offline=offline)
    rows = catalogue.preset_rows(found)
    cells = [
        [
            one.name,
            *[one.kind, one.engine or one.size or "", one.accelerator or "", one.source],
        ]
        for one in rows
    ]
    print_rows(rows, PresetRow, (_HEADS, cells), output, headers=not no_headers)
