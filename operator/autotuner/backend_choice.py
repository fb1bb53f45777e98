"""The backends that there are: the one place that names implementations."""

from __future__ import annotations

from autotuner.serving.backend import Backends
from autotuner.serving.deployment.deployments import Deployments
from autotuner.serving.kserve.inference_services import KServeInferenceServices
from autotuner.serving.llm_inference_service.services import LlmInferenceServices
from autotuner.serving.lws.leader_worker_sets import LeaderWorkerSets
from autotuner.serving.ome.adapter import Ome
from autotuner.serving.ome.inference_service_copies import InferenceServiceCopies

BACKENDS = Backends(
    Ome(),
    Deployments(),
    InferenceServiceCopies(),
    KServeInferenceServices(),
    LlmInferenceServices(),
    LeaderWorkerSets(),
)
DEFAULT = BACKENDS["OME"]
