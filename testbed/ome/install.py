"""What the stand-in needs on the API server: OME's kinds, its namespace, and what its webhooks refuse."""

from __future__ import annotations

import asyncio
from pathlib import Path

import yaml

from autotuner.kubernetes_object import Object
from testbed.api import Api, ApiError

MANAGER = "testbed-ome"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
REAL_MANAGER = "/apis/apps/v1/namespaces/ome/deployments/ome-controller-manager"
POLICY = "inferenceservice.ome-webhook-server.validator"

# The rules of OME's validator that need no look at other objects. `message` is a CEL expression.
_RULES = [
    {
        "expression": "request.operation != 'CREATE' || object.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "messageExpression": "'invalid InferenceService name \"' + object.metadata.name + "
        "'\", must match [a-z]([-a-z0-9]*[a-z0-9])?'",
    },
    {
        "expression": "!has(object.spec) || !has(object.spec.decoder) || has(object.spec.engine)",
        "message": "decoder cannot be specified without engine",
    },
    {
        "expression": "!has(object.metadata.annotations) || !('ome.io/autoscalerClass' in object.metadata.annotations)"
        " || object.metadata.annotations['ome.io/autoscalerClass'] in ['hpa', 'keda', 'external']",
        "messageExpression": "'[' + object.metadata.annotations['ome.io/autoscalerClass'] + "
        "'] is not a supported autoscaler class type'",
    },
]


class RealOmeError(Exception):
    """The cluster has a real OME, beside which a stand-in would do harm."""


def definitions() -> list[Object]:
    """Returns the stand-in's own small CustomResourceDefinitions of OME's kinds."""
    path = Path(__file__).parent.parent / "crds" / "ome.yaml"
    items: list[Object] = yaml.safe_load(path.read_text())["items"]
    return items


def policy() -> list[Object]:
    """Returns a ValidatingAdmissionPolicy with the rules of OME's validator, and its binding."""
    operations = ["CREATE", "UPDATE"]
    rule = {"apiGroups": ["ome.io"], "apiVersions": ["v1beta1"], "resources": ["inferenceservices"]}
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{**rule, "operations": operations}]},
        "validations": [{**entry, "reason": "Forbidden"} for entry in _RULES],
    }
    group = "admissionregistration.k8s.io/v1"
    binding = {"policyName": POLICY, "validationActions": ["Deny"]}
    return [
        {"apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": POLICY}, "spec": spec},
        {
            "apiVersion": group,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": POLICY},
            "spec": binding,
        },
    ]


async def install(api: Api) -> None:
    """Installs what is missing; leaves definitions alone that are not the stand-in's own, such as OME's real ones.

    Raises:
        RealOmeError: a real OME runs in this cluster.
    """
    if await _found(api, REAL_MANAGER):
        raise RealOmeError(
            "this cluster runs a real OME (deployment ome/ome-controller-manager): no stand-in beside it"
        )
    foreign = [crd for crd in definitions() if await _is_foreign(api, crd["metadata"]["name"])]
    names = {crd["metadata"]["name"] for crd in foreign}
    await api.apply_all([crd for crd in definitions() if crd["metadata"]["name"] not in names], MANAGER)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ome"}}
    await api.apply_all([namespace, *policy()], MANAGER)
    await _enforced(api)


async def _found(api: Api, path: str) -> Object | None:
    try:
        return await api.get(path)
    except ApiError as error:
        if error.status == 404:
            return None
        raise


async def _is_foreign(api: Api, name: str) -> bool:
    crd = await _found(api, f"{CRDS}/{name}")
    return crd is not None and crd["metadata"].get("labels", {}).get("autotuner.io/testbed") != "true"


async def _enforced(api: Api, seconds: float = 20) -> None:
    """Waits until the API server knows the policy, which it learns from a watch of its own."""
    probe = {"apiVersion": "ome.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "1-probe"}, "spec": {}}
    async with asyncio.timeout(seconds):
        while True:
            try:
                await api.create("/apis/ome.io/v1beta1/namespaces/ome/inferenceservices", probe, dryRun="All")
            except ApiError as error:
                if error.status == 403:
                    return
                raise
            await asyncio.sleep(0.02)
