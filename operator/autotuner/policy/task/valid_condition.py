"""The condition Valid of a task that may run: what may mislead, which defaults count, by whose flags it was judged."""

from __future__ import annotations

from autotuner.policy import preflight, spec_completion
from autotuner.policy.budget import limits
from autotuner.policy.task.plan import PlanBuilder


def confirm(builder: PlanBuilder) -> None:
    """Set Valid to True, with what there is to tell."""
    seen = builder.seen
    misleading = preflight.warnings(seen.spec, seen.presets, seen.surroundings)
    misleading += preflight.never_tried(seen.spec, seen.presets, seen.surroundings)
    warnings = [*(finding.message for finding in misleading), *limits.warnings(seen)]
    defaults = ", ".join(spec_completion.fields(seen.defaults))
    taken = f"from the operator's taskDefaults: {defaults}" if defaults else ""
    judged_by = preflight.judged_by(seen.spec, seen.presets, seen.surroundings)
    builder.conditions.set("Valid", "True", "Valid", "; ".join(filter(None, (*warnings, taken, judged_by))))
