"""OME's manager is down: the webhooks that it registered stay, and nobody answers them.

The API server itself then refuses every write of OME's kinds, in its own words (HTTP 500, "failed calling webhook ...
connection refused"), the removal of finalizers included.
"""

from __future__ import annotations

import asyncio

from autotuner.kubernetes_object import Object
from testbed.api import Api, ApiError

NAME = "inferenceservice.ome.io"
_PATH = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
_PROBED = "/apis/ome.io/v1beta1/clusterservingruntimes"
_PROBE: Object = {
    "apiVersion": "ome.io/v1beta1",
    "kind": "ClusterServingRuntime",
    "metadata": {"name": "testbed-probe"},
    "spec": {},
}


def webhooks() -> Object:
    """Returns the webhook of OME's kinds at an address where nothing listens."""
    kinds = ["inferenceservices", "basemodels", "clusterbasemodels", "servingruntimes", "clusterservingruntimes"]
    rule = {"apiGroups": ["ome.io"], "apiVersions": ["v1beta1"], "resources": kinds, "operations": ["CREATE", "UPDATE"]}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": NAME},
        "webhooks": [
            {
                "name": "inferenceservice.ome-webhook-server.defaulter",
                "clientConfig": {"url": "https://127.0.0.1:9/mutate-ome-io-v1beta1-inferenceservice"},
                "rules": [rule],
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "timeoutSeconds": 10,
            }
        ],
    }


async def begin(api: Api) -> None:
    """Has the API server refuse OME's kinds, and waits until it does."""
    await api.create(_PATH, webhooks())
    await _until(api, refused=True)


async def end(api: Api) -> None:
    """Takes the webhook away, and waits until the API server has noticed."""
    await api.delete(f"{_PATH}/{NAME}")
    await _until(api, refused=False)


async def _until(api: Api, *, refused: bool, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while await _refuses(api) != refused:
            await asyncio.sleep(0.05)


async def _refuses(api: Api) -> bool:
    try:
        await api.create(_PROBED, _PROBE, dryRun="All")
    except ApiError as error:
        return error.status == 500
    return False
