"""What the stand-in needs on the API server: its kind, and what LWS's webhook refuses."""

from __future__ import annotations

from pathlib import Path

import yaml

from autotuner.kubernetes_object import Object
from testbed.api import Api
from testbed.lws.render import NAME, SIZE

MANAGER = "testbed-lws"
_POLICY = "vpod.testbed.leaderworkerset.sigs.k8s.io"


def definitions() -> list[Object]:
    """Returns the stand-in's own small CustomResourceDefinition of LeaderWorkerSets."""
    path = Path(__file__).parent.parent / "crds" / "lws.yaml"
    items: list[Object] = yaml.safe_load(path.read_text())["items"]
    return items


def policy() -> list[Object]:
    """Returns the rule of LWS's webhook for pods, and its binding."""
    labelled = f"has(object.metadata.labels) && '{NAME}' in object.metadata.labels"
    sized = f"has(object.metadata.annotations) && '{SIZE}' in object.metadata.annotations"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
    group = "admissionregistration.k8s.io/v1"
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [
            {"expression": f"!({labelled}) || ({sized})", "message": "size annotation is unexpectedly missing"}
        ],
    }
    binding = {"policyName": _POLICY, "validationActions": ["Deny"]}
    return [
        {"apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": _POLICY}, "spec": spec},
        {
            "apiVersion": group,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": _POLICY},
            "spec": binding,
        },
    ]


async def install(api: Api) -> None:
    """Installs them; returns when the kind is served."""
    await api.apply_all([*definitions(), *policy()], MANAGER)
