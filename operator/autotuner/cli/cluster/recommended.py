"""What a task recommends, as a change of one object of the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from autotuner import yaml_text
from autotuner.backend_choice import BACKENDS
from autotuner.cli.shared.cluster_access import Cluster, ToldError, told
from autotuner.kube import CONFIG_MAP, PatchType
from autotuner.kubernetes_object import Object, Resource
from autotuner.policy import recommendation

_PROVED = ("Improved", "BaselineInfeasible", "BaselineFailed")


@dataclass(frozen=True)
class Change:
    """A change of one object.

    Attributes:
        resource: the object's kind.
        namespace: of the object.
        name: of the object.
        kind: of the patch; `apply` for a whole object.
        body: the patch, or the whole object.
        text: the same as the task wrote it, with its comments.
        doubt: why one might not want it, as a sentence before a question; empty where the gain is proved.
    """

    resource: Resource
    namespace: str
    name: str
    kind: PatchType
    body: Any
    text: str
    doubt: str = ""

    @property
    def what(self) -> str:
        """The object, for people."""
        return f"{self.resource.kind} {self.name}"


async def read(cluster: Cluster, name: str, experiment: str) -> Change:
    """What the task of this name recommends.

    Args:
        cluster: with the task.
        name: of the task.
        experiment: of the front; empty for the best.

    Raises:
        ToldError: it recommends nothing, or cannot be read.
    """
    task = await cluster.task(name)
    status = task.get("status") or {}
    written = status.get("recommendation")
    if not written:
        why = status.get("message") or "the operator has not seen it yet"
        raise ToldError(f"TuningTask {name} recommends nothing to apply ({status.get('phase', 'Pending')}): {why}")
    where = f"ConfigMap {written['configMap']} in namespace {cluster.namespace}"
    with told(where):
        found = await cluster.kube.get(CONFIG_MAP, cluster.namespace, written["configMap"])
    if found is None:
        raise ToldError(f"{where} is gone; status.best.args of TuningTask {name} has the arguments to paste")
    return change(task, found.get("data") or {}, experiment, cluster.namespace)


def change(task: Object, data: Mapping[str, str], experiment: str, namespace: str) -> Change:
    """The change that the data of a recommendation describe.

    Raises:
        ToldError: it does not say what the user asks for.
    """
    file, name = _file(data, experiment), task["metadata"]["name"]
    text = data[file]
    doubt = _doubt((task.get("status") or {}).get("best") or {})
    try:
        body = yaml_text.read(text)
        if file != recommendation.PATCH:
            resource = _resource(body["apiVersion"], body["kind"])
            meta = body["metadata"]
            return Change(resource, meta.get("namespace", namespace), meta["name"], "apply", body, text, doubt)
        target = task["spec"]["target"]
        resource = _resource(target["apiVersion"], target["kind"])
        kind = cast(PatchType, recommendation.patch_type(text))
    except (KeyError, TypeError, ValueError) as problem:
        raise ToldError(f"{file} of the recommendation of TuningTask {name} cannot be read: {problem}") from problem
    return Change(resource, namespace, target["name"], kind, body, text, doubt)


def _file(data: Mapping[str, str], experiment: str) -> str:
    """The key of what is to be applied."""
    files = [key for key in data if key.endswith(".yaml")]
    if experiment:
        if f"{experiment}.yaml" in data:
            return f"{experiment}.yaml"
        there = ", ".join(key.removesuffix(".yaml") for key in files if key != recommendation.PATCH)
        raise ToldError(
            f"the recommendation has nothing of experiment {experiment}: there is {there or 'none by name'}"
        )
    if len(files) != 1:
        there = ", ".join(key.removesuffix(".yaml") for key in files)
        raise ToldError(f"choose with --experiment one of {there}" if files else "the recommendation has no object")
    return files[0]


def _resource(api_version: str, kind: str) -> Resource:
    roots = (backend.capabilities.root for backend in BACKENDS)
    found = next((one for one in roots if (one.api_version, one.kind) == (api_version, kind)), None)
    if found is None:
        raise ValueError(f"{kind} of {api_version} is no kind that this version serves")
    return found


def _doubt(best: Mapping[str, Any]) -> str:
    """Why one might not want to apply a best."""
    verdict = (best.get("confidence") or {}).get("verdict", "")
    words = [f"No gain is proved ({verdict})."] if verdict and verdict not in _PROVED else []
    if best.get("numericsChanged"):
        words.append(f"{', '.join(best['numericsChanged'])} change the answers, whose quality was not measured.")
    return "".join(f"{one} " for one in words)
