"""The kinds of KServe that the operator reads and makes, and what KServe makes of an InferenceService."""

from __future__ import annotations

from autotuner.kubernetes_object import Resource

INFERENCE_SERVICE = Resource("serving.kserve.io", "v1beta1", "inferenceservices", "InferenceService")
SERVING_RUNTIME = Resource("serving.kserve.io", "v1alpha1", "servingruntimes", "ServingRuntime")
CLUSTER_SERVING_RUNTIME = Resource(
    "serving.kserve.io", "v1alpha1", "clusterservingruntimes", "ClusterServingRuntime", namespaced=False
)
DEPLOYMENT = Resource("apps", "v1", "deployments", "Deployment")
SERVICE = Resource("", "v1", "services", "Service")

# The name that KServe demands of the engine's container, and gives the first of a custom predictor.
CONTAINER = "kserve-container"
# Of KServe's controller; it does not wait for pods.
FINALIZER = "inferenceservice.finalizers"

DEPLOYMENT_MODE = "serving.kserve.io/deploymentMode"
AUTOSCALER_CLASS = "serving.kserve.io/autoscalerClass"
VISIBILITY = "networking.kserve.io/visibility"
STOP = "serving.kserve.io/stop"
DISABLE_AUTO_UPDATE = "serving.kserve.io/disable-auto-update"
# The Secret by which its storage is read.
STORAGE_SECRET = "serving.kserve.io/storageSecretName"  # noqa: S105


def predictor_name(name: str) -> str:
    """The name of the Deployment that KServe makes for the predictor of an InferenceService."""
    return f"{name}-predictor"


def pod_selector(name: str) -> dict[str, str]:
    """The label by which Deployment and Service of an InferenceService find its pods."""
    return {"app": f"isvc.{predictor_name(name)}"}
