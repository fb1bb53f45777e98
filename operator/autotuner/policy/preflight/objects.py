"""Checks of the objects that a task refers to: are they there, or could they be made?"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping

from autotuner import engines
from autotuner.api.common import QUALIFIED_NAME
from autotuner.api.model_and_runtime import CustomObject
from autotuner.api.task import TaskSpec
from autotuner.engines import reserved
from autotuner.policy import model_and_runtime
from autotuner.policy.preflight.checked_task import Case
from autotuner.serving.target import shell_script
from autotuner.validation_messages import Finding, Kind

# Argo CD would take objects with these for its own and prune them.
_KEY = re.compile(QUALIFIED_NAME, re.ASCII)
_DOMAIN_MAX = 253
_FOREIGN = ("app.kubernetes.io/instance", "argocd.argoproj.io/")


def problems(case: Case) -> Iterator[Finding]:
    """What is wrong with model, runtime and queue as such."""
    yield from _model(case)
    yield from _runtime(case)
    if case.around.shadow:
        yield case.around.shadow
    if case.around.queue:
        yield from case.around.queue.faults("placement")
    yield from _platform_keys(case.spec)
    for field, custom in (("model.custom", case.spec.model.custom), ("runtime.custom", case.spec.runtime.custom)):
        if custom is not None:
            yield from _custom(field, custom)


def _model(case: Case) -> Iterator[Finding]:
    model, around = case.spec.model, case.around
    if model.preset is not None and model.preset not in case.presets.models:
        yield _unknown("model.preset", model.preset, case.presets.models)
        return
    reference = case.model_reference
    assert reference is not None
    if misshapen := case.misshapen_model:
        field = "model.custom.spec" if model.custom else "model.overrides" if model.overrides else reference.field
        yield Finding(field, Kind.OBJECT_MISSHAPEN, {"object": str(reference), "what": "; ".join(misshapen)})
        return
    if around.model is not None:
        return
    if model.name is not None:
        yield Finding("model.name", Kind.OBJECT_MISSING, {"object": str(reference)})
    elif reference.clusterwide and not around.may_create:
        yield Finding(reference.field, Kind.CREATION_FORBIDDEN, {"object": str(reference)})
    elif lacking := case.backend.incomplete(case.model_spec):
        yield Finding(reference.field, Kind.MODEL_INCOMPLETE, {"lacking": lacking})


def _runtime(case: Case) -> Iterator[Finding]:
    runtime, around = case.spec.runtime, case.around
    if runtime.preset is not None and runtime.preset not in case.presets.runtimes:
        yield _unknown("runtime.preset", runtime.preset, case.presets.runtimes)
        return
    if misshapen := case.misshapen_runtime:
        field = "name" if runtime.name else "custom.spec" if runtime.custom else "overrides"
        details = {"object": "the runtime", "what": "; ".join(misshapen)}
        yield Finding(f"runtime.{field}", Kind.OBJECT_MISSHAPEN, details)
        return
    if part := case.template.several:
        yield Finding(_where(case, part), Kind.RUNTIME_OF_SEVERAL, {"part": part})
        return
    if case.spec.target is None:
        yield from _script(case)
    yield from _without_http(case)
    if around.runtime is not None and around.model is not None and not case.misshapen_model:
        field = "name" if runtime.name else "custom" if runtime.custom else "preset"
        if why := case.backend.incompatible(around.model, around.runtime):
            yield Finding(f"runtime.{field}", Kind.RUNTIME_INCOMPATIBLE, {"mismatch": why})
    if runtime.name is not None:
        if around.runtime is None:
            yield Finding("runtime.name", Kind.OBJECT_MISSING, {"object": f"{runtime.kind} {runtime.name}"})
        elif not case.template.image and not runtime.image:
            yield Finding("runtime.name", Kind.RUNTIME_WITHOUT_IMAGE)
        return
    kind = model_and_runtime.runtime_kind(runtime, case.backend)
    clusterwide = not case.backend.capabilities.references[kind].namespaced
    if runtime.custom and around.runtime is None and clusterwide and not around.may_create:
        yield Finding("runtime.custom", Kind.CREATION_FORBIDDEN, {"object": f"{kind} {runtime.custom.name}"})
    if not case.template.image and not runtime.image:
        field = "runtime.custom.spec" if runtime.custom else "runtime.overrides"
        yield Finding(field, Kind.RUNTIME_WITHOUT_IMAGE)


def _without_http(case: Case) -> Iterator[Finding]:
    """A switch of the runtime's own under which no benchmark can talk to its engine."""
    if case.engine is None:
        return
    engine, given = engines.get(case.engine), (*case.template.command, *case.template.args)
    for flag in dict.fromkeys(map(engine.flag_of, given)):
        if flag is not None and engine.reserved.get(flag) == reserved.NO_HTTP:
            yield Finding(_where(case, "engineConfig.runner"), Kind.RUNTIME_WITHOUT_HTTP, {"flag": flag})


def _script(case: Case) -> Iterator[Finding]:
    """A shell that starts the engine by a script, to which an experiment's arguments come in vain."""
    command, args = case.template.command, case.template.args
    if _has_arguments(case.spec) and shell_script.keeps_arguments_out(command, args):
        part = "command" if shell_script.script_index(command) is not None else "args"
        yield Finding(_where(case, "engineConfig.runner"), Kind.RUNTIME_BY_SCRIPT, {"part": part})


def _has_arguments(spec: TaskSpec) -> bool:
    """Whether experiments have arguments, and not variables alone."""
    if spec.parallelism or spec.quantization or spec.runtime.extra_args or (spec.baseline and spec.baseline.args):
        return True
    variants = [parameter.variants for parameter in spec.parameters]
    return any(offered is None or any(one.args for one in offered) for offered in variants)


def _where(case: Case, part: str) -> str:
    """The field of the task that says a part of its runtime."""
    runtime = case.spec.runtime
    written = runtime.custom.spec if runtime.custom else runtime.overrides or {}
    if part.partition(".")[0] in written:
        return f"runtime.{'custom.spec' if runtime.custom else 'overrides'}.{part}"
    return f"runtime.{'name' if runtime.name else 'custom' if runtime.custom else 'preset'}"


def _custom(field: str, custom: CustomObject) -> Iterator[Finding]:
    foreign: tuple[tuple[str, Mapping[str, str]], ...] = (
        ("labels", custom.labels or {}),
        ("annotations", custom.annotations or {}),
    )
    for part, pairs in foreign:
        yield from _keys(f"{field}.{part}", pairs)
        for key in pairs:
            if key.startswith(_FOREIGN):
                yield Finding(f"{field}.{part}[{key}]", Kind.OBJECT_PRUNED)


def _platform_keys(spec: TaskSpec) -> Iterator[Finding]:
    """Keys of what goes to pods as it is written."""
    placement, pod = spec.placement, spec.benchmark.pod
    for field, pairs in (
        ("placement.nodeSelector", placement.node_selector),
        ("placement.labels", placement.labels),
        ("placement.annotations", placement.annotations),
        ("benchmark.pod.nodeSelector", pod.node_selector if pod else None),
        ("benchmark.pod.labels", pod.labels if pod else None),
        ("benchmark.pod.annotations", pod.annotations if pod else None),
    ):
        yield from _keys(field, pairs or {})


def _keys(field: str, pairs: Mapping[str, str]) -> Iterator[Finding]:
    """Keys that the API server would refuse, of labels, annotations and selectors: their schema cannot say so."""
    for key in pairs:
        domain, slash, _ = key.rpartition("/")
        if not _KEY.fullmatch(key) or len(domain) > _DOMAIN_MAX or (slash and not domain):
            yield Finding(f"{field}[{key}]", Kind.LABEL_KEY_MALFORMED, {"key": repr(key)})


def _unknown(field: str, name: str, known: Iterable[str]) -> Finding:
    names = sorted(known)
    if close := difflib.get_close_matches(name, names, n=1):
        return Finding(field, Kind.PRESET_MISSPELT, {"name": name, "meant": close[0]})
    return Finding(field, Kind.PRESET_UNKNOWN, {"name": name, "known": names})
