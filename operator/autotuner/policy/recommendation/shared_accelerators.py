"""What a verdict says of accelerators that other pods could use at the same time."""

from __future__ import annotations

from collections.abc import Iterable

from autotuner.policy.evidence.measurements import Measured


def words(sharing: str | None) -> str:
    """For the end of a clause: `on shared accelerators (time-slicing, 4 clients)`; empty where they were not shared."""
    return f"on shared accelerators ({sharing})" if sharing else ""


def sentence(runs: Iterable[Measured]) -> str:
    """The paragraph of a report; empty where no run was on shared accelerators."""
    found = list(dict.fromkeys(one.status.accelerator_sharing for one in runs if one.status.accelerator_sharing))
    if not found:
        return ""
    return (
        f"**Shared accelerators** ({'; '.join(found)}): other pods could use them while this was measured, and the"
        " figures depend on what those did. Measure again on accelerators of its own before you rely on them."
    )
