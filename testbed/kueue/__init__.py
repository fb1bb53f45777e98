"""The real Kueue 0.17.0, built once from its Go module: its controller with the webhooks, and what it ships to apply.

A cluster without pods for controllers has two stand-ins for them: the Service of the webhooks has an external name, and
the Secret that Kueue fills with its certificate is written into a folder (`install.py`), as a kubelet would mount it.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import yaml

from autotuner.kubernetes_object import Object
from testbed.gomodule import GoModule, SetupError, locked

VERSION = "0.17.0"
NAMESPACE = "kueue-system"

_PATH = "sigs.k8s.io/kueue"
_MODULE = GoModule(Path(__file__).parent)
# The rest of what is shipped runs the controller in a pod.
_APPLIED = (
    "Namespace",
    "CustomResourceDefinition",
    "Secret",
    "Service",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
)


def build() -> Path:
    """Returns the folder with the programs `kueue` and `kustomize`; builds them where the cache has none.

    Raises:
        SetupError: there is no Go, or the build failed.
    """
    return _MODULE.build("kueue", f"Kueue {VERSION}", package="tool")


def shipped(programs: Path) -> tuple[list[Object], Object]:
    """Returns the objects that Kueue ships, as far as a testbed applies them, and its shipped settings.

    They are rendered once, beside the programs: only kustomize gives the webhooks their namespaces.

    Raises:
        SetupError: they cannot be rendered.
    """
    kept = programs.with_name(f"{programs.name}.json")
    with locked(kept.with_suffix(".lock")):
        if not kept.exists():
            unfinished = kept.with_suffix(f".{os.getpid()}")
            unfinished.write_text(json.dumps(_rendered(programs)))
            unfinished.rename(kept)
    bodies: list[Object] = json.loads(kept.read_text())
    settings = next(
        yaml.safe_load(body["data"]["controller_manager_config.yaml"]) for body in bodies if body["kind"] == "ConfigMap"
    )
    order = {kind: index for index, kind in enumerate(_APPLIED)}
    applied = [body for body in bodies if body["kind"] in order and "metrics" not in body["metadata"]["name"]]
    return sorted(applied, key=lambda body: order[body["kind"]]), settings


def _rendered(programs: Path) -> list[Object]:
    module = json.loads(_output(["go", "mod", "download", "-json", _PATH]))
    text = _output([str(programs / "kustomize"), "build", str(Path(module["Dir"]) / "config" / "default")])
    return [body for body in yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if body]


def _output(words: list[str]) -> str:
    ended = subprocess.run(words, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise SetupError(f"Kueue's objects cannot be rendered: `{' '.join(words)}` said: {ended.stderr.strip()}")
    return ended.stdout
