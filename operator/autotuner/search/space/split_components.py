"""Parts of a space that no rule joins: each counted on its own, so that their product need never be listed."""

from __future__ import annotations

from autotuner.search.space.assembly import Assembly
from autotuner.search.space.connected_groups import partition
from autotuner.search.space.enumerated_component import Listed, is_listable
from autotuner.search.space.joined_dimensions import Part
from autotuner.search.space.sampled_component import Lazy

Component = Listed | Lazy


def components(pieces: Assembly) -> tuple[Component, ...]:
    """The components of a space, in the order of their first dimensions."""
    activity = pieces.activity
    links = [
        *(activity.closure(rule.reads) for rule in pieces.rules),
        *(activity.closure((switch.dimension,)) for switch in activity.switches),
        *(writer.reads for writer in pieces.writers),
    ]
    lengths = [len(dimension.values) for dimension in pieces.dimensions]
    found: list[Component] = []
    for dimensions in partition(len(lengths), links):
        part = Part(
            dimensions,
            lengths,
            pieces.effect,
            tuple(rule for rule in pieces.rules if rule.reads and rule.reads[0] in dimensions),
            activity.among(dimensions),
            tuple(writer for writer in pieces.writers if writer.reads[0] in dimensions),
        )
        found.append(Listed(part) if is_listable(part) else Lazy(part))
    return tuple(found)
