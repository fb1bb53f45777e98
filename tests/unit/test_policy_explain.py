"""The recommendation says what to apply, why, and what was measured."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from autotuner import engines
from autotuner.api.common import Parameter
from autotuner.api.task_status import Confidence
from autotuner.policy import blueprint, explain, progress
from autotuner.policy.explain import effects, values
from autotuner.policy.explain.effects import FlagEffect
from autotuner.policy.explain.reference import Reference
from autotuner.policy.observed_task import ObservedTask
from tests.unit.builders import Object, make_level
from tests.unit.task_builders import ended, live_model, live_runtime, make_task, observed

SPEC: Object = {
    "parameters": [
        {"name": "tp-size", "values": [1, 2]},
        {"name": "schedule-conservativeness", "values": [0.8, 0.9], "allowUnset": True},
        {"name": "schedule-policy", "choices": ["fcfs", "lpm"]},
    ],
    "baseline": {"args": ["--tp-size=1", "--schedule-policy=fcfs"]},
}
TP = {1: 1.0, 2: 1.6}
CAUTION = {None: 1.0, "0.8": 0.95, "0.9": 1.1}
POLICY = {"fcfs": 1.0, "lpm": 1.2}
FASTEST = {"tp-size": 2, "schedule-conservativeness": 0.9, "schedule-policy": "lpm"}


def speed(point: Object) -> float:
    """Tokens per second of a configuration; parameters act on their own."""
    caution = point.get("schedule-conservativeness")
    return (
        1000
        * TP[point["tp-size"]]
        * CAUTION[caution if caution is None else str(caution)]
        * POLICY[point["schedule-policy"]]
    )


def everything() -> list[Object]:
    return [
        {"tp-size": tp, "schedule-policy": policy}
        | ({} if caution is None else {"schedule-conservativeness": float(caution)})
        for tp in TP
        for caution in CAUTION
        for policy in POLICY
    ]


def experiment(index: int, point: Object | None, seen: ObservedTask) -> Object:
    """What the task would create for a point; the baseline for None."""
    pairs = [Parameter(name=name, value=str(value)) for name, value in (point or {}).items()]
    body = blueprint.experiment(
        seen.ingredients(live_model(), live_runtime()),
        index=index,
        purpose="Baseline" if point is None else "Search",
        configuration=None if point is None else seen.space.read(pairs),
    )
    body["metadata"] |= {"uid": f"uid-{index}"}
    return body


def told(points: Sequence[Object], *more: Object, **spec: Any) -> explain.Answer:
    """The end of a task that measured the baseline and these points."""
    task = make_task(**SPEC | spec)
    seen = observed(task)
    bodies = [ended(experiment(0, None, seen), "Completed", make_level(throughput=1000.0), gpuSeconds=60.0)]
    for index, point in enumerate(points, 1):
        level = make_level(throughput=speed(point))
        bodies.append(ended(experiment(index, point, seen), "Completed", level, gpuSeconds=120.0))
    seen = observed(task, [*bodies, *more])
    objectives = seen.spec.objectives
    if len(objectives) > 1:
        return explain.Answer(seen, None, progress.front(seen.measured, objectives))
    return explain.Answer(seen, progress.best(seen.measured, seen.baseline, objectives[0]), None)


def data(answer: explain.Answer) -> Object:
    found: Object = explain.config_map(answer)["data"]
    return found


def table(answer: explain.Answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data(answer)["experiments.csv"])))


class TestInferenceService:
    def service(self, **spec: Any) -> Object:
        found: Object = yaml.safe_load(data(told([FASTEST], **spec))["inferenceservice.yaml"])
        return found

    def test_is_what_was_measured_and_nobodys(self) -> None:
        body = self.service()

        assert body["metadata"] == {
            "name": "chat",
            "namespace": "team",
            "annotations": {"ome.io/deploymentMode": "RawDeployment"},
        }
        runner = body["spec"]["engine"]["runner"]
        assert {"--tp-size=2", "--schedule-conservativeness=0.9", "--schedule-policy=lpm"} <= set(runner["args"])
        assert runner["resources"]["limits"] == {"nvidia.com/gpu": "2"}

    def test_leaves_replicas_and_shutdown_to_those_who_serve(self) -> None:
        assert self.service()["spec"]["engine"].keys() == {"runner"}

    def test_keeps_what_the_engine_needs_to_start(self) -> None:
        placement = {"nodeSelector": {"pool": "gpu"}, "tolerations": [{"key": "gpu", "operator": "Exists"}]}
        volume = {"claimName": "weights", "mountPath": "/weights"}
        body = self.service(placement=placement, model={"volume": volume}, runtime={"image": "engine:2"})
        engine = body["spec"]["engine"]

        assert engine["nodeSelector"] == {"pool": "gpu"}
        assert engine["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
        assert engine["volumes"][0]["persistentVolumeClaim"]["claimName"] == "weights"
        assert engine["runner"]["image"] == "engine:2"

    def test_of_a_baseline_that_nothing_beats_is_the_baselines(self) -> None:
        answer = told([{"tp-size": 1, "schedule-conservativeness": 0.8, "schedule-policy": "fcfs"}])
        body = yaml.safe_load(data(answer)["inferenceservice.yaml"])

        assert "--schedule-policy=fcfs" in body["spec"]["engine"]["runner"]["args"]
        assert "nothing that was measured is better than what runs today" in data(answer)["report.md"]


class TestConfigMap:
    def test_goes_with_the_task(self) -> None:
        meta = explain.config_map(told([FASTEST]))["metadata"]

        assert (meta["name"], meta["namespace"]) == ("chat-best", "team")
        assert [owner["uid"] for owner in meta["ownerReferences"]] == ["uid-chat"]

    def test_of_several_objectives_has_a_service_for_each_point_of_the_front(self) -> None:
        answer = told(
            [FASTEST, {"tp-size": 1, "schedule-policy": "lpm"}],
            objectives=[{"metric": "OutputThroughput"}, {"metric": "OutputThroughputPerGPU"}],
        )
        found = data(answer)

        assert found.keys() == {"chat-1.yaml", "chat-2.yaml", "report.md", "experiments.csv"}
        assert yaml.safe_load(found["chat-2.yaml"])["metadata"]["name"] == "chat-2"
        assert "| chat-1 | 2112 tok/s | 1056 tok/s/GPU | `" in found["report.md"]

    def test_stays_below_a_megabyte_and_says_what_is_missing(self) -> None:
        long = "x" * 1000
        seen = observed(make_task(**SPEC))
        more = []
        slow = experiment(2, {"tp-size": 1, "schedule-policy": "fcfs"}, seen)
        for index in range(2, 1000):
            body = {**slow, "metadata": {**slow["metadata"], "name": f"chat-{index}"}}
            more.append(ended(body, "EngineCrashed", message=long))
        more.append(ended(experiment(1000, FASTEST, seen), "Completed", make_level(throughput=5000.0)))
        answer = told([FASTEST], *more)
        found = data(answer)

        assert sum(len(text.encode()) for text in found.values()) < 1_000_000
        names = [row["experiment"] for row in table(answer)]
        assert names[:2] == ["chat-0", "chat-1"]
        assert names[-1] == "chat-1000"
        missing = 1001 - len(names)
        assert f"holds {len(names)} of 1001 experiments" in found["report.md"]
        assert f"The other {missing} do not fit" in found["report.md"]


class TestTable:
    def test_has_a_row_for_every_experiment(self) -> None:
        seen = observed(make_task(**SPEC))
        crash = ended(experiment(2, everything()[0], seen), "EngineCrashed", message='it said "no", and\nleft')
        rows = table(told([FASTEST], crash))

        assert [row["experiment"] for row in rows] == ["chat-0", "chat-1", "chat-2"]
        assert [row["purpose"] for row in rows] == ["Baseline", "Search", "Search"]
        assert [row["feasible"] for row in rows] == ["true", "true", "false"]
        assert rows[2]["reason"] == "EngineCrashed"
        assert rows[2]["outcome"] == "crash"
        assert rows[2]["message"] == 'it said "no", and\nleft'
        assert rows[2]["objective.OutputThroughput"] == ""

    def test_has_the_parameters_and_the_figures_of_the_level_that_counts(self) -> None:
        baseline, row = table(told([FASTEST]))

        assert row["parameters.tp-size"] == "2"
        assert row["parameters.schedule-conservativeness"] == "0.9"
        assert "--schedule-policy=lpm" in row["args"].split()
        assert row["gpus"] == "2"
        assert float(row["objective.OutputThroughput"]) == pytest.approx(2112.0)
        assert (row["scenario"], row["concurrency"]) == ("chat", "8")
        assert float(row["ttftSeconds.p99"]) == 0.2
        assert float(row["gpuSeconds"]) == 120.0
        assert baseline["parameters.tp-size"] == ""

    def test_says_how_far_off_the_slos_are(self) -> None:
        answer = told([FASTEST], slos=[{"metric": "TTFT", "max": "100ms"}])
        row = table(answer)[1]

        assert (row["outcome"], row["feasible"]) == ("infeasible", "false")
        assert float(row["sloShortfall"]) == pytest.approx(1.0)
        assert "TTFT P99" in row["message"]

    def test_objectives_are_told_apart(self) -> None:
        objectives = [{"metric": "TTFT", "statistic": "P50"}, {"metric": "TTFT"}, {"metric": "OutputThroughput"}]
        row = table(told([FASTEST], objectives=objectives))[1]

        assert float(row["objective.TTFT.P50"]) == 0.1
        assert float(row["objective.TTFT.P99"]) == 0.2
        assert float(row["objective.OutputThroughput"]) == pytest.approx(2112.0)


def found_effects(answer: explain.Answer) -> dict[str, FlagEffect]:
    return {one.name: one for one in effects.of(answer, answer.winners[0])}


class TestEffects:
    def test_are_measured_where_two_experiments_differ_in_one_flag_only(self) -> None:
        found = found_effects(told(everything()))

        assert {one.source for one in found.values()} == {"Measured"}
        assert found["tp-size"].percent == pytest.approx(60.0)
        assert found["schedule-conservativeness"].percent == pytest.approx(10.0)
        assert found["schedule-conservativeness"].before == "unset"
        assert found["schedule-policy"].percent == pytest.approx(20.0)

    def test_name_the_experiment_that_they_are_compared_with(self) -> None:
        answer = told([FASTEST, FASTEST | {"schedule-policy": "fcfs"}])
        assert found_effects(answer)["schedule-policy"].pair == "chat-2"

    def test_take_the_baseline_for_a_pair_too(self) -> None:
        found = found_effects(told([{"tp-size": 1, "schedule-policy": "lpm"}]))

        assert list(found) == ["schedule-policy"]
        assert (found["schedule-policy"].source, found["schedule-policy"].pair) == ("Measured", "chat-0")
        assert found["schedule-policy"].percent == pytest.approx(20.0)

    def test_are_estimated_elsewhere(self) -> None:
        changed_once = {key: FASTEST[key] for key in FASTEST}
        pairs = [changed_once | {"tp-size": 1}, changed_once | {"schedule-policy": "fcfs"}]
        pairs.append({"tp-size": 2, "schedule-policy": "lpm"})
        found = found_effects(told([point for point in everything() if point not in pairs]))

        assert {one.source for one in found.values()} == {"Estimated"}
        assert found["tp-size"].percent == pytest.approx(60.0, abs=5.0)
        assert 0 < (found["tp-size"].margin or 0.0) < 10.0

    def test_are_unknown_with_too_little(self) -> None:
        assert {one.source for one in found_effects(told([FASTEST])).values()} == {"Unknown"}

    def test_are_compared_with_the_average_where_the_baseline_leaves_it_to_the_engine(self) -> None:
        kept = [point for point in everything() if point["schedule-policy"] != "fcfs" or point["tp-size"] == 1]
        effect = found_effects(told(kept, baseline={"args": ["--tp-size=1"]}))["schedule-policy"]

        assert (effect.source, effect.compared, effect.before) == ("Estimated", "average", "")
        assert effect.percent == pytest.approx(9.5, abs=2.0)

    def test_of_a_latency_are_positive_when_it_falls(self) -> None:
        answer = told([], objectives=[{"metric": "TTFT"}])
        seen = answer.seen
        body = ended(experiment(1, {"tp-size": 1, "schedule-policy": "lpm"}, seen), "Completed", make_level(ttft=0.1))
        found = found_effects(told([], body, objectives=[{"metric": "TTFT"}]))

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
]


@pytest.mark.parametrize(("name", "args", "expected"), REFERENCES)
def test_the_baselines_value_is_read_from_its_arguments(name: str, args: list[str], expected: str | None) -> None:
    spec = SPEC | {"parameters": [*SPEC["parameters"], {"name": "enable-mixed-chunk", "toggle": True}]}
    if "." in name:
        spec = {
            "parameters": [],
            "parallelism": {"tensor": [1, 2]},
            "quantization": {"kvCache": ["auto", "fp8_e5m2"]},
        }
    space = observed(make_task(**spec)).space
    dimension = next(one for one in space.dimensions if one.name == name)

    assert Reference(engines.get("SGLang"), args).of(dimension) == expected


def test_the_command_of_the_runtime_counts_as_the_baselines() -> None:
    dimension = observed(make_task(**SPEC)).space.dimensions[1]
    reference = Reference(engines.get("SGLang"), [], ["serve", "--schedule-conservativeness=0.9"])

    assert reference.of(dimension) == "0.9"


def test_each_value_has_the_best_that_was_measured_with_it() -> None:
    seen = observed(make_task(**SPEC))
    crash = ended(experiment(13, everything()[0], seen), "EngineCrashed")
    spoiled = ended(experiment(14, everything()[0], seen), "NodeLost")
    found = {(row.name, row.value): row for row in values.rows(told(everything(), crash, spoiled))}

    assert list(found)[:5] == [
        ("tp-size", "1"),
        ("tp-size", "2"),
        ("schedule-conservativeness", "unset"),
        ("schedule-conservativeness", "0.8"),
        ("schedule-conservativeness", "0.9"),
    ]
    assert (found["tp-size", "1"].tried, found["tp-size", "1"].feasible) == (7, 6)
    assert found["tp-size", "1"].best == pytest.approx(1320.0)
    assert found["schedule-conservativeness", "0.8"].best == pytest.approx(1824.0)


class TestReport:
    def test_tells_the_importance_with_its_method(self) -> None:
        answer = told(everything())
        text = data(answer)["report.md"]

        assert answer.importance[0].name == "tp-size"
        assert "restricted maximum likelihood" in text
        assert f"| tp-size | {answer.importance[0].share * 100:.1f} % |" in text
        assert "| tp-size | 2 | 1 | +60.0% | measured: chat-6 differs in this only |" in text

    @pytest.mark.parametrize(
        ("confidence", "words"),
        [
            (Confidence(verdict="Improved", low=27.5, high=34.1, repeats=3), "+27.5 % and +34.1 % (95 % interval, 3"),
            (Confidence(verdict="NoSignificantDifference", low=-1.0, high=3.0), "within the noise"),
            (Confidence(verdict="Unconfirmed"), "looks better than it is"),
            (Confidence(verdict="BaselineInfeasible"), "does not keep the SLOs"),
            (Confidence(verdict="BaselineFailed"), "could not be measured"),
        ],
    )  # fmt: skip
    def test_says_in_words_how_far_the_gain_can_be_trusted(self, confidence: Confidence, words: str) -> None:
        answer = told([FASTEST])
        assert answer.best is not None
        best = answer.best.model_copy(update={"confidence": confidence})
        assert words in data(dataclasses.replace(answer, best=best))["report.md"]

    def test_warns_of_what_was_not_measured(self) -> None:
        answer = told([FASTEST])
        assert answer.best is not None
        best = answer.best.model_copy(update={"numerics_changed": ["kv-cache-dtype"]})

        assert "Quality not measured" not in data(answer)["report.md"]
        assert "**Quality not measured**: `kv-cache-dtype`" in data(dataclasses.replace(answer, best=best))["report.md"]

    def test_cells_cannot_break_the_table(self) -> None:
        choices = ["a|b", "c"]
        answer = told([], parameters=[{"name": "schedule-policy", "choices": choices}], baseline={"args": []})
        seen = answer.seen
        body = ended(experiment(1, {"schedule-policy": "a|b"}, seen), "Completed", make_level(throughput=2000.0))
        text = data(
            told([], body, parameters=[{"name": "schedule-policy", "choices": choices}], baseline={"args": []})
        )["report.md"]

        assert "| schedule-policy | a\\|b |" in text
