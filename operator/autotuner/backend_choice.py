"""The backends that there are: the one place that names implementations."""

from __future__ import annotations

from autotuner.serving.backend import Backends
from autotuner.serving.deployment.deployments import Deployments
from autotuner.serving.ome.adapter import Ome
from autotuner.serving.ome.copies import InferenceServiceCopies

BACKENDS = Backends(Ome(), Deployments(), InferenceServiceCopies())
DEFAULT = BACKENDS["OME"]
