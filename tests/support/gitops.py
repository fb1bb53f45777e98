"""How Argo CD and Flux judge our objects: the shipped scripts, run as they run them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import cel
import yaml
from lupa import lua51

from autotuner.kubernetes_object import Object

FluxVerdict = Literal["InProgress", "Failed", "Current"]

ROOT = Path(__file__).parents[2]
HEALTH = ROOT / "gitops" / "argocd" / "health.lua"
FLUX = ROOT / "gitops" / "flux" / "tasks.yaml"
# Argo CD opens neither of these for health scripts.
_CLOSED = ("io", "os", "debug", "string", "math", "python")


def health(body: Object) -> tuple[str, str]:
    """Status and message that Argo CD shows for an object."""
    lua = lua51.LuaRuntime(register_eval=False, unpack_returned_tuples=True)
    for library in _CLOSED:
        lua.globals()[library] = None
    lua.globals().obj = lua.table_from(body, recursive=True)
    found = lua.execute(HEALTH.read_text())
    return found.status, found.message


def flux(body: Object) -> FluxVerdict:
    """What Flux makes of a TuningTask: the first expression that holds; one that cannot be evaluated yet means wait."""
    expressions = _expressions()
    verdicts: tuple[tuple[str, FluxVerdict], ...] = (
        ("inProgress", "InProgress"),
        ("failed", "Failed"),
        ("current", "Current"),
    )
    for field, verdict in verdicts:
        try:
            if cel.evaluate(expressions[field], body):
                return verdict
        except (LookupError, RuntimeError, ValueError):
            return "InProgress"
    return "InProgress"


@cache
def _expressions() -> Object:
    (check,) = yaml.safe_load(FLUX.read_text())["spec"]["healthCheckExprs"]
    assert (check["apiVersion"], check["kind"]) == ("autotuner.io/v1alpha1", "TuningTask")
    return dict(check)
