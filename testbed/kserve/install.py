"""The kinds that the stand-in needs on the API server."""

from __future__ import annotations

from pathlib import Path

import yaml

from autotuner.kubernetes_object import Object
from testbed.api import Api

MANAGER = "testbed-kserve"


def definitions() -> list[Object]:
    """Returns the stand-in's own small CustomResourceDefinitions of KServe's kinds."""
    path = Path(__file__).parent.parent / "crds" / "kserve.yaml"
    items: list[Object] = yaml.safe_load(path.read_text())["items"]
    return items


async def install(api: Api) -> None:
    """Installs them; returns when they are served."""
    await api.apply_all(definitions(), MANAGER)
