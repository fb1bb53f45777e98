"""What Bayesian search does with what it is told: it begins where advised, learns, avoids, spreads and ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from autotuner.api.parameters import Constraint
from autotuner.search.bayesian import incumbent
from autotuner.search.experiment_record import Record, RecordOutcome
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from autotuner.search.suggest import suggest
from tests.unit.builders import make_parameters

BATCHES = [1, 2, 4, 8, 16, 32]
SPACE = Space.over(
    make_parameters(
        batch=BATCHES, chunk=[1, 2, 3, 4, 5], policy=["lpm", "fcfs", "dfs"], mixed=True, inert=[1, 2, 3, 4]
    ),
    engine="Custom",
)
Experiment = Callable[[Configuration], Record]


def additive(configuration: Configuration) -> float:
    """Best at a batch of 8, chunks of 4, fcfs, mixed: 720 configurations, of which 4 are the best."""
    batch = -0.15 * abs(BATCHES.index(int(configuration["batch"])) - 3)
    chunk = -0.1 * abs(int(configuration["chunk"]) - 4)
    policy = {"lpm": 0.0, "fcfs": 0.2, "dfs": -0.3}[str(configuration["policy"])]
    return 1000 * math.exp(batch + chunk + policy + 0.1 * bool(configuration["mixed"]))


BEST = max(additive(one) for index in range(SPACE.numbers) if (one := SPACE.at(index)) is not None)


def valued(configuration: Configuration) -> Record:
    return Record(configuration, "value", (additive(configuration),))


def searched(
    experiment: Experiment, count: int, seed: int = 0, space: Space = SPACE, **more: Any
) -> tuple[list[Record], list[Configuration]]:
    """The records of a search, one experiment at a time, and what was proposed."""
    records: list[Record] = []
    proposed: list[Configuration] = []
    for _ in range(count):
        found = suggest("Bayesian", space, records, [], 1, seed, **more)
        records += map(experiment, found)
        proposed += found
    return records, proposed


def ended(outcome: RecordOutcome, *configurations: Configuration | None) -> list[Record]:
    return [Record(one, outcome) for one in configurations]


def differences(one: Configuration, other: Configuration) -> int:
    return sum(one.get(name) != other.get(name) for name in {*one, *other})


# Chunk and inert parameter of five configurations next to the first one that is advised.
BESIDE_START = [(1, 1), (3, 1), (2, 2), (2, 3), (2, 4)]


class TestLearning:
    def test_finds_the_best_of_an_additive_function_by_most_seeds(self) -> None:
        found = [max(record.values[0] for record in searched(valued, 18, seed)[0]) for seed in range(6)]
        assert sum(value >= 0.97 * BEST for value in found) >= 5

    def test_minimises_where_less_is_better(self) -> None:
        def latency(configuration: Configuration) -> Record:
            return Record(configuration, "value", (1 / additive(configuration),))

        records, _ = searched(latency, 16, maximise=[False])
        more, _ = searched(valued, 16)
        assert [one.configuration for one in records] == [one.configuration for one in more]

    def test_recommends_what_is_good_rather_than_what_was_lucky(self) -> None:
        records, _ = searched(valued, 14)
        poor = min(records, key=lambda one: one.values)
        assert poor.configuration is not None
        lucky = Record(poor.configuration, "value", (BEST * 1.02,))
        also_poor = [Record(poor.configuration, "value", poor.values)] * 4
        chosen = incumbent(SPACE, [*records, lucky, *also_poor], True, 0)
        assert chosen is not None
        assert chosen != poor.configuration
        assert additive(chosen) > 0.9 * BEST

    def test_recommends_nothing_where_nothing_keeps_the_promises(self) -> None:
        assert incumbent(SPACE, [Record(SPACE.at(0), "infeasible", shortfall=0.1)], True, 0) is None
        assert incumbent(SPACE, [Record(SPACE.at(0), "bound", (9.0,)), *ended("crash", SPACE.at(1))], True, 0) is None
        assert incumbent(SPACE, [], True, 0) is None

    def test_recommends_what_is_feasible_over_what_is_better(self) -> None:
        kept, broken = SPACE.at(0), SPACE.at(1)
        records = [Record(kept, "value", (1.0,)), Record(broken, "infeasible", shortfall=0.2, softened=(9.0,))]
        assert incumbent(SPACE, records, True, 0) == kept

    def test_a_baseline_that_is_no_point_of_the_space_teaches_nothing(self) -> None:
        records, _ = searched(valued, 7)
        more = [*records, Record(None, "value", (1e6,)), Record(Configuration((("other", 1),)), "value", (1e6,))]
        unlearnt = [*records, Record(None, "unknown"), Record(None, "environment")]
        assert suggest("Bayesian", SPACE, more, [], 2, 0) == suggest("Bayesian", SPACE, unlearnt, [], 2, 0)

    def test_a_hopeless_ladder_counts_as_at_most_its_bound(self) -> None:
        """Bounds of a third of the best lead as far from there as values of a third do."""

        def stopped(configuration: Configuration) -> Record:
            value = additive(configuration)
            return Record(configuration, "bound" if value < BEST / 2 else "value", (max(value, BEST / 3),))

        records, _ = searched(stopped, 16)
        assert any(one.outcome == "bound" for one in records)
        found = incumbent(SPACE, records, True, 0)
        assert found is not None
        assert additive(found) > 0.9 * BEST
        late = [one for one in records[8:] if one.outcome == "bound"]
        assert len(late) <= 3

    def test_a_loose_bound_is_believed_no_more_than_its_neighbours(self) -> None:
        """It lies above all that was measured, where all that was measured is poor."""
        space = Space.over(make_parameters(a=list(range(40))), engine="Custom")

        def at(a: int) -> Configuration:
            return Configuration((("a", a),))

        good = [Record(at(a), "value", (8.0,)) for a in range(2, 11, 2)]
        poor = [Record(at(a), "value", (1.0,)) for a in (22, 24, 26, 38, 39)]

        def asked(bound: Record) -> int:
            return int(suggest("Bayesian", space, [*good, *poor, bound], [], 1, 0)[0]["a"])

        assert 26 < asked(Record(at(32), "value", (100.0,))) < 38
        assert asked(Record(at(32), "bound", (100.0,))) < 20


class TestFailures:
    @pytest.mark.parametrize("outcome", ["crash", "impossible"])
    def test_a_value_that_always_crashes_is_hardly_proposed_again(self, outcome: RecordOutcome) -> None:
        def crashes(configuration: Configuration) -> Record:
            return Record(configuration, outcome) if configuration["policy"] == "fcfs" else valued(configuration)

        late = [one for seed in range(3) for one in searched(crashes, 16, seed)[1][8:]]
        # A third of the space, and it would be the best third.
        assert sum(one["policy"] == "fcfs" for one in late) <= 2

    def test_all_crashed_leads_to_what_is_most_unlike_them(self) -> None:
        taken = [one for index in range(240) if (one := SPACE.at(index)) and one["policy"] == "lpm"][:8]
        for proposal in suggest("Bayesian", SPACE, ended("crash", *taken), [], 3, 0):
            assert min(differences(proposal, one) for one in taken) >= 3

    @pytest.mark.parametrize("outcome", ["environment", "unknown"])
    def test_nothing_is_learnt_from_the_environment_but_its_configuration_is_taken(
        self, outcome: RecordOutcome
    ) -> None:
        records, _ = searched(valued, 8)
        (following,) = suggest("Bayesian", SPACE, records, [], 1, 0)
        spoiled = [*records, Record(following, outcome, (1e-6,) if outcome == "unknown" else ())]
        (other,) = suggest("Bayesian", SPACE, spoiled, [], 1, 0)
        assert other != following
        # Not avoided either: what is near it is still promising.
        assert differences(other, following) <= 3

    @pytest.mark.parametrize(
        "softens", [False, True], ids=["by how far they are beyond", "by what they would be worth"]
    )
    def test_infeasible_ones_teach(self, softens: bool) -> None:
        for seed in range(3):
            records, _ = searched(lambda one: self.judged(one, softens), 18, seed)
            # Half of the space breaks the promise, and it would be the better half.
            assert sum(one.outcome == "infeasible" for one in records[8:]) <= 2

    def test_softened_ones_lead_to_the_best_that_keeps_the_promises(self) -> None:
        for seed in range(3):
            records, _ = searched(lambda one: self.judged(one, softens=True), 25, seed)
            assert self.best_kept(records) > 0.9 * self.reachable()

    def test_nothing_kept_yet_goes_where_least_is_broken(self) -> None:
        def limited(configuration: Configuration) -> Record:
            return Record(configuration, "infeasible", shortfall=2000 / additive(configuration) - 1)

        records, _ = searched(limited, 18)
        assert min(record.shortfall for record in records) < 1.1 * (2000 / BEST - 1)

    @staticmethod
    def judged(configuration: Configuration, softens: bool) -> Record:
        """Large batches break a promise, the more the larger they are."""
        beyond = 0.15 * max(0, BATCHES.index(int(configuration["batch"])) - 2)
        value = additive(configuration)
        softened = (value / (1 + beyond) ** 4,) if softens else ()
        if beyond:
            return Record(configuration, "infeasible", (), beyond, softened)
        return Record(configuration, "value", (value,), softened=softened)

    @staticmethod
    def best_kept(records: Sequence[Record]) -> float:
        return max((one.values[0] for one in records if one.outcome == "value"), default=0.0)

    def reachable(self) -> float:
        every = [self.judged(one, False) for index in range(SPACE.numbers) if (one := SPACE.at(index))]
        return self.best_kept(every)


class TestBeginning:
    STARTS = (
        Configuration((("batch", 4), ("chunk", 2), ("policy", "lpm"), ("mixed", False), ("inert", 1))),
        Configuration((("batch", 32), ("chunk", 2), ("policy", "lpm"), ("mixed", False), ("inert", 1))),
    )

    def test_is_what_was_advised_in_its_order(self) -> None:
        assert searched(valued, 2, starts=self.STARTS)[1] == list(self.STARTS)
        assert suggest("Bayesian", SPACE, [], [], 2, 0, starts=self.STARTS) == list(self.STARTS)

    def test_skips_advice_that_is_measured_or_running(self) -> None:
        first, second = self.STARTS
        assert suggest("Bayesian", SPACE, ended("unknown", first), [], 1, 0, starts=self.STARTS) == [second]
        assert suggest("Bayesian", SPACE, [], [first], 1, 0, starts=self.STARTS) == [second]

    def test_skips_advice_that_would_most_likely_crash(self) -> None:
        near = [SPACE.nearest({**self.STARTS[1], "chunk": chunk}) for chunk in (1, 3)]
        records = [*ended("crash", *near), valued(self.STARTS[0])]
        assert not set(suggest("Bayesian", SPACE, records, [], 2, 0, starts=self.STARTS)) & set(self.STARTS)

    def test_skips_advice_that_a_rule_forbids(self) -> None:
        rule = Constraint(rule="p.batch != 4")
        space = Space.over(make_parameters(batch=BATCHES, chunk=[1, 2, 3]), [rule], engine="Custom")
        forbidden, allowed = (Configuration((("batch", batch), ("chunk", 2))) for batch in (4, 8))
        assert suggest("Bayesian", space, [], [], 1, 0, starts=[forbidden, allowed]) == [allowed]

    def test_is_over_when_five_are_measured_or_running(self) -> None:
        running = [SPACE.nearest({**self.STARTS[0], "chunk": chunk, "inert": inert}) for chunk, inert in BESIDE_START]
        assert suggest("Bayesian", SPACE, [], [one for one in running if one], 1, 0, starts=self.STARTS[:1]) != [
            self.STARTS[0]
        ]

    def test_without_advice_is_spread_over_the_space(self) -> None:
        for seed in range(3):
            _, proposed = searched(valued, 3, seed)
            assert all(differences(one, other) >= 4 for one in proposed for other in proposed if one is not other)

    def test_near_advice_keeps_something_of_it(self) -> None:
        _, proposed = searched(valued, 5, starts=self.STARTS)
        for one in proposed[2:]:
            assert min(differences(one, start) for start in self.STARTS) <= 4


class TestBatches:
    def test_are_distinct_and_not_next_to_each_other(self) -> None:
        records, _ = searched(valued, 9)
        batch = suggest("Bayesian", SPACE, records, [], 4, 0)
        assert len({SPACE.identity(one) for one in batch}) == 4
        # Without the believer, all four would be neighbours of the one that promises most.
        distances = [differences(one, other) for one in batch for other in batch if one is not other]
        assert max(distances) >= 3

    def test_what_is_running_is_not_proposed(self) -> None:
        records, _ = searched(valued, 9)
        running = suggest("Bayesian", SPACE, records, [], 3, 0)
        assert not set(suggest("Bayesian", SPACE, records, running, 5, 0)) & set(running)
        assert not set(suggest("Bayesian", SPACE, [], running, 5, 0)) & set(running)

    def test_find_the_best_too(self) -> None:
        records: list[Record] = []
        for _ in range(6):
            records += map(valued, suggest("Bayesian", SPACE, records, [], 4, 0))
        assert max(record.values[0] for record in records) >= 0.95 * BEST
