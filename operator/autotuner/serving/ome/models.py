"""What OME's models say about themselves: pure reading of ClusterBaseModels and BaseModels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from autotuner.api.common import Volume
from autotuner.api.experiment import ModelRef
from autotuner.kubernetes_object import Object
from autotuner.serving.backend import Claim, ModelState, Weights

# Where OME 1.2.2 and later mount a pvc:// model, whatever its storage.path.
_CLAIM_MOUNT = "/opt/ml/model"
_AGENT = "DaemonSet ome-model-agent-daemonset in namespace ome"
# Schemes that OME's schema takes and its model agent has no downloader for.
_WITHOUT_DOWNLOADER = ("s3", "az", "gs", "github")


def model_state(model: Object | None) -> ModelState:
    """How far a model is, by the state that OME's model agents write (Ready, In_Transit, Failed ...)."""
    if model is None:
        return ModelState("Waiting", "missing", "it does not exist; create it")
    if "deletionTimestamp" in model["metadata"]:
        return ModelState("Waiting", "being deleted", "somebody deleted it; it can be made again once it is gone")
    status = model.get("status") or {}
    word = str(status.get("state", ""))
    if word == "Ready":
        return ModelState("Ready", word, nodes=tuple(status.get("nodesReady") or ()))
    if word == "Failed":
        return ModelState("Failed", word, _failed(model))
    return ModelState("Waiting", word, _unready(model, word))


def _storage(spec: Mapping[str, Any]) -> Object:
    found: Object = spec.get("storage") or {}
    return found


def weights(spec: Mapping[str, Any]) -> Weights:
    """Where a model's files lie: a folder that OME mounts from the node, or a claim."""
    claim = _claim(spec)
    return Weights("" if claim else str(_storage(spec).get("path") or ""), claim)


def _scheme(spec: Mapping[str, Any]) -> str:
    """How a model's address begins (hf, pvc, vendor ...); empty if it has none."""
    return str(_storage(spec).get("storageUri") or "").partition("://")[0]


def _claim(spec: Mapping[str, Any]) -> Claim | None:
    """The claim of pvc://[NAMESPACE:]CLAIM/FOLDER, which OME 1.2.2 and later mount themselves."""
    if _scheme(spec) != "pvc":
        return None
    where, _, folder = str(_storage(spec)["storageUri"]).partition("://")[2].partition("/")
    namespace, _, name = where.rpartition(":")
    # Not validated again: what OME took may be no name of ours.
    volume = Volume.model_construct(
        claim_name=name, sub_path=folder.strip("/"), mount_path=_CLAIM_MOUNT, annotations=False
    )
    return Claim(namespace, volume)


def _failed(model: Object) -> str:
    """Where it could not be made ready, and what to do."""
    if _scheme(model.get("spec") or {}) == "pvc" and (said := _conditions(model)):
        return said
    nodes = (model.get("status") or {}).get("nodesFailed", [])
    more = f" and {len(nodes) - 5} more" if len(nodes) > 5 else ""
    where = f"on {', '.join(nodes[:5])}{more}" if nodes else "on any node"
    return (
        f"OME's model agent could not make it ready {where}; {_look(model)}; the log of its pod there says why"
        f" ({_AGENT})"
    )


def _unready(model: Object, word: str) -> str:
    """Why a model that has not failed is not Ready, as far as it can be told, and what to do."""
    if not word:
        return "OME has not looked at it; check that ome-controller-manager runs in namespace ome"
    spec = model.get("spec") or {}
    kind = _scheme(spec)
    if kind == "pvc":
        said = _conditions(model)
        return said or (
            "OME before 1.2.2 never makes a pvc:// model Ready; with an older one, name the claim in model.volume and a"
            " model of storageUri vendor://... without a path"
        )
    if kind in _WITHOUT_DOWNLOADER:
        return (
            f"OME's model agent has no downloader for {kind}://, so it stays like this; use hf:// or oci://, or put the"
            " files on a claim and name it in model.volume"
        )
    return (
        f"{_look(model)}; the log of OME's model agent says how far it is ({_AGENT}, which must have a pod on a node"
        " for engines)"
    )


def _look(model: Object) -> str:
    """What to check, by the kind of its address."""
    spec = model.get("spec") or {}
    storage, kind = _storage(spec), _scheme(spec)
    folder = storage.get("path") or "its storage.path (which is not set)"
    if kind == "local":
        return f"check that the files are at {storage['storageUri'].removeprefix('local://')} on the node"
    if kind == "vendor":
        return "nothing is downloaded for it"
    where = "ome" if model.get("kind") == "ClusterBaseModel" else (model.get("metadata") or {}).get("namespace", "")
    secret = f" and the token in Secret {storage['key']} of namespace {where}" if storage.get("key") else ""
    return f"check free space and rights at {folder} on the node, access to {storage.get('storageUri', 'it')}{secret}"


def _conditions(model: Object) -> str:
    """What newer versions of OME say in conditions that are not True."""
    found = (model.get("status") or {}).get("conditions") or []
    said = [f"{one.get('reason', '')}: {one.get('message', '')}" for one in found if one.get("status") != "True"]
    return f"OME says {'; '.join(said)}" if said else ""


def node_label(model: ModelRef, namespace: str) -> str:
    """The node label that OME's model agent sets to Ready; long names are hashed as OME does."""
    kind = "clusterbasemodel" if model.kind == "ClusterBaseModel" else f"{namespace}.basemodel"
    name = model.name
    if len(name) > 32:
        name = f"{hashlib.sha256(name.encode()).hexdigest()[:8]}-{name[-23:]}"
    return f"models.ome.io/{kind}.{name}"
