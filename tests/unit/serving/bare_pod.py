"""The smallest backend there can be: the root is the engine's Pod itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autotuner import ownership
from autotuner.api.experiment import ModelRef, Service
from autotuner.api.model_and_runtime import TaskModel
from autotuner.api.task import TaskSpec
from autotuner.kube import POD
from autotuner.kubernetes_object import Object, Resource
from autotuner.presets import Presets
from autotuner.serving.backend import (
    NOWHERE,
    Backend,
    Capabilities,
    Endpoint,
    EngineTemplate,
    ModelState,
    Named,
    Serving,
    ServingEvent,
    Starting,
    State,
    Weights,
    Winner,
)
from autotuner.serving.pods import PodView

# The kinds that the API knows today; there are no namespaced ones of them here.
MODEL = Resource("bare.example", "v1", "clusterbasemodels", "ClusterBaseModel", namespaced=False)
RUNTIME = Resource("bare.example", "v1", "clusterservingruntimes", "ClusterServingRuntime", namespaced=False)


class BarePod(Backend):
    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("OME", "ome", POD, {"Cluster": MODEL}, {"Cluster": RUNTIME}, replaces_arguments=True)

    def root_name(self, experiment: Mapping[str, Any]) -> str:
        return f"{experiment['metadata']['name']}-bare"

    def container(self, service: Service) -> str:
        return service.engine.lower()

    def render(self, experiment: Mapping[str, Any], service: Service, runtime: Mapping[str, Any]) -> Object:
        meta = experiment["metadata"]
        engine = {
            "name": self.container(service),
            "image": service.image,
            "args": list(service.args),
            "ports": [{"containerPort": 9000}],
        }
        return {
            "apiVersion": POD.api_version,
            "kind": POD.kind,
            "metadata": {
                "name": self.root_name(experiment),
                "namespace": meta["namespace"],
                "labels": ownership.labels(meta["name"], meta["uid"]),
                "ownerReferences": [ownership.owner_reference(experiment)],
            },
            "spec": {"containers": [engine]},
        }

    def companions(
        self, experiment: Mapping[str, Any], service: Service, root: Mapping[str, Any]
    ) -> Sequence[tuple[Resource, Object]]:
        return []

    def related(self, experiment: Mapping[str, Any]) -> Sequence[Named]:
        return []

    def observe(self, objects: Sequence[Object], pod: PodView | None, events: Sequence[ServingEvent]) -> State:
        return Serving() if pod and pod.ready else Starting()

    def endpoint(self, experiment: Mapping[str, Any], pod: PodView) -> Endpoint:
        return Endpoint("https", f"{pod.name}.{experiment['metadata']['namespace']}.svc", pod.port)

    def release_advice(self, service: Service, root: Mapping[str, Any], model: Object | None) -> str:
        return ""

    def winner(self, experiment: Mapping[str, Any], service: Service, runtime: Mapping[str, Any], name: str) -> Winner:
        body = self.render(experiment, service, runtime)
        return Winner({**body, "metadata": {"name": name}}, "One pod.")

    def wanted_model(self, spec: TaskModel, known: Presets, namespace: str) -> Object | None:
        return None

    def wanted_runtime(
        self, spec: TaskSpec, known: Presets, live_model: Mapping[str, Any], namespace: str
    ) -> Object | None:
        return None

    def model_state(self, model: Object | None) -> ModelState:
        return ModelState("Ready" if model else "Waiting")

    def weights(self, model_spec: Mapping[str, Any]) -> Weights:
        return NOWHERE

    def node_label(self, model: ModelRef, namespace: str) -> str:
        return ""

    def misshapen_model(self, model_spec: Mapping[str, Any]) -> Sequence[str]:
        return []

    def misshapen_runtime(self, runtime_spec: Mapping[str, Any]) -> Sequence[str]:
        return []

    def engine_template(self, runtime_spec: Mapping[str, Any] | None) -> EngineTemplate:
        return EngineTemplate(runtime_spec or {})

    def incomplete(self, model_spec: Mapping[str, Any]) -> str:
        return ""

    def lacking_format(self, model: Mapping[str, Any]) -> str:
        return ""

    def incompatible(self, model: Mapping[str, Any], runtime: Mapping[str, Any]) -> str | None:
        return None
