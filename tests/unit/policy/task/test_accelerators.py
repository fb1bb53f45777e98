"""What a task makes of the accelerators that its baseline ran on: it pins them, counts them, tells of others' use."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from autotuner.policy import cost_estimate
from autotuner.policy.task.plan import TaskPlan
from testbed.node.accelerators import DESCRIBED
from tests.unit.builders import at, condition, make_level
from tests.unit.task_builders import Ending, Story, ended, ending, make_task, observed, started

NONE: Object = {"placement": {"acceleratorResource": ""}}
BETA = "beta.amd.com/gpu.product-name"
SHARED = "time-slicing, 4 clients"


def ran(throughput: float = 1000.0, **status: Any) -> Ending:
    return ending("Completed", make_level(throughput=throughput), **status)


class TestPinning:
    @pytest.mark.parametrize(
        ("placement", "status", "label"),
        [
            ({}, {"acceleratorLabel": "nvidia.com/gpu.product"}, "nvidia.com/gpu.product"),
            ({"acceleratorResource": "amd.com/gpu"}, {"acceleratorLabel": BETA}, BETA),
            ({"acceleratorLabel": "pool"}, {"acceleratorLabel": "pool"}, "pool"),
            # An experiment of an older release told no label.
            ({"acceleratorResource": "nvidia.com/mig-1g.10gb"}, {}, "nvidia.com/mig-1g.10gb.product"),
        ],
    )
    def test_is_by_the_label_that_named_the_baselines(self, placement: Object, status: Object, label: str) -> None:
        story = Story(started(placement=placement, parameters=[{"name": "mem-fraction-static", "values": [0.8, 0.9]}]))
        plan = story.run_experiments(ran(acceleratorProduct="one", **status))

        asked = plan.create_experiments[0]["spec"]["service"]["accelerator"]
        assert (asked["product"], asked["label"]) == ("one", label)

    def test_is_nothing_where_nobody_knows_the_model(self) -> None:
        asked = Story().run_experiments(ran()).create_experiments[0]["spec"]["service"]["accelerator"]

        assert asked == {"resource": "nvidia.com/gpu", "count": 1, "allowShared": False}

    def test_looks_at_nodes_of_that_model_only(self) -> None:
        small, large = DESCRIBED["AMD, partitions"].node("node-a"), DESCRIBED["AMD"].node("node-b")
        small["metadata"]["labels"]["amd.com/gpu.product-name"] = "small"
        task = started(placement={"acceleratorResource": "amd.com/gpu"})
        story = Story(task, nodes=(small, large))
        story.run_experiments(ran(acceleratorProduct="small", acceleratorLabel="amd.com/gpu.product-name"))

        seen = observed(story.task, story.experiments, nodes=(small, large))
        assert (seen.fleet.memory_mib, seen.fleet.product) == (24576, "small")


class TestSharing:
    @staticmethod
    def over(**spec: Any) -> TaskPlan:
        task = started(placement={"allowShared": True}, search={"maxExperiments": 1}, **spec)
        plan = Story(task).run_experiments(*[ran(1000.0 * one, acceleratorSharing=SHARED) for one in (1, 2)])
        assert condition(plan.status, "Succeeded")[0] == "True"
        return plan

    def test_is_told_in_status_message_and_report(self) -> None:
        plan = self.over()
        assert plan.status.best is not None
        assert plan.write_recommendation is not None

        assert plan.status.best.accelerator_sharing == SHARED
        assert f"best 2000 tok/s by chat-1 (+100.0% over the baseline) on shared accelerators ({SHARED});" in (
            plan.status.message or ""
        )
        report = plan.write_recommendation["data"]["report.md"]
        assert f"**Shared accelerators** ({SHARED}): other pods could use them while this was measured" in report

    def test_is_told_of_a_front_too(self) -> None:
        plan = self.over(objectives=[{"metric": "OutputThroughput"}, {"metric": "TTFT"}])
        assert plan.write_recommendation is not None

        assert f"chat-1 on shared accelerators ({SHARED}) (status.front)" in (plan.status.message or "")
        assert f"**Shared accelerators** ({SHARED})" in plan.write_recommendation["data"]["report.md"]

    def test_is_told_of_nobody_else(self) -> None:
        plan = Story(started(search={"maxExperiments": 1})).run_experiments(ran(), ran(2000))
        assert plan.write_recommendation is not None

        assert "shared" not in f"{plan.status.dump()} {plan.write_recommendation['data']['report.md']}".lower()

    def test_that_was_not_allowed_stops_the_task(self) -> None:
        story = Story()
        plan = story.run_experiments(ending("AcceleratorShared", message="its node shares them"))

        assert condition(plan.status, "Succeeded") == ("False", "AcceleratorShared")
        assert "its node shares them" in (plan.status.message or "")


class TestWithoutAccelerators:
    def test_no_gpu_and_no_gpu_hour_is_counted(self) -> None:
        times = {"created": at(1), "scheduled": at(2), "podsGone": at(100), "released": at(101)}
        story = Story(started(**NONE, search={"maxExperiments": 2}, budget={"maxHours": 10}))
        plan = story.run_experiments(ran(times=times), ran(2000, times=times), ran(1500, times=times))
        assert plan.write_recommendation is not None

        told = f"{[one.status.dump() for one in story.plans]}"
        assert "GPU" not in told
        assert "gpu" not in told
        header, *rows = plan.write_recommendation["data"]["experiments.csv"].splitlines()
        columns = header.split(",")
        cells = [dict(zip(columns, row.split(","), strict=False)) for row in rows]
        assert {one["gpus"] for one in cells} == {"0"}
        assert "GPU" not in plan.write_recommendation["data"]["report.md"]

    def test_a_dry_run_and_validate_estimate_none(self) -> None:
        seen = observed(make_task(**NONE))

        assert cost_estimate.gpu_hours(seen.spec, seen.space, seen.engine) is None
        assert cost_estimate.least(seen.spec, seen.space, seen.engine)[0] == 0

    def test_a_limit_over_all_tasks_does_not_concern_it(self) -> None:
        story = Story(started(**NONE, search={"parallelExperiments": 2}), most_accelerators=1)
        plan = story.run_experiments(ran())

        assert [one["spec"]["service"]["accelerator"]["count"] for one in plan.create_experiments] == [1, 1]
        assert observed(story.task, most_accelerators=1).space.size == 4

    def test_a_budget_of_hours_knows_what_an_experiment_takes(self) -> None:
        times = {
            "created": at(1),
            "scheduled": at(2),
            "firstRequest": at(40),
            "benchmarkFinished": at(60),
            "podsGone": at(3599),
            "released": at(3601),
        }
        story = Story(started(**NONE, budget={"maxHours": 1.5}))
        story.step()
        story.end(lambda one: ended(one, "Completed", make_level(), times=times))
        story.wait(3600)
        plan = story.step()

        assert "about 1 needed" in (plan.status.message or ""), plan.status.message


class TestColumns:
    def test_tell_all_objectives_and_the_best_with_its_unit(self) -> None:
        plan = Story(started()).run_experiments(ran(1893.4))
        assert plan.status.columns is not None

        assert plan.status.columns.dump() == {"objectives": "OutputThroughput", "best": "1893 tok/s"}

    def test_tell_where_a_latency_is_judged_and_how_large_a_front_is(self) -> None:
        objectives = [{"metric": "OutputThroughputPerGPU"}, {"metric": "TTFT", "concurrency": 8}, {"metric": "TPOT"}]
        plan = Story(started(objectives=objectives)).run_experiments(ran(1000))
        assert plan.status.columns is not None

        assert plan.status.columns.dump() == {
            "objectives": "OutputThroughputPerGPU, TTFT P99 at 8, TPOT P99",
            "best": "1 on the front",
        }

    def test_are_there_before_the_start(self) -> None:
        assert started()["status"]["columns"] == {"objectives": "OutputThroughput"}
