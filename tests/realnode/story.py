"""Stories as on the testbed, with what differs on a real cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.e2e.story import Story
from tests.e2e.target_story import TargetStory
from tests.realnode.cluster import Cluster
from tests.realnode.installation import STORAGE, Installation


class RealStory(Story):
    """One namespace on a real cluster."""

    bed: Cluster  # type: ignore[assignment]
    operator: Installation  # type: ignore[assignment]

    async def make_model(self, name: str, outcome: str = "Ready", **spec: Any) -> str:
        return await super().make_model(name, outcome, storage=dict(STORAGE), **spec)

    async def make_runtime(self, name: str = "", edits: Mapping[str, Any] | None = None) -> str:
        own = {"spec.engineConfig.runner.image": self.bed.benchmark_image}
        return await super().make_runtime(name, {**own, **(edits or {})})


class RealTargetStory(TargetStory):
    """One namespace on a real cluster with an object that serves."""

    bed: Cluster  # type: ignore[assignment]
    operator: Installation  # type: ignore[assignment]
