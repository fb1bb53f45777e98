"""Checks of the backend: can it serve here, and does it know what the task names?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from autotuner import engines
from autotuner.api.common import PresetBackend
from autotuner.policy.preflight.checked_task import Case
from autotuner.serving.target.reading import NOTES
from autotuner.validation_messages import Finding, Kind

# What each experiment may download anew without a word.
DOWNLOAD_MAX_GB = 20.0
# How often a configuration may be measured, and a number of experiments under which no task is sure to stay.
_TRIES, _FEW_EXPERIMENTS = 4, 1000


def problems(case: Case) -> Iterator[Finding]:
    """Why the backend cannot serve what the task names."""
    known = case.backend.capabilities
    if why := case.around.absent.get(known.name):
        field, kind = ("target", Kind.TARGET_BACKEND_ABSENT) if case.spec.target else ("backend", Kind.BACKEND_ABSENT)
        yield Finding(field, kind, {"backend": known.name, "why": why})
    if case.spec.target and why:
        return
    if case.around.target_fault:
        yield Finding("target", Kind.TARGET_UNUSABLE, {"why": case.around.target_fault})
        return
    yield from _name(case)
    yield from _download(case)
    for field, named in (("model.name", case.spec.model.name), ("runtime.name", case.spec.runtime.name)):
        if known.snapshots and named is not None and case.spec.target is None:
            yield Finding(field, Kind.BACKEND_WITHOUT_OBJECTS, {"backend": f"backend {known.name}"})


def _name(case: Case) -> Iterator[Finding]:
    """Whether the names that a product makes of experiments' names are too long for it."""
    task, namespace = case.around.name, case.around.namespace
    if not task or not namespace:
        return
    last = max(_FEW_EXPERIMENTS, _TRIES * case.spec.search.max_experiments) - 1
    if why := case.backend.unfit_name(f"{task}-{last}", namespace):
        yield Finding("target", Kind.NAME_UNFIT, {"task": task, "namespace": namespace, "why": why})


def _download(case: Case) -> Iterator[Finding]:
    """What is wrong with what is said of downloads, or with having each engine download its model."""
    model, product = case.spec.model, case.backend.capabilities.name
    cache = model.volume is not None and model.volume.cache
    if not case.backend.capabilities.snapshots:
        said = {"volume.cache": cache, "tokenSecret": model.token_secret, "allowDownload": model.allow_download}
        for field in (field for field, given in said.items() if given):
            yield Finding(f"model.{field}", Kind.BACKEND_LOADS_MODELS, {"backend": product})
        return
    there = cache or case.weights.path or model.volume or (case.spec.target and not case.weights.downloaded)
    if there or model.allow_download or case.template.simulated:
        return
    if case.engine is None:
        return
    size = engines.get(case.engine).memory.weights_gb({}, case.model_spec)
    if size is not None and size > DOWNLOAD_MAX_GB:
        field, kind = ("target", Kind.TARGET_DOWNLOADS) if case.spec.target else ("model", Kind.DOWNLOAD_TOO_LARGE)
        yield Finding(field, kind, {"size": f"{size:.0f}", "most": f"{DOWNLOAD_MAX_GB:g}"})


def warnings(case: Case) -> Iterator[Finding]:
    """Which backend was chosen where not all can serve, and how copies differ from a target."""
    absent = {name: why for name, why in case.around.absent.items() if name in get_args(PresetBackend)}
    if case.spec.backend == "Auto" and case.spec.target is None and absent:
        others = "; ".join(f"{name} cannot ({why.strip()})" for name, why in absent.items())
        yield Finding("backend", Kind.BACKEND_CHOSEN, {"backend": case.backend.capabilities.name, "absent": others})
    if case.spec.target is not None:
        for note in (case.runtime_spec or {}).get(NOTES, ()):
            yield Finding("target", Kind.TARGET_NOTED, {"note": note})
