"""The configurations of a proposal, for tests that do not ask what going on would gain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autotuner.search import suggest as search
from autotuner.search.experiment_record import Record
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space


def suggest(
    strategy: search.Strategy,
    space: Space,
    records: Sequence[Record],
    pending: Sequence[Configuration],
    count: int,
    seed: int,
    **more: Any,
) -> list[Configuration]:
    """What the search would measure next."""
    return search.suggest(strategy, space, records, pending, count, seed, **more).configurations
