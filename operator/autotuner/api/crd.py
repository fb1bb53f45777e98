"""Writes the pydantic models as structural CustomResourceDefinitions: `python -m autotuner.api.crd FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from autotuner import yaml_text
from autotuner.api.common import EXPERIMENTS, GROUP, TASKS, VERSION, Model
from autotuner.api.experiment import TuningExperiment
from autotuner.api.task import TuningTask

_KEPT = (
    "type",
    "description",
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
    "default",
)


def schema(model: type[Model]) -> dict[str, Any]:
    """The model's structural schema: nothing by reference, no unions with null, only what a CRD may say.

    Raises:
        ValueError: the model uses something that a structural schema cannot express.
    """
    document = model.model_json_schema(by_alias=True)
    return _structural(document, document.get("$defs", {}))


def _structural(node: dict[str, Any], definitions: dict[str, Any], *, replaced: bool = False) -> dict[str, Any]:
    """The schema of a node.

    Args:
        node: of the model's JSON schema.
        definitions: what its references mean.
        replaced: the node is inside a list of type atomic, which every apply replaces as a whole. It gets no default:
            a client that predicts an apply by structured merge, such as Argo CD, would not see the default in its own
            list and report a difference for ever. Whoever reads the object takes absence for the default.
    """
    node = _resolved(node, definitions)
    result = {key: node[key] for key in _KEPT if key in node}
    result |= {key: value for key, value in node.items() if key.startswith("x-kubernetes-")}
    if result.get("type") == "number" and 0 < result.get("minimum", 0) < 1:
        # The API server compares a whole number with the whole part of the minimum, and would take 0.
        rule = {"rule": "self != 0.0", "message": f"must be at least {result['minimum']:g}"}
        result["x-kubernetes-validations"] = [*result.get("x-kubernetes-validations", []), rule]
    if "const" in node:
        result["enum"] = [node["const"]]
    if result.get("default", "") is None:
        del result["default"]
    if replaced:
        result.pop("default", None)
    if isinstance(result.get("default"), dict):
        result["default"] = {}  # the parts bring their own defaults
    if "properties" in node:
        result["properties"] = {
            name: _structural(part, definitions, replaced=replaced) for name, part in node["properties"].items()
        }
    elif isinstance(node.get("additionalProperties"), dict):
        result["additionalProperties"] = _structural(node["additionalProperties"], definitions, replaced=replaced)
    if "items" in node:
        atomic = result.get("x-kubernetes-list-type", "atomic") == "atomic"
        result["items"] = _structural(node["items"], definitions, replaced=replaced or atomic)
    if "type" not in result:
        raise ValueError(f"not expressible as a structural schema: {node}")
    return result


def _resolved(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The node without references, and `T | None` as an optional T."""
    for union in ("anyOf", "allOf"):
        if union in node:
            members = [member for member in node[union] if member.get("type") != "null"]
            if len(members) != 1:
                raise ValueError(f"not expressible as a structural schema: {node}")
            rest = {key: value for key, value in node.items() if key != union}
            return _resolved({**members[0], **rest}, definitions)
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[-1]]
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return _resolved({**target, **rest}, definitions)
    return node


def _column(name: str, path: str, kind: str = "string", *, wide: bool = False) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path}
    return {**column, "priority": 1} if wide else column


_REASON = ".status.conditions[?(@.type=='Succeeded')].reason"
_TASK_COLUMNS = [
    _column("Model", ".status.resolved.model"),
    _column("Runtime", ".status.resolved.runtime"),
    _column("Phase", ".status.phase"),
    _column("Experiments", ".status.experiments.summary"),
    _column("Best", ".status.columns.best"),
    _column("Gain", ".status.best.gain"),
    _column("Age", ".metadata.creationTimestamp", "date"),
    _column("Running", ".status.experiments.running", "integer", wide=True),
    _column("Objective", ".status.columns.objectives", wide=True),
    _column("Reason", _REASON, wide=True),
    _column("Message", ".status.message", wide=True),
]
_EXPERIMENT_COLUMNS = [
    _column("Phase", ".status.phase"),
    _column("Reason", ".status.reason"),
    _column("GPUs", ".status.accelerators", "integer"),
    _column("Node", ".status.node"),
    _column("Age", ".metadata.creationTimestamp", "date"),
    _column("Purpose", ".spec.purpose", wide=True),
    _column("Args", ".spec.service.args", wide=True),
    _column("Message", ".status.message", wide=True),
]


def definition(model: type[Model], kind: str, plural: str, short: str, columns: list[dict[str, Any]]) -> dict[str, Any]:
    """The CustomResourceDefinition of one kind."""
    root = schema(model)
    root["properties"] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        **root["properties"],
    }
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
        "schema": {"openAPIV3Schema": root},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {**names, "shortNames": [short], "categories": ["autotuner"]},
            "versions": [version],
        },
    }


def definitions() -> dict[str, dict[str, Any]]:
    """File name -> CustomResourceDefinition, for both kinds."""
    return {
        f"{GROUP}_{TASKS}.yaml": definition(TuningTask, "TuningTask", TASKS, "tt", _TASK_COLUMNS),
        f"{GROUP}_{EXPERIMENTS}.yaml": definition(
            TuningExperiment, "TuningExperiment", EXPERIMENTS, "tx", _EXPERIMENT_COLUMNS
        ),
    }


def render(document: dict[str, Any]) -> str:
    """The committed text of a generated object."""
    return f"# Generated from operator/autotuner/api by `make generate`. Do not edit.\n{yaml_text.dump(document)}"


def main() -> None:
    """Write both definitions into the folder given."""
    folder = Path(sys.argv[1])
    for name, document in definitions().items():
        (folder / name).write_text(render(document))


if __name__ == "__main__":
    main()
