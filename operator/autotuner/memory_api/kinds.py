"""What an API server does differently from kind to kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from autotuner.api import crd
from autotuner.api.common import EXPERIMENTS, GROUP, TASKS
from autotuner.kube import CONFIG_MAP, EVENT, JOB, LEASE, LIMIT_RANGE, NAMESPACE, NODE, POD, STORAGE_CLASS
from autotuner.kubernetes_object import Resource
from autotuner.memory_api.schema import Schema, compiled

_ALWAYS = ("metadata.name", "metadata.namespace")


@dataclass(frozen=True)
class Traits:
    """What is special about a kind.

    Attributes:
        schema: its compiled schema; None where any object is taken as it is.
        status: whether it has the subresource status, which all other writes leave alone.
        generation: whether changes of anything but metadata and status are counted.
        graceful: whether a deletion waits for whoever runs it, as that of a pod does.
        version_optional: whether it may be replaced without telling which version was read.
        default_propagation: what becomes of dependents if a deletion does not say.
        fields: what it can be selected by.
    """

    schema: Schema | None
    status: bool
    generation: bool
    graceful: bool
    version_optional: bool
    default_propagation: str
    fields: frozenset[str]


def _traits(
    schema: Schema | None = None,
    *,
    status: bool = True,
    generation: bool = True,
    graceful: bool = False,
    version_optional: bool = False,
    default_propagation: str = "Background",
    fields: tuple[str, ...] = (),
) -> Traits:
    selectable = frozenset((*_ALWAYS, *fields))
    return Traits(schema, status, generation, graceful, version_optional, default_propagation, selectable)


_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
# Of other kinds, all that the controllers ask for behave like a custom resource whose schema allows everything.
_CUSTOM = _traits()
_BUILT_IN: Mapping[Resource, Traits] = {
    POD: _traits(
        graceful=True,
        version_optional=True,
        fields=("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "status.phase", "status.podIP"),
    ),
    JOB: _traits(version_optional=True, fields=("status.successful",)),
    NODE: _traits(generation=False, version_optional=True, fields=("spec.unschedulable",)),
    NAMESPACE: _traits(generation=False, version_optional=True, fields=("status.phase",)),
    CONFIG_MAP: _traits(status=False, generation=False, version_optional=True),
    LEASE: _traits(status=False, generation=False),
    LIMIT_RANGE: _traits(status=False, generation=False, version_optional=True),
    STORAGE_CLASS: _traits(status=False, generation=False, version_optional=True),
    EVENT: _traits(
        status=False,
        generation=False,
        version_optional=True,
        fields=(*(f"involvedObject.{one}" for one in _INVOLVED), "reason", "type", "source", "reportingComponent"),
    ),
}


@cache
def traits(resource: Resource) -> Traits:
    """What is special about a kind."""
    if resource.group == GROUP and resource.plural in (TASKS, EXPERIMENTS):
        document = crd.definitions()[f"{GROUP}_{resource.plural}.yaml"]
        return _traits(compiled(document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]))
    return _BUILT_IN.get(resource, _CUSTOM)
