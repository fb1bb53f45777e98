"""JSON schemas of every kind that an API server serves, from its own OpenAPI documents, for kubeconform."""

from __future__ import annotations

import json
from pathlib import Path

from autotuner.kubernetes_object import Object
from testbed.api import Api


async def write_schemas(api: Api, group_versions: list[str], folder: Path) -> str:
    """Writes the schemas of all kinds in some API groups; returns kubeconform's schema location.

    Args:
        api: the API server.
        group_versions: for example ``apps/v1``; ``v1`` is the core group.
        folder: where they go.
    """
    for group_version in group_versions:
        document = await api.get(f"/openapi/v3/{'apis' if '/' in group_version else 'api'}/{group_version}")
        components = {"schemas": {name: strict(node) for name, node in document["components"]["schemas"].items()}}
        for name, node in components["schemas"].items():
            for kind in node.get("x-kubernetes-group-version-kind", []):
                whole = {"$ref": f"#/components/schemas/{name}", "components": components}
                (folder / file_name(kind)).write_text(json.dumps(whole))
    return str(folder / "{{ .ResourceKind }}{{ .KindSuffix }}.json")


def file_name(kind: Object) -> str:
    """As kubeconform's template words it: kind, the first part of the group, version."""
    parts = [kind["kind"].lower(), *([kind["group"].split(".")[0]] if kind["group"] else []), kind["version"]]
    return "-".join(parts) + ".json"


def strict(node: Object) -> Object:
    """The schema with unknown fields forbidden, as the API server refuses them under strict validation."""
    result = dict(node)
    if "properties" in node:
        result["properties"] = {name: strict(part) for name, part in node["properties"].items()}
        if not node.get("x-kubernetes-preserve-unknown-fields"):
            result.setdefault("additionalProperties", False)
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            result[key] = strict(node[key])
    return result
