"""What the flags of a winner do, against what they are compared, and the best with each value."""

from __future__ import annotations

import dataclasses
import math

import pytest

from autotuner import engines
from autotuner.kubernetes_object import Object
from autotuner.policy import recommendation
from autotuner.policy.evidence.baseline_flag_values import BaselineValues
from autotuner.policy.recommendation import best_per_value, flag_effects
from autotuner.policy.recommendation.best_per_value import ValueRow
from autotuner.policy.recommendation.flag_effects import FlagEffect
from autotuner.search.space.dimensions import Dimension
from tests.unit.builders import make_level
from tests.unit.recommendation_builders import FASTEST, SPEC, everything, experiment, make_answer
from tests.unit.task_builders import ended, make_task, observed


def found_effects(answer: recommendation.FinishedTask) -> dict[str, FlagEffect]:
    return {one.name: one for one in flag_effects.of(answer, answer.winners[0])}


class TestEffects:
    def test_are_measured_where_two_experiments_differ_in_one_flag_only(self) -> None:
        found = found_effects(make_answer(everything()))

        assert {one.source for one in found.values()} == {"Measured"}
        assert found["tp-size"].percent == pytest.approx(60.0)
        assert found["schedule-conservativeness"].percent == pytest.approx(10.0)
        assert found["schedule-conservativeness"].before == "unset"
        assert found["schedule-policy"].percent == pytest.approx(20.0)

    def test_name_the_experiment_that_they_are_compared_with(self) -> None:
        answer = make_answer([FASTEST, FASTEST | {"schedule-policy": "fcfs"}])
        assert found_effects(answer)["schedule-policy"].pair == "chat-2"

    def test_take_the_baseline_for_a_pair_too(self) -> None:
        found = found_effects(make_answer([{"tp-size": 1, "schedule-policy": "lpm"}]))

        assert list(found) == ["schedule-policy"]
        assert (found["schedule-policy"].source, found["schedule-policy"].pair) == ("Measured", "chat-0")
        assert found["schedule-policy"].percent == pytest.approx(20.0)

    def test_take_the_baseline_for_a_pair_where_it_leaves_the_flag_to_the_engine(self) -> None:
        answer = make_answer([{"tp-size": 1, "schedule-policy": "lpm"}], baseline={"args": ["--tp-size=1"]})

        found = found_effects(answer)["schedule-policy"]
        assert (found.source, found.before, found.pair) == ("Measured", "", "chat-0")
        assert found.percent == pytest.approx(20.0)

    def test_of_the_only_flag_is_the_gain_itself(self) -> None:
        answer = make_answer([{"tp-size": 1, "schedule-policy": "lpm"}])
        assert answer.best is not None
        confirmed = answer.best.model_copy(update={"gain_percent": 17.5})
        found = found_effects(dataclasses.replace(answer, best=confirmed))

        assert found["schedule-policy"].percent == 17.5

    def test_count_what_broken_soft_slos_cost(self) -> None:
        soft = {"metric": "TTFT", "max": "100ms", "enforcement": "Soft", "weight": 1, "steepness": 1}
        seen = observed(make_task(**SPEC, slos=[soft]))
        slow = ended(experiment(2, FASTEST | {"schedule-policy": "fcfs"}, seen), "Completed", make_level(ttft=0.2))
        fast = ended(experiment(1, FASTEST, seen), "Completed", make_level(ttft=0.1))
        found = found_effects(make_answer([], fast, slow, slos=[soft]))

        # Broken by 100 %: it counts as if it were worse by the factor e.
        assert found["schedule-policy"].percent == pytest.approx(100 * math.expm1(1.0))

    def test_take_the_mean_of_what_was_measured_more_than_once(self) -> None:
        seen = observed(make_task(**SPEC))
        again = [
            ended(experiment(8, FASTEST, seen), "Completed", make_level(throughput=2112.0 * 1.21)),
            ended(experiment(9, None, seen), "Completed", make_level(throughput=1000.0)),
        ]
        for body in again:
            body["spec"] = {**body["spec"], "purpose": "Confirm"}
        found = found_effects(make_answer([FASTEST, FASTEST | {"schedule-policy": "fcfs"}], *again))

        assert found["schedule-policy"].percent == pytest.approx(32.0)

    def test_are_estimated_elsewhere(self) -> None:
        changed_once = {key: FASTEST[key] for key in FASTEST}
        pairs = [changed_once | {"tp-size": 1}, changed_once | {"schedule-policy": "fcfs"}]
        pairs.append({"tp-size": 2, "schedule-policy": "lpm"})
        found = found_effects(make_answer([point for point in everything() if point not in pairs]))

        assert {one.source for one in found.values()} == {"Estimated"}
        assert found["tp-size"].percent == pytest.approx(60.0, abs=5.0)
        assert 0 < (found["tp-size"].margin or 0.0) < 10.0

    def test_are_unknown_with_too_little(self) -> None:
        assert {one.source for one in found_effects(make_answer([FASTEST])).values()} == {"Unknown"}

    def test_are_compared_with_the_average_where_the_baseline_leaves_it_to_the_engine(self) -> None:
        kept = [point for point in everything() if point["schedule-policy"] != "fcfs" or point["tp-size"] == 1]
        effect = found_effects(make_answer(kept, baseline={"args": ["--tp-size=1"]}))["schedule-policy"]

        assert (effect.source, effect.compared, effect.before) == ("Estimated", "average", "")
        assert effect.percent == pytest.approx(9.5, abs=2.0)

    def test_of_a_latency_are_positive_when_it_falls(self) -> None:
        answer = make_answer([], objectives=[{"metric": "TTFT"}])
        seen = answer.seen
        body = ended(experiment(1, {"tp-size": 1, "schedule-policy": "lpm"}, seen), "Completed", make_level(ttft=0.1))
        found = found_effects(make_answer([], body, objectives=[{"metric": "TTFT"}]))

        assert found["schedule-policy"].percent == pytest.approx(50.0)


REFERENCES = [
    ("tp-size", ["--tp-size=2"], "2"),
    ("tp-size", ["--tp", "2"], "2"),
    ("tp-size", [], None),
    ("schedule-conservativeness", [], "unset"),
    ("schedule-conservativeness", ["--schedule-conservativeness=.85"], "0.85"),
    ("enable-mixed-chunk", ["--enable-mixed-chunk"], "true"),
    ("enable-mixed-chunk", [], "false"),
    ("parallelism.tensor", ["--tp=2"], "2"),
    ("parallelism.tensor", [], "1"),
    ("parallelism.tensor", ["--tp=8"], None),
    ("quantization.kvCache", ["--kv-cache-dtype=fp8_e5m2"], "fp8_e5m2"),
    ("quantization.kvCache", [], "auto"),
    ("quantization.kvCache", ["--kv-cache-dtype=fp8_e4m3"], None),
]


def test_a_switch_that_the_engine_may_have_on_by_itself_is_not_said_to_be_off() -> None:
    dimension = Dimension("enable-prefix-caching", (False, True), False)

    assert BaselineValues(engines.get("VLLM"), []).of(dimension) is None
    assert BaselineValues(engines.get("VLLM"), ["--no-enable-prefix-caching"]).of(dimension) == "false"


@pytest.mark.parametrize(("name", "args", "expected"), REFERENCES)
def test_the_baselines_value_is_read_from_its_arguments(name: str, args: list[str], expected: str | None) -> None:
    spec = SPEC | {"parameters": [*SPEC["parameters"], {"name": "enable-mixed-chunk", "toggle": True}]}
    if "." in name:
        spec = {
            "parameters": [],
            "parallelism": {"tensor": [1, 2]},
            "quantization": {"kvCache": ["auto", "int8", "fp8_e5m2"]},  # SGLang has no int8
        }
    space = observed(make_task(**spec)).space
    dimension = next(one for one in space.dimensions if one.name == name)

    assert BaselineValues(engines.get("SGLang"), args).of(dimension) == expected


SPECULATION: Object = {
    "name": "speculation",
    "variants": [
        {"name": "none", "args": []},
        {"name": "ngram", "args": ["--speculative-algorithm=NGRAM"], "env": [{"name": "SPECULATE", "value": "1"}]},
        {"name": "careful", "args": [], "env": [{"name": "SPECULATE", "value": "0"}]},
    ],
}


class TestVariants:
    def test_are_compared_with_the_one_that_runs_today(self) -> None:
        parameters = [*SPEC["parameters"], SPECULATION]
        point = {"tp-size": 1, "schedule-policy": "fcfs", "speculation": "ngram"}
        body = experiment(1, point, make_answer([], parameters=parameters).seen)
        found = found_effects(
            make_answer([], ended(body, "Completed", make_level(throughput=1500)), parameters=parameters)
        )

        assert list(found) == ["speculation"]
        assert (found["speculation"].before, found["speculation"].percent) == ("none", pytest.approx(50.0))
        assert (found["speculation"].source, found["speculation"].pair) == ("Measured", "chat-0")

    def test_that_run_today_are_no_change(self) -> None:
        point = {"tp-size": 2, "schedule-policy": "fcfs", "speculation": "none"}
        assert list(found_effects(make_answer([point], parameters=[*SPEC["parameters"], SPECULATION]))) == ["tp-size"]

    def test_that_only_set_variables_are_a_difference_too(self) -> None:
        point = {"tp-size": 2, "schedule-policy": "fcfs", "speculation": "careful"}
        found = found_effects(make_answer([point], parameters=[*SPEC["parameters"], SPECULATION]))

        assert {name: one.source for name, one in found.items()} == {"tp-size": "Unknown", "speculation": "Unknown"}


def test_the_command_of_the_runtime_counts_as_the_baselines() -> None:
    dimension = observed(make_task(**SPEC)).space.dimensions[1]
    reference = BaselineValues(engines.get("SGLang"), [], ["serve", "--schedule-conservativeness=0.9"])

    assert reference.of(dimension) == "0.9"


def test_each_value_has_the_best_that_was_measured_with_it() -> None:
    seen = observed(make_task(**SPEC))
    crash = ended(experiment(13, everything()[0], seen), "EngineCrashed", reproducible=True)
    spoiled = ended(experiment(14, everything()[0], seen), "NodeLost")
    found = {(row.name, row.value): row for row in best_per_value.rows(make_answer(everything(), crash, spoiled))}

    assert list(found)[:5] == [
        ("tp-size", "1"),
        ("tp-size", "2"),
        ("schedule-conservativeness", "unset"),
        ("schedule-conservativeness", "0.8"),
        ("schedule-conservativeness", "0.9"),
    ]
    # The six, the baseline, which is one of them, and the crash.
    assert (found["tp-size", "1"].tried, found["tp-size", "1"].feasible) == (8, 7)
    assert found["tp-size", "1"].best == pytest.approx(1320.0)
    assert found["schedule-conservativeness", "0.8"].best == pytest.approx(1824.0)


def test_a_ladder_that_was_stopped_early_is_counted_apart() -> None:
    changes: Object = {"benchmark": {"concurrency": [4, 8]}}
    seen = observed(make_task(**SPEC | changes))
    point = {"tp-size": 2, "schedule-policy": "lpm"}
    early = ended(experiment(1, point, seen), "Completed", make_level(4, throughput=10.0), ladder="StoppedHopeless")
    found = {(row.name, row.value): row for row in best_per_value.rows(make_answer([], early, **changes))}

    assert found["tp-size", "2"] == ValueRow("tp-size", "2", tried=1, feasible=0, stopped=1)
