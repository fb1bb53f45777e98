"""A place for stories of one kind of target: a testbed, an operator, and namespaces in which something serves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from autotuner.api.common import EXPERIMENT_UID_LABEL
from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import Api, install_crds
from testbed.operator_process import Operator
from tests.e2e.recorder import Recorder
from tests.e2e.story import BRIEF, Story, traffic
from tests.e2e.target_kinds import KINDS, TargetKind
from tests.support.objects import edited, make_task, tasks
from tests.support.waiting import wait_for


@dataclass
class TargetStory(Story):
    """One namespace with an object `chat` that serves."""

    kind: TargetKind = KINDS[0]
    models: ClassVar[Sequence[str]] = ()

    async def _furnish(self) -> None:
        pass

    async def _clear(self) -> None:
        pass

    async def serve(self, seconds: float = 60) -> Object:
        """Create the original; returns its pod once it serves."""
        for path, body in self.kind.objects(self.namespace):
            await self.api.create(path, body)
        return await wait_for(self.original_pod, f"{self.kind.kind} chat serves", seconds)

    async def original(self) -> Object:
        return await self.api.get(f"{self.kind.collection(self.namespace)}/chat")

    def recorder(self) -> Recorder:
        serving = {self.kind.kind: self.kind.collection("{}")}
        return Recorder(self.api, self.namespace, serving=serving)

    async def change_original(self) -> None:
        path = f"{self.kind.collection(self.namespace)}/chat"
        await self.api.patch(path, self.kind.change)

    async def original_pod(self) -> Object | None:
        """A pod of the original that serves and is selected by others; None if none does."""
        selected = (f"{key}={value}" for key, value in self.kind.selected.items())
        for pod in await self.pods(",".join((f"!{EXPERIMENT_UID_LABEL}", *selected))):
            conditions = {one["type"]: one["status"] for one in pod.get("status", {}).get("conditions", [])}
            if conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]:
                return pod
        return None

    async def pods(self, selector: str = "") -> list[Object]:
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        return list((await self.api.list(path, labelSelector=selector))["items"])

    async def copies(self) -> list[Object]:
        """The objects of the target's kind that experiments have made."""
        found = await self.api.list(self.kind.collection(self.namespace), labelSelector=EXPERIMENT_UID_LABEL)
        return list(found["items"])

    async def left(self) -> list[str]:
        """What experiments have made and is there: objects of the target's kind, Jobs, Services and pods."""
        paths = {
            self.kind.kind: self.kind.collection(self.namespace),
            "Job": f"/apis/batch/v1/namespaces/{self.namespace}/jobs",
            "Service": f"/api/v1/namespaces/{self.namespace}/services",
            "pod": f"/api/v1/namespaces/{self.namespace}/pods",
        }
        return [
            f"{kind} {item['metadata']['name']}"
            for kind, path in paths.items()
            for item in (await self.api.list(path, labelSelector=EXPERIMENT_UID_LABEL))["items"]
        ]

    async def create_task(self, edits: Mapping[str, Any] | None = None, name: str = "tune") -> Object:
        """A TuningTask of the original, with brief traffic."""
        own = {
            "spec.target": {
                "apiVersion": self.kind.api_version,
                "kind": self.kind.kind,
                "name": "chat",
                "engine": self.kind.engine,
            },
            "spec.model": None,
            "spec.runtime": None,
            "spec.parameters": [{"name": self.kind.parameter, "values": [1, 64]}],
            "spec.benchmark": traffic(BRIEF, [8]),
            "spec.slos": [{"metric": "ErrorRate", "max": "1%"}],
            "spec.search": {"strategy": "Grid", "maxExperiments": 1, "confirm": {"maxRepeats": 0}},
        }
        body = edited(make_task(name), {**own, **(edits or {})})
        return await self.api.create(tasks(self.namespace), body, fieldValidation="Strict")


# The namespace is that of `cancel`, which asks the operator there to pause.
HOME = "default"
_SETTINGS = {"AUTOTUNER_SERVING_SECONDS": "15", "POD_NAMESPACE": HOME}


@dataclass(frozen=True)
class TargetPlace:
    """A testbed with the controller of one kind of target, and the operator."""

    kind: TargetKind
    bed: Testbed
    operator: Operator

    @classmethod
    @contextlib.contextmanager
    def of(cls, kind: TargetKind) -> Iterator[Self]:
        """Start both; they are stopped at the end."""
        with Testbed.start(**{"ome": False, **kind.testbed}) as bed:
            asyncio.run(_install_our_kinds(bed))
            with Operator(bed.kubeconfig, bed.logs / "operator.log", _SETTINGS) as operator:
                yield cls(kind, bed, operator)

    @contextlib.asynccontextmanager
    async def story(self) -> AsyncIterator[TargetStory]:
        """A namespace in which the original serves; nothing may be left in the end."""
        async with (
            Api(self.bed.kubeconfig, agent="test") as api,
            TargetStory.begin(self.bed, self.operator, api) as found,
        ):
            found.kind = self.kind
            await found.serve()
            yield found


async def _install_our_kinds(bed: Testbed) -> None:
    async with Api(bed.kubeconfig, agent="test") as client:
        await install_crds(client)
