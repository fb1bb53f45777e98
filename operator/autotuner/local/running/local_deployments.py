"""The backend of one machine: the operator's own Deployments, whose engines are reached on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autotuner.local.pod_workload import ADDRESS
from autotuner.serving.backend import Backends, Endpoint
from autotuner.serving.deployment.deployments import Deployments
from autotuner.serving.pods import PodView


class LocalDeployments(Deployments):
    """Serves as on a cluster without a serving product; there are no names and addresses of services here."""

    def endpoint(self, experiment: Mapping[str, Any], pod: PodView) -> Endpoint:  # noqa: ARG002
        """The pod itself, on the port that it was given."""
        return Endpoint("http", ADDRESS, pod.port)


def backends() -> Backends:
    """The only one that serves here."""
    return Backends(LocalDeployments())
