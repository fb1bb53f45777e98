"""The kinds of object that OME adds to a cluster."""

from __future__ import annotations

from autotuner.kubernetes_object import Resource

_GROUP, _VERSION = "ome.io", "v1beta1"
INFERENCE_SERVICE = Resource(_GROUP, _VERSION, "inferenceservices", "InferenceService")
CLUSTER_BASE_MODEL = Resource(_GROUP, _VERSION, "clusterbasemodels", "ClusterBaseModel", namespaced=False)
BASE_MODEL = Resource(_GROUP, _VERSION, "basemodels", "BaseModel")
CLUSTER_SERVING_RUNTIME = Resource(
    _GROUP, _VERSION, "clusterservingruntimes", "ClusterServingRuntime", namespaced=False
)
SERVING_RUNTIME = Resource(_GROUP, _VERSION, "servingruntimes", "ServingRuntime")
