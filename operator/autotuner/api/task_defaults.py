"""What an operator lets every task say unless it says otherwise: what a platform demands of all that is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from pydantic import Field, model_validator

from autotuner.api.benchmark import BenchmarkPod
from autotuner.api.common import Model
from autotuner.api.task import Placement


class BenchmarkDefaults(Model):
    """Defaults of a task's benchmark."""

    pod: BenchmarkPod | None = None


class TaskDefaults(Model):
    """Parts of a task's spec that count where the task does not say them itself.

    Only what a task may leave unsaid can have a default here: a field for which the API has a default of its own, such
    as placement.acceleratorResource, is said by every task.
    """

    benchmark: BenchmarkDefaults | None = Field(
        default=None, description="Defaults of benchmark.pod: what the platform demands of the pods that measure."
    )
    placement: Placement | None = Field(
        default=None, description="Defaults of placement: labels, annotations, node selector, tolerations, queue."
    )

    def given(self) -> dict[str, Any]:
        """What is given, as a task's spec has it: camelCase, nothing that is not."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)

    @model_validator(mode="after")
    def _only_what_may_be_unsaid(self) -> Self:
        said = next(_always_said(self, ""), None)
        if said:
            raise ValueError(f"{said}: every task says this itself, so it cannot have a default here; remove it")
        return self


def _always_said(model: Model, path: str) -> Iterator[str]:
    """The fields that are given although each task has a value of its own."""
    for name in sorted(model.model_fields_set):
        field, value = type(model).model_fields[name], getattr(model, name)
        where = f"{path}{field.alias or name}"
        if isinstance(value, Model):
            yield from _always_said(value, f"{where}.")
        elif field.default not in (None, ""):
            yield where
