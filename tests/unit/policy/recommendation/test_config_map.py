"""The recommendation says what to apply, why, and what was measured."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import re
from typing import Any

import pytest
import yaml

from autotuner.api.experiment import ExperimentStatus
from autotuner.api.task_status import Confidence
from autotuner.kubernetes_object import Object, Resource
from autotuner.policy import recommendation
from autotuner.serving.backend import Patched, Winner
from autotuner.serving.ome.adapter import Ome
from tests.unit.builders import make_level
from tests.unit.recommendation_builders import FASTEST, SPEC, everything, experiment, make_answer
from tests.unit.task_builders import ended, make_task, observed


def data(answer: recommendation.FinishedTask) -> Object:
    found: Object = recommendation.config_map(answer)["data"]
    return found


def table(answer: recommendation.FinishedTask) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data(answer)["experiments.csv"])))


class Patching(Ome):
    """A backend whose winners are patches of one type."""

    def __init__(self, patch: Winner) -> None:
        self._patch = patch

    def winner(self, *_: Any) -> Winner:
        return self._patch


OWN = Resource("", "v1", "pods", "Pod")
FOREIGN = Resource("serving.example.com", "v1", "engines", "Engine")


@pytest.mark.parametrize(
    ("patched", "command", "kustomize"),
    [
        (Patched(OWN, "chat", "strategic"), "patch pod chat -n team --type strategic", "which Kustomize takes too"),
        (
            Patched(FOREIGN, "chat", "merge"),
            "patch engines.serving.example.com/chat -n team --type merge",
            "which Kustomize takes too; its lists replace",
        ),
        (
            Patched(FOREIGN, "chat", "json"),
            "patch engines.serving.example.com/chat -n team --type json",
            "Kustomize takes it with target: {kind: Engine, name: chat}",
        ),
    ],
)
def test_a_patch_says_how_it_is_applied(patched: Patched, command: str, kustomize: str) -> None:
    body = [{"op": "test"}] if patched.type == "json" else {"spec": {}}
    answer = make_answer([FASTEST])
    backend = Patching(Winner(body, "It restarts.", patched))
    text = data(dataclasses.replace(answer, seen=dataclasses.replace(answer.seen, backend=backend)))["patch.yaml"]

    assert f"#   kubectl {command} --patch-file patch.yaml\n" in text
    assert kustomize in text
    assert "It restarts." in text
    assert yaml.safe_load(text) == body


class TestInferenceService:
    def service(self, **spec: Any) -> Object:
        found: Object = yaml.safe_load(data(make_answer([FASTEST], **spec))["inferenceservice.yaml"])
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
        assert self.service()["spec"]["engine"].keys() == {"annotations", "runner"}

    def test_is_in_no_queue(self) -> None:
        placement = {"queueName": "gpus", "priorityClassName": "low", "workloadPriorityClassName": "low"}
        body = self.service(placement=placement)

        assert "labels" not in body["metadata"]
        assert body["spec"]["engine"].keys() == {"annotations", "runner"}

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
        answer = make_answer([{"tp-size": 1, "schedule-conservativeness": 0.8, "schedule-policy": "fcfs"}])
        body = yaml.safe_load(data(answer)["inferenceservice.yaml"])

        assert "--schedule-policy=fcfs" in body["spec"]["engine"]["runner"]["args"]
        assert "`chat-0`, what runs today, stays: nothing that was measured is better." in data(answer)["report.md"]


class TestConfigMap:
    @pytest.mark.parametrize(
        ("cell", "want"),
        [
            ("=1+1", "'=1+1"),
            ("+1 of 2", "'+1 of 2"),
            ("--tp-size=2 --x", "'--tp-size=2 --x"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "'\n=1"),
            ("-1.5e-3", "-1.5e-3"),
            ("+.5", "+.5"),
            ("a=1", "a=1"),
        ],
    )
    def test_holds_no_formula_for_a_spreadsheet(self, cell: str, want: str) -> None:
        answer = make_answer([])
        own = answer.seen.measured[0]
        own = dataclasses.replace(own, status=own.status.model_copy(update={"message": cell}), score=None)
        written, _ = recommendation.experiments_csv.text([own], answer.seen.space, answer.seen.spec, 10_000)

        assert next(csv.DictReader(io.StringIO(written, newline="")))["message"] == want

    def test_holds_arguments_with_backticks_and_bars_unbroken(self) -> None:
        spoiling: Object = {"baseline": {"args": ["--watchdog-timeout=`a|b``"]}}
        single = data(make_answer([], **spoiling))["report.md"]
        front = data(make_answer([], **spoiling, objectives=[{"metric": "OutputThroughput"}, {"metric": "TTFT"}]))[
            "report.md"
        ]

        assert re.search(r"^Arguments: ``` .*--watchdog-timeout=`a\|b`` ```$", single, re.MULTILINE)
        assert re.search(r" \| ``` .*--watchdog-timeout=`a\\\|b`` ``` \|$", front, re.MULTILINE)

    def test_cuts_long_arguments_of_a_front_within_their_code(self) -> None:
        baseline = {"args": [f"--watchdog-timeout={'1' * 300}"]}
        text = data(make_answer([], baseline=baseline, objectives=[{"metric": "OutputThroughput"}, {"metric": "TTFT"}]))

        assert "1…` |\n" in text["report.md"]

    def test_goes_with_the_task(self) -> None:
        meta = recommendation.config_map(make_answer([FASTEST]))["metadata"]

        assert (meta["name"], meta["namespace"]) == ("chat-best", "team")
        assert [owner["uid"] for owner in meta["ownerReferences"]] == ["uid-chat"]

    def test_of_several_objectives_has_a_service_for_each_point_of_the_front(self) -> None:
        answer = make_answer(
            [FASTEST, {"tp-size": 1, "schedule-policy": "lpm"}],
            objectives=[{"metric": "OutputThroughput"}, {"metric": "OutputThroughputPerGPU"}],
        )
        found = data(answer)

        assert found.keys() == {"chat-1.yaml", "chat-2.yaml", "report.md", "experiments.csv"}
        assert yaml.safe_load(found["chat-2.yaml"])["metadata"]["name"] == "chat-2"
        assert "| chat-1 | 2112 tok/s at 8 | 1056 tok/s/GPU at 8 | `" in found["report.md"]

    def test_of_a_front_tells_where_each_value_was_measured(self) -> None:
        objectives = [{"metric": "TTFT"}, {"metric": "TTFT", "concurrency": 4}, {"metric": "OutputThroughput"}]
        changes: Object = {"objectives": objectives, "benchmark": {"concurrency": [4, 8]}}
        seen = observed(make_task(**SPEC | changes))
        levels = [make_level(concurrency=4, ttft=0.1), make_level(concurrency=8, ttft=0.2)]
        one = ended(experiment(1, FASTEST, seen), "Completed", *levels)
        text = data(make_answer([], one, **changes))["report.md"]

        assert "| Experiment | TTFT P99 | TTFT P99 | OutputThroughput | Arguments |" in text
        assert "| chat-1 | 200 ms at 8 | 100 ms at 4 | 1000 tok/s at 4 | `" in text

    def test_of_a_front_names_the_soft_slos_that_are_broken(self) -> None:
        objectives = [{"metric": "OutputThroughput"}, {"metric": "OutputThroughputPerGPU"}]
        soft = {"metric": "TTFT", "max": "100ms", "enforcement": "Soft"}
        text = data(make_answer([FASTEST], objectives=objectives, slos=[soft]))["report.md"]

        assert "| Experiment | OutputThroughput | OutputThroughputPerGPU | Broken soft SLOs | Arguments |" in text
        assert "| chat-1 | 2112 tok/s at 8 | 1056 tok/s/GPU at 8 | TTFT P99 200ms at chat x 8, above 100ms by " in text

    def test_of_a_front_of_one_has_nothing_to_choose_from(self) -> None:
        objectives = [{"metric": "OutputThroughput"}, {"metric": "OutputThroughputPerGPU"}]
        text = data(make_answer([{"tp-size": 1, "schedule-policy": "lpm"}], objectives=objectives))["report.md"]

        assert text.startswith(
            "# chat: one configuration\n\nNothing else that was measured is better in any objective."
        )

    def test_stays_below_a_megabyte_and_says_what_is_missing(self) -> None:
        long = "x" * 1000
        seen = observed(make_task(**SPEC))
        more = []
        slow = experiment(2, {"tp-size": 1, "schedule-policy": "fcfs"}, seen)
        for index in range(2, 1000):
            body = {**slow, "metadata": {**slow["metadata"], "name": f"chat-{index}"}}
            more.append(ended(body, "EngineCrashed", message=long, reproducible=True))
        more.append(ended(experiment(1000, FASTEST, seen), "Completed", make_level(throughput=5000.0)))
        answer = make_answer([FASTEST], *more)
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
        crash = ended(
            experiment(2, everything()[0], seen), "EngineCrashed", message='it said "no", and\nleft', reproducible=True
        )
        rows = table(make_answer([FASTEST], crash))

        assert [row["experiment"] for row in rows] == ["chat-0", "chat-1", "chat-2"]
        assert [row["purpose"] for row in rows] == ["Baseline", "Search", "Search"]
        assert [row["feasible"] for row in rows] == ["true", "true", "false"]
        assert rows[2]["reason"] == "EngineCrashed"
        assert rows[2]["outcome"] == "crash"
        assert rows[2]["message"] == 'it said "no", and\nleft'
        assert rows[2]["objective.OutputThroughput"] == ""

    def test_has_the_parameters_and_the_figures_of_the_level_that_counts(self) -> None:
        baseline, row = table(make_answer([FASTEST]))

        assert row["parameters.tp-size"] == "2"
        assert row["parameters.schedule-conservativeness"] == "0.9"
        assert "--schedule-policy=lpm" in row["args"].split()
        assert row["gpus"] == "2"
        assert float(row["objective.OutputThroughput"]) == pytest.approx(2112.0)
        assert (row["scenario"], row["concurrency"]) == ("chat", "8")
        assert float(row["ttftSeconds.p99"]) == 0.2
        assert float(row["gpuSeconds"]) == 120.0
        assert baseline["parameters.tp-size"] == ""

    def test_tells_what_others_measured_apart(self) -> None:
        answer = make_answer([FASTEST])
        baseline, own = answer.seen.measured
        theirs = ended(
            dict(own.object), "SLOViolated", make_level(throughput=900.0), message="broke another task's SLO"
        )
        status = ExperimentStatus.model_validate({**theirs["status"], "gpuSeconds": 500.0})
        lent = dataclasses.replace(own, name="other-4", index=-1, status=status, reused=True)
        written, _ = recommendation.experiments_csv.text(
            [lent, baseline, own], answer.seen.space, answer.seen.spec, 10_000
        )
        rows = list(csv.DictReader(io.StringIO(written)))

        assert [(row["reused"], row["purpose"], row["block"]) for row in rows] == [
            ("true", "Reused", ""),
            ("false", "Baseline", "0"),
            ("false", "Search", "0"),
        ]
        assert (rows[0]["reason"], rows[0]["outcome"], rows[0]["message"]) == ("Completed", "value", "")
        assert sum(float(row["gpuSeconds"] or 0) for row in rows) == 180.0

    def test_a_ladder_that_ended_early_breaks_no_slo(self) -> None:
        changes: Object = {"benchmark": {"concurrency": [4, 8]}}
        point = {"tp-size": 1, "schedule-policy": "lpm"}
        body = experiment(2, point, observed(make_task(**SPEC | changes)))
        early = ended(body, "Completed", make_level(4, throughput=10.0), ladder="StoppedHopeless")
        crash = ended(experiment(3, point, observed(make_task(**SPEC | changes))), "EngineCrashed", reproducible=True)
        spoiled = ended(experiment(4, point, observed(make_task(**SPEC | changes))), "PullTimeout")
        rows = table(make_answer([FASTEST], early, crash, spoiled, **changes))[2:]

        assert [(row["outcome"], row["feasible"]) for row in rows] == [
            ("bound", ""),
            ("crash", "false"),
            ("environment", ""),
        ]
        assert (rows[0]["concurrency"], rows[0]["ttftSeconds.p99"]) == ("4", "0.2")
        assert "the ladder ended early" in rows[0]["message"]

    def test_has_the_figures_of_every_scenario(self) -> None:
        changes: Object = {
            "benchmark": {
                "concurrency": [4, 8],
                "scenarios": [
                    {"name": "chat", "load": "D(100,250)", "weight": 3},
                    {"name": "rag", "load": "D(1000,50)"},
                ],
            }
        }
        body = experiment(1, FASTEST, observed(make_task(**SPEC | changes)))
        levels = [
            make_level(users, scenario=name, throughput=users * speed)
            for name, speed in (("chat", 100.0), ("rag", 50.0))
            for users in (4, 8)
        ]
        answer = make_answer([], ended(body, "Completed", *levels), **changes)
        row = table(answer)[1]

        assert (row["scenario"], row["concurrency"]) == ("", "8")
        assert (row["chat.outputTokensPerSecond"], row["rag.outputTokensPerSecond"]) == ("800.0", "400.0")
        assert row["rag.ttftSeconds.p99"] == "0.2"
        assert "outputTokensPerSecond" not in row

    def test_says_how_far_off_the_slos_are(self) -> None:
        answer = make_answer([FASTEST], slos=[{"metric": "TTFT", "max": "100ms"}])
        row = table(answer)[1]

        assert (row["outcome"], row["feasible"]) == ("infeasible", "false")
        assert float(row["sloShortfall"]) == pytest.approx(1.0)
        assert "TTFT P99" in row["message"]

    def test_says_which_soft_slos_are_broken_and_what_that_costs(self) -> None:
        soft = {"metric": "TTFT", "max": "100ms", "enforcement": "Soft", "weight": 1, "steepness": 1}
        row = table(make_answer([FASTEST], slos=[soft]))[1]

        assert float(row["objective.OutputThroughput"]) == pytest.approx(2112.0)
        assert float(row["worth.OutputThroughput"]) == pytest.approx(2112.0 / math.e)
        assert row["brokenSoftSLOs"].startswith("TTFT P99 200ms at chat x 8, above 100ms by ")
        assert (row["feasible"], row["sloShortfall"]) == ("true", "0.0")
        assert "worth.OutputThroughput" not in table(make_answer([FASTEST], slos=[{"metric": "TTFT", "max": "1s"}]))[1]

    def test_objectives_are_told_apart(self) -> None:
        objectives = [{"metric": "TTFT", "statistic": "P50"}, {"metric": "TTFT"}, {"metric": "OutputThroughput"}]
        row = table(make_answer([FASTEST], objectives=objectives))[1]

        assert float(row["objective.TTFT.P50"]) == 0.1
        assert float(row["objective.TTFT.P99"]) == 0.2
        assert float(row["objective.OutputThroughput"]) == pytest.approx(2112.0)


class TestReport:
    def test_tells_the_importance_with_its_method(self) -> None:
        answer = make_answer(everything())
        text = data(answer)["report.md"]

        assert answer.importance[0].name == "tp-size"
        assert "restricted maximum likelihood" in text
        assert f"| tp-size | {answer.importance[0].share * 100:.1f}% |" in text
        assert "| tp-size | 2 | 1 | +60.0% | measured: chat-6 differs in this only |" in text

    @pytest.mark.parametrize(
        ("confidence", "words"),
        [
            (Confidence(verdict="Improved", low=27.5, high=34.1, repeats=3), "+27.5% and +34.1% (95% interval, 3"),
            (Confidence(verdict="NoSignificantDifference", low=-1.0, high=3.0), "within the noise"),
            (Confidence(verdict="Unconfirmed"), "looks better than it is"),
            (Confidence(verdict="BaselineInfeasible"), "does not keep the SLOs"),
            (Confidence(verdict="BaselineFailed"), "could not be measured"),
            (Confidence(verdict="BaselineInfeasible", repeats=2), "gain to tell. This one was measured well again."),
            (Confidence(verdict="BaselineInfeasible", repeats=0), "gain to tell. This one was measured well only once"),
            (Confidence(verdict="BaselineFailed"), "gain to tell. This one was measured well only once"),
        ],
    )  # fmt: skip
    def test_says_in_words_how_far_the_gain_can_be_trusted(self, confidence: Confidence, words: str) -> None:
        answer = make_answer([FASTEST])
        assert answer.best is not None
        best = answer.best.model_copy(update={"confidence": confidence})
        assert words in data(dataclasses.replace(answer, best=best))["report.md"]

    def test_warns_of_what_was_not_measured(self) -> None:
        answer = make_answer([FASTEST])
        assert answer.best is not None
        best = answer.best.model_copy(update={"numerics_changed": ["kv-cache-dtype"]})

        assert "Quality not measured" not in data(answer)["report.md"]
        assert "**Quality not measured**: `kv-cache-dtype`" in data(dataclasses.replace(answer, best=best))["report.md"]

    def test_cells_cannot_break_the_table(self) -> None:
        choices = ["a|b", "c"]
        answer = make_answer([], parameters=[{"name": "schedule-policy", "choices": choices}], baseline={"args": []})
        seen = answer.seen
        body = ended(experiment(1, {"schedule-policy": "a|b"}, seen), "Completed", make_level(throughput=2000.0))
        text = data(
            make_answer([], body, parameters=[{"name": "schedule-policy", "choices": choices}], baseline={"args": []})
        )["report.md"]

        assert "| schedule-policy | a\\|b |" in text
