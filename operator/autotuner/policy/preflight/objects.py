"""Are the objects there that a task refers to, or could they be made?"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from autotuner.api.model_and_runtime import CustomObject
from autotuner.policy import model_and_runtime
from autotuner.policy.preflight.case import Case, Problem

# Argo CD would take objects with these for its own and prune them.
_FOREIGN = ("app.kubernetes.io/instance", "argocd.argoproj.io/")


def problems(case: Case) -> Iterator[Problem]:
    """What is wrong with model and runtime as such."""
    yield from _model(case)
    yield from _runtime(case)
    if case.around.shadow:
        yield Problem("InvalidSpec", case.around.shadow)
    for field, custom in (("model.custom", case.spec.model.custom), ("runtime.custom", case.spec.runtime.custom)):
        if custom is not None:
            yield from _custom(field, custom)


def _model(case: Case) -> Iterator[Problem]:
    model, around = case.spec.model, case.around
    if model.preset is not None and model.preset not in case.presets.models:
        yield _unknown("model.preset", model.preset, case.presets.models)
        return
    reference = case.model_reference
    assert reference is not None
    if around.model is not None:
        return
    if model.name is not None:
        yield Problem("NotFound", f"model.name: {reference} does not exist; create it, or name another")
    elif reference.clusterwide and not around.may_create:
        yield Problem("NotFound", f"{reference.field}: {_forbidden(str(reference))}")
    elif lacking := case.backend.incomplete(case.model_spec):
        yield Problem("InvalidSpec", f"{reference.field}: {lacking}")


def _runtime(case: Case) -> Iterator[Problem]:
    runtime, around = case.spec.runtime, case.around
    if runtime.preset is not None and runtime.preset not in case.presets.runtimes:
        yield _unknown("runtime.preset", runtime.preset, case.presets.runtimes)
        return
    if around.runtime is not None and around.model is not None:
        field = "name" if runtime.name else "custom" if runtime.custom else "preset"
        if why := case.backend.incompatible(around.model, around.runtime):
            yield Problem("InvalidSpec", f"runtime.{field}: {why}")
    if runtime.name is not None:
        if around.runtime is None:
            what = f"{runtime.kind} {runtime.name}"
            yield Problem("NotFound", f"runtime.name: {what} does not exist; create it, or name another")
        return
    kind = model_and_runtime.runtime_kind(runtime, case.backend)
    if runtime.custom and around.runtime is None and kind.startswith("Cluster") and not around.may_create:
        yield Problem("NotFound", f"runtime.custom: {_forbidden(f'{kind} {runtime.custom.name}')}")
    if not case.template.image and not runtime.image:
        field = "runtime.custom.spec" if runtime.custom else "runtime.overrides"
        yield Problem("InvalidSpec", f"{field}: engineConfig.runner has no image, so there is no engine to start")


def _custom(field: str, custom: CustomObject) -> Iterator[Problem]:
    foreign: tuple[tuple[str, Mapping[str, str]], ...] = (
        ("labels", custom.labels or {}),
        ("annotations", custom.annotations or {}),
    )
    for part, pairs in foreign:
        for key in pairs:
            if key.startswith(_FOREIGN):
                yield Problem("InvalidSpec", f"{field}.{part}[{key}]: Argo CD would prune the object; remove it")


def _forbidden(what: str) -> str:
    return f"{what} does not exist, and this operator may not create cluster-scoped objects; ask for it to be created"


def _unknown(field: str, name: str, known: Iterable[str]) -> Problem:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"
    return Problem("UnknownPreset", f"{field}: no preset is called {name}; {hint}")
