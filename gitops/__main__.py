"""Writes the snippet for argocd-cm from the health script: `python -m gitops`."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import indent

FOLDER = Path(__file__).parent / "argocd"
SNIPPET = FOLDER / "argocd-cm.yaml"
_KINDS = ("TuningTask", "TuningExperiment")
_HEAD = """\
# This snippet teaches Argo CD to judge the health of both kinds. Merge it into the existing ConfigMap:
#   kubectl patch configmap argocd-cm -n argocd --type merge --patch-file gitops/argocd/argocd-cm.yaml
apiVersion: v1
kind: ConfigMap
metadata:
  name: argocd-cm
  namespace: argocd
data:
"""


def render() -> str:
    """The ConfigMap with the script for each kind."""
    script = indent((FOLDER / "health.lua").read_text(), "    ")
    entries = (f"  resource.customizations.health.autotuner.io_{kind}: |\n{script}" for kind in _KINDS)
    return _HEAD + "".join(entries)


if __name__ == "__main__":
    SNIPPET.write_text(render())
    sys.stdout.write(f"wrote {SNIPPET.name}\n")
