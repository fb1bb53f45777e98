"""The operator process: kopf watches and wakes, two queues work. Run as `python -m autotuner.main`.

`python -m autotuner.main cancel` frees all GPUs before an uninstall.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import kopf

from autotuner import backend_choice, log_format
from autotuner.api.common import TASK_LABEL
from autotuner.api_server import ApiServer, in_cluster
from autotuner.kube import KubeError
from autotuner.kubernetes_object import Resource
from autotuner.process import lifecycle
from autotuner.process.cancel import UnfinishedError, cancel_all
from autotuner.process.leader import LeadershipLostError
from autotuner.process.machinery import Listeners
from autotuner.process.silent_watches import selectors
from autotuner.process.wakes import Wake, watches
from autotuner.proxies import proxy_for
from autotuner.serving.backend import Backend, Backends
from autotuner.settings import Settings, from_environment

log = logging.getLogger("autotuner")

# How `cancel` ends when its time is over: the chart's Job is repeated after every other failure (an eviction, a node
# that went away), not after this one.
UNFINISHED = 3


def _registry(handlers: Mapping[Resource, Wake]) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    # By file, not by client library: importing the typed API classes costs 100 MB.
    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        if in_cluster():
            return kopf.login_with_service_account(**kwargs)
        found = kopf.login_with_kubeconfig(**kwargs)
        # The same way as the requests': else one half of the operator works where the other hears nothing.
        return found and replace(found, proxy_url=found.proxy_url or proxy_for(found.server), trust_env=False)

    def register(resource: Resource, wake: Wake) -> None:
        @kopf.on.event(*_address(resource), id=resource.plural, registry=registry)
        async def woken(body: kopf.Body, event: kopf.RawEvent, **_: Any) -> None:
            wake(body, event["type"] == "DELETED")

    for resource, wake in handlers.items():
        register(resource, wake)
    return registry


def _address(resource: Resource) -> tuple[str, str, str]:
    return resource.group, resource.version, resource.plural


class _NoProgress(kopf.ProgressStorage):
    """kopf's memory of handlers that change objects; there are none, and nothing is written into users' objects."""

    def fetch(self, **_: Any) -> None:
        """Nothing is stored."""

    def store(self, **_: Any) -> None:
        """Nothing is stored."""

    def purge(self, **_: Any) -> None:
        """Nothing is stored."""

    def touch(self, **_: Any) -> None:
        """Nothing is stored."""

    def clear(self, *, essence: Any) -> Any:
        """What is left of an object without what was stored in it: all of it."""
        return essence


class _NoDiffBase(kopf.DiffBaseStorage):
    """kopf's copy of what an object was; to build it for each event took a third of the operator's time."""

    def build(self, **_: Any) -> Any:
        """Nothing is compared."""
        return {}

    def fetch(self, **_: Any) -> None:
        """Nothing is stored."""

    def store(self, **_: Any) -> None:
        """Nothing is stored."""


def _kopf_settings(backends: Backends) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.persistence.progress_storage = _NoProgress()
    settings.persistence.diffbase_storage = _NoDiffBase()
    # Without rights to read CustomResourceDefinitions and Namespaces: what is watched is there before kopf starts.
    settings.scanning.disabled = True
    # An API server that is away is asked again every two seconds: it was 13 s until it was noticed to be back.
    settings.networking.error_backoffs = [1, 1] + [2] * 200
    settings.networking.request_timeout = 60
    # Else a thousand tasks come in one answer, and a process seldom gives the memory for it back.
    settings.watching.chunk_size = 100
    for resource, labels in selectors(backends).items():
        if labels:
            settings.watching.label_selectors[_address(resource)] = labels
    for backend in backends:
        if backend.capabilities.snapshots:  # of a kind that others make many of
            for resource in backend.capabilities.runtimes.values():
                settings.watching.label_selectors[_address(resource)] = TASK_LABEL
    return settings


async def watch(
    settings: Settings, backends: Backends, listeners: Listeners, unwatch: asyncio.Event, only: Backend | None = None
) -> asyncio.Task[None]:
    """Start kopf; see `process.lifecycle.Watch`."""
    others = asyncio.all_tasks()
    handlers = watches(backends, listeners)
    if only is not None:
        kinds = {only.capabilities.root, *only.capabilities.references.values()}
        handlers = {kind: wake for kind, wake in handlers.items() if kind in kinds}
    # Else kopf asks for the user's name, and the one of the container has none. Its type for it is private.
    identity: Any = settings.identity
    roots = await kopf.spawn_tasks(
        registry=_registry(handlers),
        settings=_kopf_settings(backends),
        standalone=True,
        identity=identity,
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
        stop_flag=unwatch,
    )
    return asyncio.create_task(kopf.run_tasks(roots, ignored=others))


async def _cancel(settings: Settings, home: str, timeout: float) -> None:
    kube = await ApiServer.connect()
    try:
        count = await cancel_all(kube, home, settings.namespaces, timeout)
        log.info("no experiment holds GPUs any more; cancelled: %d", count)
    finally:
        await kube.close()


def _arguments(settings: Settings) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m autotuner.main", description="The autotuner operator.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", help="watch and act (the default)")
    cancel = commands.add_parser("cancel", help="cancel all experiments and wait until they are released")
    cancel.add_argument("--timeout", type=float, default=600.0, metavar="SECONDS", help="default: 600")
    where = "where the operator runs; default: POD_NAMESPACE"
    cancel.add_argument("--namespace", default=settings.home, required=not settings.home, help=where)
    return parser.parse_args()


def main() -> None:
    """Entry point."""
    try:
        settings = from_environment()
    except ValueError as problem:
        sys.exit(f"autotuner: {problem}")
    arguments = _arguments(settings)
    log_format.configure(settings.log_format)
    try:
        if arguments.command == "cancel":
            asyncio.run(_cancel(settings, arguments.namespace, arguments.timeout))
        else:
            asyncio.run(lifecycle.run(settings, backend_choice.BACKENDS, watch))
    except UnfinishedError as problem:
        sys.stderr.write(f"autotuner: {problem}\n")
        sys.exit(UNFINISHED)
    except (RuntimeError, OSError, ValueError, KubeError, LeadershipLostError) as problem:
        sys.exit(f"autotuner: {problem}")


if __name__ == "__main__":
    main()
