"""Faults planted into the operator, one by one: a simulation that finds none of them proves nothing."""

from __future__ import annotations

import pytest

from tests.simulation import planted
from tests.simulation.planted import FAULTS, Planted
from tests.simulation.plays import play

SEEDS = range(40)


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.what for fault in FAULTS])
def test_is_found(fault: Planted) -> None:
    found = planted.found(fault, SEEDS)

    assert found is not None
    seed, rule = found
    assert rule in fault.found_as
    # It is the fault that was found: without it the same history holds.
    assert not play(seed, fault.shows_with).broken
