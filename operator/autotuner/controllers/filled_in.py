"""What the API server would make of an object: with the defaults of its schema and what webhooks add.

A live object that differs from the words of a task is told. It must not differ in what was added to the same words.
"""

from __future__ import annotations

from collections import OrderedDict

from autotuner.hashing import digest
from autotuner.kube import AlreadyExistsError, Kube, KubeError, RejectedError
from autotuner.kubernetes_object import Object, Resource
from autotuner.policy.model_and_runtime import difference

_REMEMBERED = 64
# The name of the object itself is taken.
_NAME = "{name:.50}-as-wanted"


class FilledIn:
    """Asks by dry runs, once for the same words."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._known: OrderedDict[str, Object] = OrderedDict()

    async def beside(self, live: Object | None, resource: Resource, namespace: str, wanted: Object) -> Object:
        """The wanted object as it would be, where one of its name is there and differs from its words.

        As it is written where nothing differs, or where the API server will not say.
        """
        if live is None or not difference(live["spec"], wanted["spec"]):
            return wanted
        key = digest({"kind": resource.kind, "spec": wanted["spec"]})
        if key not in self._known:
            where = namespace if resource.namespaced else None
            body = {**wanted, "metadata": {**wanted["metadata"], "name": _NAME.format(**wanted["metadata"])}}
            try:
                answer = await self._kube.dry_run(resource, where, body)
            except (AlreadyExistsError, RejectedError):
                answer = wanted
            except KubeError:
                return wanted
            self._known[key] = answer["spec"]
        self._known.move_to_end(key)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return {**wanted, "spec": self._known[key]}
