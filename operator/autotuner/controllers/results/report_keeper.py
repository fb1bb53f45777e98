"""Keeps the report of a task that ends, before its status says so: what comes after an end is never made up for."""

from __future__ import annotations

from dataclasses import replace

from autotuner import clock
from autotuner.api.task_status import KeptReport
from autotuner.controllers.results import own_config_maps
from autotuner.html_report import kept_report, report_data
from autotuner.kube import Kube
from autotuner.policy.events import Event
from autotuner.policy.evidence.observed import ObservedTask
from autotuner.policy.task.decide import finished
from autotuner.policy.task.plan import TaskPlan


async def keep(kube: Kube, seen: ObservedTask, plan: TaskPlan) -> TaskPlan:
    """Write the report if the plan ends the task; returns the plan with where it is, or an event that says why not.

    A report that cannot be kept never holds up the end: the command `report` makes it of the experiments.
    """
    if not finished(plan.status) or finished(seen.status) or _goes_with_its_namespace(plan):
        return plan
    task = {**seen.object, "status": plan.status.dump()}
    ended = clock.parse(plan.status.completion_time) if plan.status.completion_time else clock.now()
    data = report_data.read(
        task, seen.experiments, ended, others=seen.foreign, recommendation=plan.write_recommendation
    )
    body = kept_report.config_map(data)
    name = kept_report.name(seen.object)
    if body is None:
        obstacle = f"the report does not fit into ConfigMap {name}; autotuner report {data.name} makes it"
    else:
        obstacle = await own_config_maps.write(kube, body, "report")
    if obstacle:
        return replace(plan, events=(*plan.events, Event("Warning", "ReportNotKept", obstacle)))
    status = plan.status.model_copy(update={"report": KeptReport(config_map=name)})
    return replace(plan, status=status)


def _goes_with_its_namespace(plan: TaskPlan) -> bool:
    """Whether nothing can be kept, which needs no words of its own."""
    return any(one.type == "Succeeded" and one.reason == "NamespaceDeleted" for one in plan.status.conditions or ())
