"""The space that is proposed for what runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autotuner.policy.proposal.offers import TENSOR, Offer, offers, without
from autotuner.serving.accelerators import Fleet
from tests.unit.policy.proposal.running import FLEET, H100, running

LADDER = [8, 16, 32, 64, 128]


def offered(*args: str, fleet: Fleet = FLEET, max_gpus: int | None = None) -> dict[str, Offer]:
    return {one.name: one for one in offers(running(*args), fleet, LADDER, max_gpus)}


@pytest.mark.parametrize(
    ("args", "count", "max_gpus", "degrees"),
    [
        ([], 8, None, (1, 2, 4)),
        (["-tp=2"], 8, None, (1, 2, 4, 8)),
        (["-tp=4"], 8, None, (1, 2, 4, 8)),
        (["-tp=3"], 8, None, (1, 2, 3, 4, 8)),
        (["-tp=2", "-pp=2"], 8, None, (1, 2, 4)),
        (["-tp=2"], 8, 2, (1, 2)),
        (["-tp=2"], None, None, (1, 2)),
        ([], 1, None, None),
        ([], None, None, None),
    ],
)
def test_tensor_degrees_stay_within_a_node(
    args: list[str], count: int | None, max_gpus: int | None, degrees: tuple[int, ...] | None
) -> None:
    fleet = replace(FLEET, nodes=(replace(H100, count=count),) if count else ())
    found = offered(*args, fleet=fleet, max_gpus=max_gpus).get(TENSOR)
    assert (found.values if found else None) == degrees


def test_a_group_of_pods_has_the_accelerators_of_as_many_nodes_and_shares_them_evenly() -> None:
    found = running("-tp=8")
    group = replace(found, template=replace(found.template, pods=2))
    (tensor, *_) = offers(group, FLEET, LADDER, None)
    assert tensor.values == (2, 4, 8, 16)


def test_nothing_is_spread_over_slices_or_without_accelerators() -> None:
    sliced = Fleet("nvidia.com/mig-1g.10gb", (replace(H100, mig_slice="1g.10gb"),), looked=True)
    assert TENSOR not in offered(fleet=sliced)
    assert TENSOR not in offered(fleet=Fleet())


@pytest.mark.parametrize(
    ("args", "values", "unset"),
    [
        ([], (0.85, 0.9, 0.95), True),
        (["--gpu-memory-utilization=0.9"], (0.85, 0.9, 0.95), False),
        (["--gpu-memory-utilization", "0.70"], (0.7, 0.85, 0.9, 0.95), False),
    ],
)
def test_todays_value_is_among_those_to_try(args: list[str], values: tuple[float, ...], unset: bool) -> None:
    found = offered(*args)["gpu-memory-utilization"]
    assert (found.values, found.unset) == (values, unset)


def test_sizes_with_a_unit_are_numbers() -> None:
    assert offered("--max-num-batched-tokens=32K")["max-num-batched-tokens"].values[-1] == 32768


def test_what_is_no_number_is_left_as_it_is() -> None:
    assert "max-num-batched-tokens" not in offered("--max-num-batched-tokens=-1")


def test_values_that_no_configuration_could_have_are_left_out_with_their_reason() -> None:
    proposed = list(offered().values())
    left = {one.name: one for one in without(proposed, [(TENSOR, "1", "too large"), ("max-num-seqs", "unset", "no")])}
    assert (left[TENSOR].values, left[TENSOR].left_out) == ((2, 4), {"1": "too large"})
    assert not left["max-num-seqs"].unset


def test_a_dimension_without_a_choice_is_none() -> None:
    gone = [(TENSOR, str(degree), "too large") for degree in (1, 2)]
    assert TENSOR not in {one.name for one in without(offered().values(), gone)}
