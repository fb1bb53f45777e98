"""Bayesian search in spaces of all shapes, with values of all sizes, and for several objectives."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest

from autotuner.api.parameters import Constraint, SearchParameter
from autotuner.search.candidates import WHOLE
from autotuner.search.experiment_record import Record, RecordOutcome
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from tests.unit.builders import make_parameters
from tests.unit.search.proposed import suggest

SPACE = Space.over(
    make_parameters(batch=[1, 2, 4, 8], chunk=[1, 2, 3, 4, 5], policy=["lpm", "fcfs"], mixed=True), engine="Custom"
)
SOME = [one for index in range(0, SPACE.numbers, 7) if (one := SPACE.at(index)) is not None]


def over(*parameters: dict[str, Any], rules: Sequence[str] = ()) -> Space:
    return Space.over(
        [SearchParameter.model_validate(one) for one in parameters],
        [Constraint(rule=rule) for rule in rules],
        engine="Custom",
    )


def measured(values: Sequence[float]) -> list[Record]:
    return [Record(one, "value", (value,)) for one, value in zip(SOME, values, strict=False)]


def everything(space: Space) -> set[Configuration]:
    return {one for index in range(space.numbers) if (one := space.at(index)) is not None}


class TestPurity:
    RECORDS = (
        *measured([3.0, 1.0, 4.0, 1.5, 9.0]),
        Record(SOME[5], "crash"),
        Record(SOME[6], "infeasible", shortfall=0.2),
        Record(SOME[7], "bound", (2.5,)),
        # Repeats of one configuration, told apart by little.
        Record(SOME[0], "value", (3.1,)),
        Record(SOME[0], "value", (3.2,)),
        Record(SOME[8], "environment"),
        Record(None, "value", (2.0,)),
    )

    def test_the_same_records_give_the_same_proposals_in_any_order(self) -> None:
        expected = suggest("Bayesian", SPACE, self.RECORDS, SOME[9:], 3, 4)
        for number in range(5):
            shuffled = list(self.RECORDS)
            random.Random(number).shuffle(shuffled)
            assert suggest("Bayesian", SPACE, shuffled, SOME[:8:-1], 3, 4) == expected

    def test_other_seeds_give_others(self) -> None:
        huge = over(*({"name": f"p{number}", "values": list(range(8))} for number in range(6)))
        assert len({suggest("Bayesian", huge, [], [], 1, seed)[0] for seed in range(4)}) == 4


class TestSizes:
    def test_a_small_space_is_measured_to_its_end_the_most_promising_first(self) -> None:
        space = over({"name": "a", "values": [1, 2, 3, 4, 5, 6]}, {"name": "b", "choices": ["x", "y", "z"]})
        records: list[Record] = []
        while found := suggest("Bayesian", space, records, [], 1, 0):
            value = 10.0 - abs(int(found[0]["a"]) - 4) + 3 * (found[0]["b"] == "y")
            records.append(Record(found[0], "value", (value,)))
        order = [record.configuration for record in records]
        assert len(order) == len(set(order)) == space.size == 18
        values = [record.values[0] for record in records]
        assert max(values[:10]) == 13
        assert sum(values[5:11]) > sum(values[12:])

    @pytest.mark.parametrize("outcome", ["value", "crash", "infeasible", "bound", "environment"])
    def test_a_space_of_one_point_is_measured_once(self, outcome: RecordOutcome) -> None:
        space = over({"name": "a", "values": [1]})
        assert [dict(one) for one in suggest("Bayesian", space, [], [], 3, 0)] == [{"a": 1}]
        assert suggest("Bayesian", space, [Record(space.at(0), outcome, (1.0,))], [], 3, 0) == []

    def test_an_empty_space_gives_nothing(self) -> None:
        assert suggest("Bayesian", over({"name": "a", "values": [1, 2]}, rules=["false"]), [], [], 3, 0) == []

    @pytest.mark.parametrize("rules", [(), ("p.a % 2 == 0",)])
    def test_a_single_parameter_is_enough(self, rules: Sequence[str]) -> None:
        space = over({"name": "a", "values": list(range(30))}, rules=rules)
        records: list[Record] = []
        for _ in range(10):
            (found,) = suggest("Bayesian", space, records, [], 1, 0)
            records.append(Record(found, "value", (math.exp(-(((int(found["a"]) - 21) / 8) ** 2)),)))
        assert max(record.values[0] for record in records) > 0.98

    def test_a_billion_configurations_are_not_listed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        huge = over(*({"name": f"p{number}", "values": list(range(8))} for number in range(10)))
        looked: list[int] = []
        point = huge.point

        def counted(index: int) -> tuple[int, ...] | None:
            looked.append(index)
            return point(index)

        monkeypatch.setattr(huge, "point", counted)
        records: list[Record] = []
        for _ in range(12):
            (found,) = suggest("Bayesian", huge, records, [], 1, 0)
            value = math.exp(sum(int(found[f"p{number}"]) for number in range(4)) / 10)
            records.append(Record(found, "value", (value,)))
        assert len(looked) < 12 * WHOLE
        assert len({record.configuration for record in records}) == 12
        # The middle of four sums of 0 to 7 is 14; a third of random twelves gets beyond 20.
        assert max(math.log(record.values[0]) * 10 for record in records) >= 22

    def test_a_large_space_of_which_little_is_allowed_is_searched_there(self) -> None:
        names = [f"p{number}" for number in range(5)]
        space = over(
            *({"name": name, "values": list(range(8))} for name in names),
            rules=[f"{' + '.join(f'p.{name}' for name in names)} <= 6"],
        )
        for one in suggest("Bayesian", space, [], [], 8, 0):
            assert sum(int(one[name]) for name in names) <= 6


class TestShapes:
    CONDITIONED = over(
        {"name": "spec", "choices": ["off", "eagle"]},
        {"name": "steps", "values": [1, 2, 3, 4], "when": "p.spec == 'eagle'"},
        {"name": "chunk", "values": [1024, 2048, 4096], "allowUnset": True},
        {"name": "tp", "values": [1, 2, 4]},
        rules=["p.tp < 4 || p.spec == 'off'"],
    )

    @pytest.mark.filterwarnings("error")
    def test_what_is_inactive_unset_or_forbidden_is_proposed_exactly_where_it_may_be(self) -> None:
        records: list[Record] = []
        while found := suggest("Bayesian", self.CONDITIONED, records, [], 3, 2):
            records += [Record(one, "value", (1.0 + int(one.get("steps", 0)) / int(one["tp"]),)) for one in found]
        order = [record.configuration for record in records]
        assert len(order) == len(set(order))
        assert set(order) == everything(self.CONDITIONED)

    def test_effects_of_a_conditioned_parameter_are_learnt(self) -> None:
        records: list[Record] = []
        for _ in range(14):
            (found,) = suggest("Bayesian", self.CONDITIONED, records, [], 1, 0)
            value = {"off": 10, "eagle": 8}[str(found["spec"])] + 2 * int(found.get("steps", 0)) - int(found["tp"])
            records.append(Record(found, "value", (float(value),)))
        assert max(record.values[0] for record in records) == 15

    def test_what_means_the_same_is_not_measured_twice(self) -> None:
        variants = [
            {"name": name, "args": ["--a=1"] if name != "three" else ["--a=2"]} for name in ("one", "two", "three")
        ]
        space = over({"name": "v", "variants": variants}, {"name": "b", "values": [1, 2]})
        one, same = (Configuration((("v", name), ("b", 1))) for name in ("one", "two"))
        assert space.identity(one) == space.identity(same)
        proposed = suggest("Bayesian", space, [Record(same, "value", (1.0,))], [], 9, 0, starts=[one, same])
        identities = [space.identity(found) for found in proposed]
        assert len(identities) == len(set(identities)) == 3
        assert space.identity(one) not in identities


class TestValues:
    @pytest.mark.parametrize(
        "values",
        [
            [5.0],
            [5.0, 5.0],
            [5.0] * 12,
            [1e-9] * 12,
            [1e-9 * (number + 1) for number in range(12)],
            [1e12 * (number + 1) for number in range(12)],
            [10.0 ** (3 * number - 9) for number in range(8)],
            [1 + 1e-16 * number for number in range(12)],
            [0.0] * 12,
            [0.0, *map(float, range(11))],
            [-1.0 * number for number in range(12)],
            [-1e12, 1e12, 0.0, 1e-9, -1e-9, 1.0],
        ],
        ids=lambda values: f"{len(values)} from {values[0]:g} to {values[-1]:g}",
    )
    @pytest.mark.filterwarnings("error")
    def test_of_any_size_lead_to_proposals(self, values: list[float]) -> None:
        for more in (True, False):
            proposed = suggest("Bayesian", SPACE, measured(values), [], 6, 0, maximise=[more])
            assert len(set(proposed)) == 6
            assert not set(proposed) & set(SOME[: len(values)])

    @pytest.mark.parametrize("outcome", ["crash", "impossible", "infeasible", "bound", "environment", "unknown"])
    @pytest.mark.filterwarnings("error")
    def test_none_at_all_lead_to_proposals_too(self, outcome: RecordOutcome) -> None:
        records = [Record(one, outcome) for one in SOME]
        assert len(set(suggest("Bayesian", SPACE, records, [], 5, 0)) - set(SOME)) == 5

    @pytest.mark.parametrize("unit", [1e-9, 1e12])
    def test_their_unit_does_not_matter(self, unit: float) -> None:
        values = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6, 5.0, 3.5, 8.0]
        scaled = [value * unit for value in values]
        assert suggest("Bayesian", SPACE, measured(scaled), [], 3, 0) == suggest(
            "Bayesian", SPACE, measured(values), [], 3, 0
        )


class TestSeveralObjectives:
    """Throughput rises and latency too with the batch: the front runs along it, and only the right flags reach it."""

    SPACE = Space.over(
        make_parameters(batch=list(range(1, 11)), chunk=[1, 2, 3, 4, 5], policy=["lpm", "fcfs", "dfs"], mixed=True),
        engine="Custom",
    )
    MAXIMISE = (True, False)

    @staticmethod
    def both(configuration: Configuration) -> tuple[float, float]:
        batch = int(configuration["batch"])
        loss = math.exp(0.15 * abs(int(configuration["chunk"]) - 3) + 0.3 * (configuration["policy"] != "lpm")) * (
            1.2 if configuration["mixed"] else 1.0
        )
        return 100 * batch**0.7 / loss, 0.01 * batch**0.8 * loss

    @classmethod
    def share(cls, configurations: Sequence[Configuration]) -> float:
        """Of the area below throughput and above latency that the whole space covers, seen from its worst corner."""
        every = [cls.both(one) for one in everything(cls.SPACE)]
        slowest = max(latency for _, latency in every)

        def area(points: Sequence[tuple[float, float]]) -> float:
            found, reached = 0.0, 0.0
            for throughput, latency in sorted(points, key=lambda point: point[1]):
                found += max(throughput - reached, 0.0) * (slowest - latency)
                reached = max(reached, throughput)
            return found

        return area([cls.both(one) for one in configurations]) / area(every)

    def test_find_more_of_the_front_than_random_search(self) -> None:
        learnt, random_order = [], []
        for seed in range(3):
            records: list[Record] = []
            for _ in range(30):
                (found,) = suggest("Bayesian", self.SPACE, records, [], 1, seed, maximise=self.MAXIMISE)
                records.append(Record(found, "value", self.both(found)))
            learnt.append(self.share([one.configuration for one in records if one.configuration is not None]))
            random_order.append(self.share(suggest("Random", self.SPACE, [], [], 30, seed)))
        assert min(learnt) > 0.9
        assert sum(learnt) > sum(random_order) + 0.3

    def test_walk_along_the_front(self) -> None:
        records = [Record(one, "value", self.both(one)) for one in suggest("Random", self.SPACE, [], [], 20, 0)]
        proposed = suggest("Bayesian", self.SPACE, records, [], 6, 0, maximise=self.MAXIMISE)
        batches = [int(one["batch"]) for one in proposed]
        assert max(batches) - min(batches) >= 4
