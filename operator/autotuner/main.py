"""The operator process: kopf watches and wakes, two queues work. Run as `python -m autotuner.main`."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

import kopf

from autotuner import __version__, logs, presets
from autotuner.api.common import EXPERIMENT_UID_LABEL, EXPERIMENTS, FINISHED_LABEL, GROUP, TASKS, VERSION
from autotuner.controllers.experiment import ExperimentController
from autotuner.controllers.task import TaskController
from autotuner.controllers.workqueue import Key, WorkQueue
from autotuner.kube import Kube
from autotuner.serving.ome import EXPERIMENT_LABEL
from autotuner.settings import Settings, from_environment

log = logging.getLogger("autotuner")

Wake = Callable[[Mapping[str, Any]], None]
_STARTUP_POLL = 0.5


def watches(tasks: WorkQueue, experiments: WorkQueue) -> dict[tuple[str, str, str], Wake]:
    """What is watched, and whom a change of it wakes. An event carries nothing but *look again*."""

    def task(body: Mapping[str, Any]) -> None:
        tasks.add(Key(body["metadata"]["namespace"], body["metadata"]["name"]))

    def experiment(body: Mapping[str, Any]) -> None:
        meta = body["metadata"]
        experiments.add(Key(meta["namespace"], meta["name"]))
        for owner in meta.get("ownerReferences", []):
            if owner.get("controller") and owner["kind"] == "TuningTask":
                tasks.add(Key(meta["namespace"], owner["name"]))

    def child(body: Mapping[str, Any]) -> None:
        name = body["metadata"].get("labels", {}).get(EXPERIMENT_LABEL)
        if name:
            experiments.add(Key(body["metadata"]["namespace"], name))

    return {
        (GROUP, VERSION, TASKS): task,
        (GROUP, VERSION, EXPERIMENTS): experiment,
        ("ome.io", "v1beta1", "inferenceservices"): child,
        ("batch", "v1", "jobs"): child,
        ("", "v1", "pods"): child,
    }


def _registry(handlers: Mapping[tuple[str, str, str], Wake]) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    # By file, not by client library: importing the typed API classes costs 100 MB.
    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    def register(resource: tuple[str, str, str], wake: Wake) -> None:
        @kopf.on.event(*resource, id=resource[2], registry=registry)
        async def woken(body: kopf.Body, **_: Any) -> None:
            wake(body)

    for resource, wake in handlers.items():
        register(resource, wake)
    return registry


def _kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    # An API server that is away is asked again every two seconds: it was 13 s until it was noticed to be back.
    settings.networking.error_backoffs = [1, 1] + [2] * 200
    settings.networking.request_timeout = 60
    selectors = settings.watching.label_selectors
    selectors[GROUP, VERSION, EXPERIMENTS] = f"!{FINISHED_LABEL}"
    for resource in (("ome.io", "v1beta1", "inferenceservices"), ("batch", "v1", "jobs"), ("", "v1", "pods")):
        selectors[resource] = EXPERIMENT_UID_LABEL
    return settings


async def _wait_until_served(kube: Kube, settings: Settings) -> None:
    """Wait for the API server and our kinds: kopf that starts before them stays deaf."""
    told = ""
    while problem := await kube.obstacle(settings.namespaces):
        if problem != told:
            log.warning("waiting for %s/%s: %s (are the CRDs and the roles installed?)", GROUP, VERSION, problem)
            told = problem
        await asyncio.sleep(_STARTUP_POLL)


async def run(settings: Settings) -> None:
    """Work until a signal ends the process."""
    known = presets.load(settings.presets or presets.default_folder())
    kube = await Kube.connect()
    try:
        await _wait_until_served(kube, settings)
        tasks = WorkQueue("tasks", TaskController(kube, known, settings).reconcile, settings.workers)
        experiments = WorkQueue("experiments", ExperimentController(kube, settings).reconcile, settings.workers)
        where = ", ".join(settings.namespaces) or "all namespaces"
        log.info("autotuner %s serves %s", __version__, where)
        await kopf.operator(
            registry=_registry(watches(tasks, experiments)),
            settings=_kopf_settings(),
            standalone=True,
            clusterwide=not settings.namespaces,
            namespaces=settings.namespaces,
        )
        await tasks.close()
        await experiments.close()
    finally:
        await kube.close()


def main() -> None:
    """Entry point."""
    try:
        settings = from_environment()
    except ValueError as problem:
        sys.exit(f"autotuner: {problem}")
    logs.configure(settings.log_format)
    try:
        asyncio.run(run(settings))
    except (RuntimeError, FileNotFoundError, ValueError) as problem:
        sys.exit(f"autotuner: {problem}")


if __name__ == "__main__":
    main()
