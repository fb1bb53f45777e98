"""The backend LeaderWorkerSet: each method is a function of the modules beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from autotuner.api.experiment import Service
from autotuner.api.model_and_runtime import Target
from autotuner.kubernetes_object import Object, Resource
from autotuner.presets import Presets
from autotuner.serving import pods, refusals
from autotuner.serving.backend import (
    Capabilities,
    Endpoint,
    EngineTemplate,
    FoundTarget,
    Named,
    NotCreated,
    Serving,
    ServingEvent,
    Starting,
    State,
    TargetParts,
    Winner,
)
from autotuner.serving.lws import group_manifests, group_target, leader_worker_group
from autotuner.serving.lws.leader_worker_group import LEADER_WORKER_SET, MARK, STATEFUL_SET
from autotuner.serving.pods import PodView
from autotuner.serving.target.copy_backend import CopyBackend
from autotuner.serving.target.engine_port import SERVICE_PORT
from autotuner.serving.target.snapshots import CONTROLLER_REVISION

SERVICE = Resource("", "v1", "services", "Service")
_CAPABILITIES = Capabilities(
    name=LEADER_WORKER_SET.kind,
    rights="lws",
    root=LEADER_WORKER_SET,
    models={},
    runtimes={"Cluster": CONTROLLER_REVISION, "Namespaced": CONTROLLER_REVISION},
    replaces_arguments=True,
    snapshots=True,
    selector=MARK,
)
_SILENT = (
    "not all pods of its group are there, and no event says why; look at the log of lws-controller-manager in namespace"
    " lws-system"
)


class LeaderWorkerSets(CopyBackend):
    """Serves an engine by a copy of a LeaderWorkerSet, which is one group of pods."""

    @property
    def capabilities(self) -> Capabilities:
        """There are no models: the engine finds its own."""
        return _CAPABILITIES

    def root_name(self, experiment: Mapping[str, Any]) -> str:
        """One that is no name of another set's group."""
        return leader_worker_group.root_name(str(experiment["metadata"]["name"]))

    def view(self, service: Service, pod: Object) -> PodView:
        """With its place in the group."""
        return pods.view(
            pod,
            leader_worker_group.container(pod) or self.container(service),
            rank=leader_worker_group.rank(pod),
            group_size=leader_worker_group.group_size(pod),
        )

    def render(self, experiment: Mapping[str, Any], service: Service, runtime: Mapping[str, Any]) -> Object:
        """The LeaderWorkerSet."""
        return group_manifests.leader_worker_set(experiment, service, runtime["data"])

    def companions(
        self, experiment: Mapping[str, Any], service: Service, root: Mapping[str, Any]
    ) -> Sequence[tuple[Resource, Object]]:
        """The Service that leads to the leader."""
        return [(SERVICE, group_manifests.engine_service(experiment, service, root))]

    def related(self, experiment: Mapping[str, Any]) -> Sequence[Named]:
        """The StatefulSets of leader and workers, whose events are all that says why a pod is missing."""
        name = self.root_name(experiment)
        return [Named(STATEFUL_SET, one, events=True) for one in (name, f"{name}-0")]

    def observe(self, objects: Sequence[Object], pod: PodView | None, events: Sequence[ServingEvent]) -> State:  # noqa: ARG002
        """By the pods: `Available` lags, and stays True while they are going."""
        if pod is not None:
            return Serving() if pod.ready and not pod.deleting else Starting()
        failed = [event for event in events if event.reason == "FailedCreate"]
        if failed:
            return NotCreated(failed[-1].message, refusals.read(_answer(failed[-1].message)))
        return NotCreated(_SILENT)

    def endpoint(self, experiment: Mapping[str, Any], pod: PodView) -> Endpoint:  # noqa: ARG002
        """The Service."""
        meta = experiment["metadata"]
        return Endpoint("http", f"{group_manifests.service_name(meta['name'])}.{meta['namespace']}.svc", SERVICE_PORT)

    def release_advice(self, service: Service, root: Mapping[str, Any], model: Object | None) -> str:  # noqa: ARG002
        """Nothing of ours holds it up, and its controller has no finalizer."""
        return ""

    def winner(self, experiment: Mapping[str, Any], service: Service, runtime: Mapping[str, Any], name: str) -> Winner:  # noqa: ARG002
        """The patch of the user's own."""
        return group_manifests.patch(service, runtime["data"])

    def target_parts(self, target: Mapping[str, Any]) -> TargetParts:  # noqa: ARG002
        """It says all of its pods itself."""
        return TargetParts()

    def read_target(self, target: Target, found: FoundTarget, known: Presets) -> Object:
        """Its pod templates."""
        return group_target.read(target, found.object, known)

    def engine_template(self, runtime_spec: Mapping[str, Any] | None) -> EngineTemplate:
        """The leader's engine, which is spread over the group."""
        return replace(super().engine_template(runtime_spec), pods=group_target.engine_pods(runtime_spec or {}))


def _answer(message: str) -> str:
    """The API server's words in a StatefulSet's event: `create Pod NAME in StatefulSet NAME failed error: ...`."""
    return message.partition(" failed error: ")[2] or message
