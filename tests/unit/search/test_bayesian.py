"""What Bayesian search does with what it is told: it begins where advised, learns, avoids, spreads and ends."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from autotuner.api.parameters import Constraint
from autotuner.search import bayesian
from autotuner.search import suggest as search
from autotuner.search.experiment_record import LevelRecord, Record, RecordOutcome
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from tests.unit.builders import make_parameters
from tests.unit.search.proposed import suggest

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


def with_one_twice_as_good(count: int) -> list[Record]:
    """The records of a search, the best one last, and twice as good as the second one."""
    *others, best = sorted(searched(valued, count)[0], key=lambda one: one.values)
    return [*others, Record(best.configuration, "value", (2 * others[-1].values[0],))]


# Chunk and inert parameter of five configurations next to the first one that is advised.
BESIDE_START = [(1, 1), (3, 1), (2, 2), (2, 3), (2, 4)]


ONE_BY_ONE = ["21000", "00012", "02103", "23111", "44201", "50110", "04110", "34113", "34100", "30113"]


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
        assert max(one.values[0] for one in records if one.outcome == "value") > 0.9 * BEST
        late = [one for one in records[8:] if one.outcome == "bound"]
        assert len(late) <= 3

    def test_a_loose_bound_is_believed_no_more_than_what_was_measured(self) -> None:
        """It lies above all that was measured, where all that was measured is poor."""
        space = Space.over(make_parameters(a=list(range(40))), engine="Custom")

        def climbed(a: int, outcome: RecordOutcome, value: float, *worths: float) -> Record:
            levels = tuple(LevelRecord(8.0 * 4**number, (worth,)) for number, worth in enumerate(worths))
            return Record(Configuration((("a", a),)), outcome, (value,), levels=levels)

        good = [climbed(a, "value", 8.0, 2.0, 8.0) for a in range(2, 11, 2)]
        poor = [climbed(a, "value", 1.0, 0.25, 1.0) for a in (22, 24, 26, 38, 39)]

        def asked(more: Record) -> int:
            return int(suggest("Bayesian", space, [*good, *poor, more], [], 1, 0)[0]["a"])

        assert asked(climbed(32, "bound", 100.0, 0.25)) < 20
        assert 26 < asked(climbed(32, "value", 100.0, 25.0, 100.0)) < 38


class TestFailures:
    @pytest.mark.parametrize("outcome", ["crash", "impossible"])
    def test_a_value_that_always_crashes_is_hardly_proposed_again(self, outcome: RecordOutcome) -> None:
        def crashes(configuration: Configuration) -> Record:
            return Record(configuration, outcome) if configuration["policy"] == "fcfs" else valued(configuration)

        late = [one for seed in range(3) for one in searched(crashes, 16, seed)[1][8:]]
        # A third of the space, eight by chance, and it would be the best third.
        assert sum(one["policy"] == "fcfs" for one in late) <= 4

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

    def test_infeasible_ones_teach(self) -> None:
        for seed in range(3):
            records, _ = searched(self.judged, 18, seed)
            # Half of the space breaks the promise, and it would be the better half.
            assert sum(one.outcome == "infeasible" for one in records[8:]) <= 2

    def test_nothing_kept_yet_goes_where_least_is_broken(self) -> None:
        def limited(configuration: Configuration) -> Record:
            return Record(configuration, "infeasible", shortfall=2000 / additive(configuration) - 1)

        records, _ = searched(limited, 18)
        assert min(record.shortfall for record in records) < 1.1 * (2000 / BEST - 1)

    @staticmethod
    def judged(configuration: Configuration) -> Record:
        """Large batches break a promise, the more the larger they are."""
        beyond = 0.15 * max(0, BATCHES.index(int(configuration["batch"])) - 2)
        if beyond:
            return Record(configuration, "infeasible", (), beyond)
        return valued(configuration)


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

    def test_do_not_try_one_likely_crash_eight_times(self) -> None:
        """Large batches promise the most, and crash; how large is not known yet."""

        def crashing(configuration: Configuration) -> Record:
            return ended("crash", configuration)[0] if int(configuration["batch"]) > 8 else growing(configuration)

        def growing(configuration: Configuration) -> Record:
            return Record(configuration, "value", (100.0 * int(configuration["batch"]),))

        for seed in range(2):
            records, _ = searched(crashing, 8, seed)
            assert {one.outcome for one in records} == {"value", "crash"}
            batch = suggest("Bayesian", SPACE, records, [], 8, seed)
            assert sum(int(one["batch"]) > 8 for one in batch) <= 4

    def test_begin_near_advice_that_is_still_running(self) -> None:
        starts = TestBeginning.STARTS
        batch = suggest("Bayesian", SPACE, [], [], 7, 0, starts=starts)
        assert batch[:2] == list(starts)
        assert all(min(differences(one, start) for start in starts) <= 4 for one in batch[2:])

    def test_one_by_one_nothing_has_changed(self) -> None:
        """What was proposed before experiments ran side by side, place by place."""
        _, proposed = searched(valued, 10, starts=TestBeginning.STARTS[:1])
        assert ["".join(map(str, SPACE.places(one))) for one in proposed] == ONE_BY_ONE


class TestBeside:
    """Of a configuration that something like it is known of, nothing needs to be learnt in the beginning."""

    def test_the_beginning_goes_elsewhere(self) -> None:
        known = [one for seed in range(3) for one in suggest("Bayesian", SPACE, [], [], 1, seed)]
        for seed in range(3):
            (found,) = suggest("Bayesian", SPACE, [], [], 1, seed, beside=known[seed : seed + 1])
            assert differences(found, known[seed]) >= 4

    def test_it_may_still_be_measured(self) -> None:
        space = Space.over(make_parameters(batch=BATCHES), engine="Custom")
        every = [one for index in range(space.numbers) if (one := space.at(index))]
        assert set(suggest("Bayesian", space, [], [], 9, 0, beside=every)) == set(every)

    def test_of_another_space_it_is_nothing(self) -> None:
        stranger = Configuration((("other", 1),))
        assert suggest("Bayesian", SPACE, [], [], 2, 0, beside=[stranger]) == suggest("Bayesian", SPACE, [], [], 2, 0)

    def test_it_does_not_matter_when_the_beginning_is_over(self) -> None:
        records, _ = searched(valued, 6)
        (found,) = suggest("Bayesian", SPACE, records, [], 1, 0)
        assert suggest("Bayesian", SPACE, records, [], 1, 0, beside=[found]) == [found]


class TestPlateau:
    """Whatever is changed around the best one, it stays as good: the rest of the space is somewhere else."""

    SPACE = Space.over(
        make_parameters(batch=BATCHES, chunk=[1, 2, 3, 4, 5], mixed=True, backend=["a", "b", "c", "d"]),
        engine="Custom",
    )

    @pytest.mark.parametrize("noise", [0.0, 0.02])
    def test_is_left_for_a_value_that_was_never_tried(self, noise: float) -> None:
        """All that was measured has one backend."""
        for seed in range(3):
            same = [one for one in suggest("Random", self.SPACE, [], [], 60, seed) if one["backend"] == "a"][:10]
            records = [
                Record(one, "value", (1000.0 * (1 + noise * math.sin(number)),)) for number, one in enumerate(same)
            ]
            tried = set()
            for _ in range(6):
                (found,) = suggest("Bayesian", self.SPACE, records, [], 1, seed)
                tried.add(found["backend"])
                records.append(Record(found, "value", (1000.0,)))
            assert {"b", "c", "d"} <= tried


class TestExpectedGain:
    @staticmethod
    def of(records: list[Record], **more: Any) -> float | None:
        return search.suggest("Bayesian", SPACE, records, [], 1, 0, **more).expected_gain

    def test_is_not_known_in_the_first_ten_experiments(self) -> None:
        records, _ = searched(valued, 11)
        assert [self.of(records[:count]) for count in range(11)] == [None] * 11
        assert self.of(records) is not None

    @pytest.mark.parametrize("outcome", ["crash", "infeasible", "environment", "bound"])
    def test_is_not_known_until_ten_experiments_after_something_is_feasible(self, outcome: RecordOutcome) -> None:
        records, _ = searched(valued, 13)
        failed = [Record(one.configuration, outcome, (9.0,) if outcome == "bound" else ()) for one in records]
        assert self.of(failed) is None
        assert self.of([*failed[:3], *records[3:]]) is None
        assert self.of([*failed[:2], *records[2:]]) is not None

    def test_is_not_known_before_two_experiments_for_each_parameter(self) -> None:
        wide = Space.over(make_parameters(**{f"p{number}": [1, 2, 3] for number in range(8)}), engine="Custom")
        records, _ = searched(lambda one: Record(one, "value", (100.0 + int(one["p0"]),)), 16, space=wide)
        assert search.suggest("Bayesian", wide, records[:15], [], 1, 0).expected_gain is None
        assert search.suggest("Bayesian", wide, records, [], 1, 0).expected_gain is not None

    def test_is_at_least_what_the_last_ten_experiments_gained(self) -> None:
        *others, doubled = with_one_twice_as_good(30)
        lately, before = self.of([*others, doubled]), self.of([doubled, *others])
        assert lately is not None
        assert before is not None
        assert lately > 0.7 > 0.3 > before

    @pytest.mark.parametrize(("since", "counts"), [(0, True), (9, True), (10, False)])
    def test_looks_ten_experiments_back(self, since: int, counts: bool) -> None:
        *others, doubled = with_one_twice_as_good(30)
        gain = self.of([*others[: 29 - since], doubled, *others[29 - since :]])
        assert gain is not None
        assert (gain > 0.7) is counts

    def test_does_not_count_experiments_that_taught_nothing(self) -> None:
        records = with_one_twice_as_good(30)
        spoiled = ended("environment", *(one.configuration for one in searched(valued, 40)[0][30:]))
        gain = self.of([*records, *spoiled])
        assert gain is not None
        assert gain > 0.7

    def test_is_not_known_of_a_front(self) -> None:
        records = [
            Record(one.configuration, "value", (one.values[0], 1 / one.values[0])) for one in searched(valued, 8)[0]
        ]
        assert self.of(records, maximise=[True, False]) is None

    @pytest.mark.parametrize("strategy", ["Random", "Grid"])
    def test_is_not_known_without_a_model(self, strategy: search.Strategy) -> None:
        records, _ = searched(valued, 8)
        assert search.suggest(strategy, SPACE, records, [], 1, 0).expected_gain is None

    def test_is_that_of_the_first_of_a_batch(self) -> None:
        records, _ = searched(valued, 8)
        assert search.suggest("Bayesian", SPACE, records, [], 3, 0).expected_gain == self.of(records)

    def test_is_positive_and_falls_when_there_is_less_to_gain(self) -> None:
        for seed in range(2):
            records, _ = searched(valued, 30, seed)
            early, late = self.of(records[:12]), self.of(records)
            assert early is not None
            assert late is not None
            assert 0 < late < 0.3 * early

    def test_is_nothing_where_everything_is_measured(self) -> None:
        space = Space.over(make_parameters(batch=BATCHES), engine="Custom")
        records = [Record(one, "value", (1.0,)) for index in range(6) if (one := space.at(index))]
        found = search.suggest("Bayesian", space, records, [], 1, 0)
        assert (found.configurations, found.expected_gain) == ([], None)


class TestRepeats:
    """Flags that do nothing under others are no new configuration."""

    def test_come_last_although_they_promise_most(self) -> None:
        space = Space.over(
            make_parameters(chunked_prefill_size=[-1, 2048, 4096], enable_mixed_chunk=True, tp_size=[1, 2, 4]),
            engine="SGLang",
        )
        # Chunks that are turned off are not mixed, and they are the best.
        taken = [
            Configuration((("chunked-prefill-size", chunk), ("enable-mixed-chunk", True), ("tp-size", tp)))
            for chunk in (-1, 2048)
            for tp in (1, 2, 4)
        ]
        records = [Record(one, "value", (900.0 if one["chunked-prefill-size"] == -1 else 100.0,)) for one in taken]
        effects = {space.effective_identity(one) for one in taken}
        asked = bayesian.propose(space, records, [], 0).configuration
        assert asked is not None
        assert space.effective_identity(asked) not in effects
        order = [space.effective_identity(one) for one in suggest("Bayesian", space, records, [], 18, 0)]
        new = [effect not in effects | set(order[:number]) for number, effect in enumerate(order)]
        assert new == [True] * 9 + [False] * 3
