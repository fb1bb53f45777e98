"""The space that is proposed: parallelism and flags that are worth a search, with today's values among those to try."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from autotuner.engines import Accelerator
from autotuner.engines.arguments import Value, text, with_unit
from autotuner.engines.worth_tuning import Workload, WorthTuning
from autotuner.policy.proposal.recognised import Recognised
from autotuner.serving.accelerators import Fleet

TENSOR = "parallelism.tensor"
# No more than four times today's: an engine over more accelerators takes a larger share of the budget.
_WIDER = 4
_WHY_TENSOR = (
    "Over how many accelerators each layer is split: fewer of them waste less time on talking to each other, more leave"
    " room for a larger cache and answer sooner"
)


@dataclass(frozen=True)
class Offer:
    """One dimension of the space that is proposed.

    Attributes:
        name: of the parameter, or `parallelism.tensor`.
        values: to try, in order; all numbers, or all words.
        today: what runs, in words for people.
        unset: the flag is not set today, so that leaving it out is a value too.
        why: what it trades for what, as a sentence without its full stop.
        left_out: values that no configuration could have -> why.
    """

    name: str
    values: tuple[Value, ...]
    today: str
    unset: bool
    why: str
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_choice(self) -> bool:
        """Whether there is something to choose."""
        return len(self.values) + self.unset > 1


def offers(found: Recognised, fleet: Fleet, users: Sequence[int], max_gpus: int | None) -> list[Offer]:
    """The dimensions that are worth a search, parallelism first.

    Args:
        found: what runs.
        fleet: what the nodes say of its accelerators.
        users: the ladder of concurrency.
        max_gpus: that running experiments may hold together; None for no limit.
    """
    workload = Workload(max(users), fleet.memory_mib)
    usual = found.engine.usual(Accelerator(fleet.memory_mib, fleet.product))
    proposed = [_of_flag(found, one, workload, usual) for one in found.engine.worth_tuning]
    return [one for one in (_tensor(found, fleet, max_gpus), *proposed) if one is not None and one.is_choice]


def without(proposed: Iterable[Offer], lost: Iterable[tuple[str, str, str]]) -> list[Offer]:
    """The offers without the values that no configuration could have.

    Args:
        proposed: the offers.
        lost: dimension, value as it is written, and why.
    """
    gone: dict[str, dict[str, str]] = {}
    for name, value, why in lost:
        gone.setdefault(name, {})[value] = why
    left = [_without(one, gone.get(one.name, {})) for one in proposed]
    return [one for one in left if one.is_choice]


def _without(offer: Offer, gone: Mapping[str, str]) -> Offer:
    kept = tuple(value for value in offer.values if text(value) not in gone)
    return replace(offer, values=kept, unset=offer.unset and "unset" not in gone, left_out=gone)


def _tensor(found: Recognised, fleet: Fleet, max_gpus: int | None) -> Offer | None:
    """Tensor degrees on one node; None where the engine has no flag for them, or they cannot be told."""
    word = found.engine.parallelism.words.get("tensor")
    if word is None or not fleet.resource or fleet.mig_slice:
        return None
    today, pods = found.degree(word.name), found.template.pods
    others = max(1, found.accelerators // today)  # that every rank takes for other kinds of parallelism
    held = fleet.accelerators * pods if fleet.accelerators else None
    room = [count // others for count in (held, max_gpus) if count is not None]
    most = min([*room, today * _WIDER]) if held else min([*room, today])
    even = [2**power for power in range(10) if 2**power * others % pods == 0]
    degrees = {degree for degree in even if degree <= most} | {today}
    return Offer(TENSOR, tuple(sorted(degrees)), f"Today: {today}", unset=False, why=_WHY_TENSOR)


def _of_flag(found: Recognised, worth: WorthTuning, workload: Workload, usual: Mapping[str, Value]) -> Offer | None:
    """The offer of a flag; None where the engine's release does not know it, or today's value cannot be compared."""
    engine = found.engine
    if engine.table is None or engine.table.find(worth.flag) is None:
        return None
    values, today = list(worth.values(workload)), found.today(worth.flag)
    if not today:
        about = f"; {engine.label} takes about {text(usual[worth.flag])}" if worth.flag in usual else ""
        return Offer(worth.flag, tuple(values), f"Today: not set{about}", unset=True, why=worth.why)
    if isinstance(values[0], str):
        return Offer(worth.flag, tuple(dict.fromkeys([today, *values])), f"Today: {today}", unset=False, why=worth.why)
    number = _number(today)
    if number is None or number <= 0:  # a word, or -1 for none: no number to compare others with
        return None
    numbers = sorted({*(value for value in values if not isinstance(value, str)), number})
    return Offer(worth.flag, tuple(numbers), f"Today: {today}", unset=False, why=worth.why)


def _number(written: str) -> int | float | None:
    if (size := with_unit(written)) is not None:
        return size
    try:
        return int(written) if written.isdecimal() else float(written)
    except ValueError:
        return None
