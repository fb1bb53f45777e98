"""Checks of what runs side by side: is there room for it, and does it measure what it would alone?"""

from __future__ import annotations

from collections.abc import Iterator

from autotuner import engines
from autotuner.policy.preflight.checked_task import Case
from autotuner.validation_messages import Finding, Kind

# Experiments for each that runs at a time, below which a search that learns has hardly anything to learn from.
_ROUNDS = 3


def problems(case: Case) -> Iterator[Finding]:
    """What could never be measured within the GPUs that may be held."""
    if not case.spec.placement.accelerator_resource:
        return
    needed, own, all_tasks = _of_baseline(case), case.spec.search.max_gpus, case.around.most_accelerators
    if own is not None and needed > own:
        yield Finding("search.maxGPUs", Kind.BASELINE_BEYOND_MAX_GPUS, {"needed": needed, "limit": own})
    if all_tasks is not None and needed > all_tasks:
        yield Finding("baseline", Kind.BASELINE_BEYOND_ALL_TASKS, {"needed": needed, "limit": all_tasks})


def warnings(case: Case) -> Iterator[Finding]:
    """What works but is not what it seems."""
    search, parallel = case.spec.search, case.spec.search.parallel_experiments
    if parallel == 1:
        return
    if search.max_gpus is not None and search.max_gpus < parallel:
        yield Finding("search.parallelExperiments", Kind.MORE_SLOTS_THAN_GPUS, {"gpus": search.max_gpus})
    if search.strategy == "Bayesian" and search.max_experiments < _ROUNDS * parallel:
        details = {"experiments": search.max_experiments, "parallel": parallel}
        yield Finding("search.parallelExperiments", Kind.BATCH_LEARNS_LITTLE, details)
    if case.spec.benchmark.placement == "SameNode":
        yield Finding("benchmark.placement", Kind.BENCHMARKS_SHARE_NODES, {"parallel": parallel})


def _of_baseline(case: Case) -> int:
    """The accelerators of the baseline, whose flags were checked before."""
    assert case.engine is not None
    if case.runtime_spec is None:
        return 1
    spec, template, engine = case.spec, case.template, engines.get(case.engine)
    own = spec.baseline.args if spec.baseline else []
    return engine.accelerators(engine.merge(template.args, own, spec.runtime.extra_args or []), template.command)
