"""How Argo CD, Flux, Helm and kubectl judge our objects: the shipped scripts and their own code, run as they do."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import cel
import yaml
from lupa import lua51

from autotuner.kubernetes_object import Object
from testbed.api import Api
from tests.tools import tool

MANAGER = "argocd-controller"  # what Argo CD calls itself when it applies server-side
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


async def described(kubeconfig: Path, folder: Path) -> Path:
    """A file in that folder with what an API server says of its kinds, for `Deployers`."""
    async with Api(kubeconfig, agent="test") as api:
        path = folder / "openapi.json"
        path.write_text(await api.text("/openapi/v2"))
    return path


class Deployers:
    """Argo CD's own diff, and kstatus as kubectl's library and Helm 4 have it; a context manager.

    Args:
        openapi: a file with the API server's /openapi/v2; only diffs need it.
    """

    def __init__(self, openapi: Path | None = None) -> None:
        words = [str(tool("gitops")), *([str(openapi)] if openapi else [])]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def out_of_sync(self, config: Object, live: Object, predicted: Object) -> dict[str, tuple[object, object]]:
        """What Argo CD shows as different, by way and field: what it expects and what there is; empty if in sync.

        Args:
            config: the object as it is in Git.
            live: as the API server has it.
            predicted: what the API server would make of an apply.
        """
        asked = {"config": config, "live": live, "manager": MANAGER}
        ways = {"merge-diff": asked, "server-diff": {**asked, "predicted": predicted}}
        found: dict[str, tuple[object, object]] = {}
        for way, question in ways.items():
            told = self._ask({"ask": way, **question})
            if told["modified"]:
                found |= {f"{way} {path}": pair for path, pair in _differences(told["predicted"], told["live"])}
                found = found or {way: (told["predicted"], told["live"])}
        return found

    def states(self, live: Object) -> tuple[str, str]:
        """What kstatus says of an object: in kubectl's library, and in Helm 4 and Flux."""
        told = self._ask({"ask": "status", "live": live})
        return told["cliUtils"]["status"], told["helm"]["status"]

    def _ask(self, question: Object) -> Object:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer: Object = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer


def _differences(one: object, other: object, path: str = "") -> list[tuple[str, tuple[object, object]]]:
    if isinstance(one, dict) and isinstance(other, dict):
        names = sorted(one.keys() | other.keys())
        return [pair for name in names for pair in _differences(one.get(name), other.get(name), f"{path}.{name}")]
    return [] if one == other else [(path.removeprefix("."), (one, other))]
