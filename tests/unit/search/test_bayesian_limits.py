"""Bayesian search under limits: it ends at the best that keeps them, whatever more load would promise."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from autotuner.search.experiment_record import BoundaryRecord, LevelRecord, Record
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from tests.unit.builders import make_parameters
from tests.unit.search.proposed import suggest

SPACE = Space.over(
    make_parameters(tp=[1, 2, 4, 8], batch=[1, 2, 4, 8, 16, 32], chunk=[1, 2, 3, 4, 5], policy=["lpm", "fcfs", "dfs"]),
    engine="Custom",
)
EVERY = [one for index in range(SPACE.numbers) if (one := SPACE.at(index)) is not None]
LOADS = (16.0, 64.0, 256.0)
Experiment = Callable[[Configuration], Record]


def flags(configuration: Configuration) -> float:
    """What the flags make of it, as a logarithm; best at a batch of 8, chunks of 4, fcfs."""
    batch = -0.12 * abs(math.log2(int(configuration["batch"])) - 3)
    chunk = -0.08 * abs(int(configuration["chunk"]) - 4)
    return batch + chunk + {"lpm": 0.0, "fcfs": 0.15, "dfs": -0.2}[str(configuration["policy"])]


def ladder(figures: Callable[[float], tuple[float | None, float]], loads: Sequence[float] = LOADS) -> Record:
    """An experiment that ends at the first load beyond its limit, from the worth and the distance of each load."""
    levels: list[LevelRecord] = []
    for load in loads:
        worth, distance = figures(load)
        levels.append(LevelRecord(load, (worth,), (distance,)))
        if distance > 0:
            break
    kept = [one.worths[0] for one in levels if one.kept and one.worths[0] is not None]
    if kept:
        return Record(None, "value", (max(kept),), levels=tuple(levels))
    return Record(None, "infeasible", (), math.expm1(levels[-1].distances[0]), tuple(levels))


def named(record: Record, configuration: Configuration) -> Record:
    return Record(configuration, record.outcome, record.values, record.shortfall, record.levels, record.boundary)


def searched(experiment: Experiment, count: int, seed: int = 0, **more: Any) -> list[Record]:
    records: list[Record] = []
    for _ in range(count):
        records += map(experiment, suggest("Bayesian", SPACE, records, [], 1, seed, **more))
    return records


def best(records: Sequence[Record]) -> float:
    return max((one.values[0] for one in records if one.outcome == "value"), default=0.0)


def tempting(configuration: Configuration) -> Record:
    """Throughput grows fourfold between loads; with two accelerators the next load breaks its limit by 8 %."""
    tp = int(configuration["tp"])
    speed = {1: 300.0, 2: 1000.0, 4: 450.0, 8: 330.0}[tp] * math.exp(flags(configuration))
    last, beyond = (16, math.log(1.08)) if tp == 2 else (64, 0.8)
    calm = 0.05 * flags(configuration)

    def figures(load: float) -> tuple[float, float]:
        return speed * load / 16, beyond if load > last else -0.1 * (1 + last / load) - calm

    return named(ladder(figures), configuration)


def softened(record: Record) -> float:
    """What it would be worth if violations could be paid for."""
    return max(
        (one.worths[0] or 0.0) / math.exp(4 * max(0.0, one.distances[0])) for one in record.levels if one.distances
    )


class TestNextLoadThatIsTempting:
    def test_is_no_trap(self) -> None:
        every = [tempting(one) for one in EVERY]
        judged, trap = best(every), max(every, key=softened)
        # The trap is one: what looks best if violations are paid for is worth little more than half.
        assert trap.values[0] < 0.6 * judged
        found = [best(searched(tempting, 22, seed)) / judged for seed in range(4)]
        assert min(found) >= 0.9
        assert sum(one >= 0.97 for one in found) >= 3

    def test_holds_no_more_than_its_share_of_the_experiments(self) -> None:
        late = [one.configuration for seed in range(3) for one in searched(tempting, 20, seed)[10:]]
        assert sum(one is not None and one["tp"] == 2 for one in late) <= len(late) / 4


def narrow(configuration: Configuration, ease: float = 0.0, judged: float | None = None) -> Record:
    """Latency falls with the accelerators and grows with batch and chunk; where it is kept, throughput is poor.

    Args:
        configuration: to measure.
        ease: of the limit.
        judged: the only load that has a worth.
    """
    batch, chunk = math.log2(int(configuration["batch"])), int(configuration["chunk"])
    slow = 0.35 * batch + 0.2 * chunk - 0.4 * math.log2(int(configuration["tp"])) - ease
    slow += {"lpm": 0.0, "fcfs": 0.3, "dfs": 0.5}[str(configuration["policy"])]
    speed = 100 * math.exp(0.3 * batch + 0.1 * chunk)

    def figures(load: float) -> tuple[float | None, float]:
        worth = speed * (load / 16) ** 0.7 if judged in (None, load) else None
        return worth, slow + 0.3 * math.log(load / 16) + 0.45

    return named(ladder(figures), configuration)


class TestNarrowRegion:
    def test_is_found_and_searched(self) -> None:
        every = [narrow(one) for one in EVERY]
        kept = [one for one in every if one.outcome == "value"]
        assert len(kept) < 0.05 * len(every)
        for seed in range(3):
            records = searched(narrow, 22, seed)
            assert best(records) >= 0.9 * best(every)
            # By chance it would be one.
            assert sum(one.outcome == "value" for one in records) >= 4

    def test_that_is_empty_leads_to_what_is_nearest(self) -> None:
        def hopeless(configuration: Configuration) -> Record:
            speed = 100 * math.exp(flags(configuration))
            return named(ladder(lambda load: (speed * load, 0.5 - flags(configuration))), configuration)

        nearest = min(hopeless(one).shortfall for one in EVERY)
        for seed in range(3):
            records = searched(hopeless, 18, seed)
            assert {one.outcome for one in records} == {"infeasible"}
            assert min(one.shortfall for one in records) <= 1.1 * nearest

    def test_is_found_where_no_ladder_reaches_the_level_that_is_judged(self) -> None:
        """A latency at the highest load: below, no level has a worth."""

        def judged(configuration: Configuration) -> Record:
            return narrow(configuration, 0.75, LOADS[-1])

        every = [judged(one) for one in EVERY]
        assert sum(one.outcome == "value" for one in every) < 0.05 * len(every)
        for seed in range(3):
            records = searched(judged, 22, seed)
            assert sum(one.outcome == "value" for one in records) >= 4
            assert best(records) >= 0.9 * best(every)


class TestBoundaries:
    """The number of users is the objective; the lowest rung has 8."""

    @staticmethod
    def users(configuration: Configuration) -> Record:
        users = 30 * math.exp(3 * flags(configuration)) * int(configuration["tp"]) ** 0.3
        if users < 8:
            return Record(configuration, "infeasible", (), 8 / users - 1, boundary=BoundaryRecord(users, 0.0, 8.0))
        edge = BoundaryRecord(users, 2 ** math.floor(math.log2(users)), 2 ** math.ceil(math.log2(users)))
        return Record(configuration, "value", (users,), boundary=edge)

    def test_lead_to_the_most_users(self) -> None:
        every = [self.users(one) for one in EVERY]
        assert sum(one.outcome == "infeasible" for one in every) > 0.1 * len(every)
        for seed in range(3):
            assert best(searched(self.users, 18, seed)) >= 0.9 * best(every)

    def test_below_the_lowest_rung_lead_there_too(self) -> None:
        def few(configuration: Configuration) -> Record:
            users = 7 * math.exp(flags(configuration))
            return Record(configuration, "infeasible", (), 8 / users - 1, boundary=BoundaryRecord(users, 0.0, 8.0))

        nearest = min(few(one).shortfall for one in EVERY)
        assert min(one.shortfall for one in searched(few, 18)) <= nearest + 0.1


class TestOtherFigures:
    """The search knows of no metric: loads are numbers that grow, worths are positive."""

    def test_share_of_requests_in_time_at_the_highest_rate_that_keeps_a_limit(self) -> None:
        """Attainment falls with the rate; a level counts as long as its error rate is kept."""

        def attained(configuration: Configuration) -> Record:
            capacity = 6 * math.exp(2 * flags(configuration))

            def figures(rate: float) -> tuple[float, float]:
                return 1 / (1 + (rate / capacity) ** 2), math.log(rate / capacity) - 1.5

            return named(ladder(figures, (7.25, 2.5, 0.35)[::-1]), configuration)

        every = [attained(one) for one in EVERY]
        for seed in range(2):
            assert best(searched(attained, 14, seed)) >= 0.99 * best(every)

    def test_requests_in_time_per_second(self) -> None:
        """Goodput: the rate times the share in time, where 90 % of the requests are."""

        def good(configuration: Configuration) -> Record:
            capacity = 4 * math.exp(3 * flags(configuration))

            def figures(rate: float) -> tuple[float, float]:
                share = 1 / (1 + math.exp(4 * math.log(rate / capacity)))
                return rate * share, math.log(0.9 / share)

            return named(ladder(figures, (0.2, 0.6, 1.8, 3.1, 5.4)), configuration)

        every = [good(one) for one in EVERY]
        for seed in range(2):
            assert best(searched(good, 18, seed)) >= 0.95 * best(every)


class TestFrontUnderLimits:
    @staticmethod
    def both(configuration: Configuration) -> Record:
        """Throughput of the best load that is kept, latency at the lowest; more accelerators break a third figure."""
        tp = int(configuration["tp"])
        broken = math.log(tp / 2) * 0.6 - 0.1
        throughput = 100 * math.exp(flags(configuration)) * int(configuration["batch"]) ** 0.3 * tp
        latency = 0.1 * math.exp(-flags(configuration)) * int(configuration["batch"]) ** 0.5 / tp
        levels = (
            LevelRecord(16.0, (throughput, latency), (broken,)),
            LevelRecord(64.0, (2 * throughput, None), (broken + 0.05,)),
        )
        if broken > 0:
            return Record(configuration, "infeasible", (), math.expm1(broken), levels[:1])
        return Record(configuration, "value", (2 * throughput, latency), levels=levels)

    def test_stays_within_them(self) -> None:
        """Half of the space is beyond, and both figures would be better there."""
        for seed in range(3):
            records = searched(self.both, 22, seed, maximise=[True, False])
            late = records[10:]
            assert sum(one.outcome == "value" for one in late) >= 0.7 * len(late)

    def test_that_nothing_keeps_leads_to_proposals(self) -> None:
        """No ladder got as far as the level that the second objective is judged at."""
        records = [
            Record(one, "infeasible", (), 0.1, (LevelRecord(16.0, (100.0 + number, None), (0.1,)),))
            for number, one in enumerate(EVERY[::40])
        ]
        found = suggest("Bayesian", SPACE, records, [], 4, 0, maximise=[True, False])
        assert len(set(found)) == 4


class TestPurity:
    RECORDS = tuple(map(tempting, EVERY[3:340:29]))

    @pytest.mark.filterwarnings("error")
    def test_equal_records_give_the_same_proposal_in_any_order(self) -> None:
        """Of repeats, and of the levels of each."""
        again = [named(tempting(EVERY[32]), EVERY[3]), *self.RECORDS, self.RECORDS[0]]
        expected = suggest("Bayesian", SPACE, again, EVERY[50:53], 2, 1)
        for number in range(4):
            shuffled = list(again)
            random.Random(number).shuffle(shuffled)
            turned = [
                Record(one.configuration, one.outcome, one.values, one.shortfall, one.levels[::-1]) for one in shuffled
            ]
            assert suggest("Bayesian", SPACE, shuffled, EVERY[52:49:-1], 2, 1) == expected
            assert suggest("Bayesian", SPACE, turned, EVERY[50:53], 2, 1) == expected

    def test_pending_ones_spread_a_batch(self) -> None:
        records = searched(tempting, 9)
        batch = suggest("Bayesian", SPACE, records, [], 4, 0)
        differ = [sum(one[name] != other[name] for name in one) for one in batch for other in batch if one is not other]
        assert len(set(batch)) == 4
        assert max(differ) >= 3

    def test_units_of_worth_and_load_do_not_matter(self) -> None:
        scaled = [
            Record(
                one.configuration,
                one.outcome,
                tuple(8.0 * value for value in one.values),
                one.shortfall,
                tuple(
                    LevelRecord(level.load * 1000, (8.0 * (level.worths[0] or 0.0),), level.distances)
                    for level in one.levels
                ),
            )
            for one in self.RECORDS
        ]
        assert suggest("Bayesian", SPACE, scaled, [], 3, 1) == suggest("Bayesian", SPACE, self.RECORDS, [], 3, 1)
