"""The Job that asks an engine's own argument parser for its flags, inside the engine's image: pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from autotuner.api.benchmark import Timeouts
from autotuner.benchmark.job import USER
from autotuner.engines import probed_flags
from autotuner.kubernetes_object import Object
from autotuner.manifest_rendering import render

CONTAINER = "probe"
# A parser's imports take 24 s of one core (vLLM 0.32.0 for processors), on a cold disk several times as long.
PARSER_SECONDS = 300
# So long people can look at what it printed; the operator reads it within seconds.
KEPT_SECONDS = 3600
_PYTHON = re.compile(r"python[0-9.]*")
_WORK_DIR = "/tmp"  # noqa: S108 - a folder of the pod's own, where nothing else can be written
_ENV = (
    {"name": "HOME", "value": _WORK_DIR},
    # Libraries ask who they are, and the image has no name for the pod's user.
    {"name": "USER", "value": "autotuner"},
)
# vLLM's imports take 1 GiB. Policies demand limits of both; of CPU it is more than the imports use.
_RESOURCES = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "8Gi"}}


@dataclass(frozen=True)
class Place:
    """Where a probe runs and in whose name.

    Attributes:
        name: of the Job.
        namespace: of the Job; empty where whoever applies it says so.
        labels: of the Job and its pod.
        annotations: of the Job and its pod.
        owner: its owner reference; None for none.
        node_selector: of its pod.
        tolerations: of its pod, as Kubernetes writes them.
        pull_secrets: of its pod, as Kubernetes writes them.
        priority_class: of its pod; empty for the cluster's default.
        user: and group that its pod runs as; None where the platform chooses them.
    """

    name: str
    namespace: str = ""
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    owner: Object | None = None
    node_selector: Mapping[str, str] | None = None
    tolerations: Sequence[Mapping[str, Any]] = ()
    pull_secrets: Sequence[Mapping[str, Any]] = ()
    priority_class: str = ""
    user: int | None = USER


def deadline_seconds(pull_seconds: int) -> int:
    """Seconds that the Job may take from its creation, those for pulling the image included."""
    return pull_seconds + PARSER_SECONDS


def python_of(command: Sequence[str]) -> str:
    """The Python that starts an engine by this command, `python3` where it does not say."""
    first = command[0] if command else ""
    return first if _PYTHON.fullmatch(PurePosixPath(first).name) else "python3"


def probe_job(
    place: Place, image: str, package: str, *, python: str = "python3", pull_seconds: int = Timeouts().pull_seconds
) -> Object:
    """The Job.

    Args:
        place: where it runs.
        image: that has the engine.
        package: of the engine, whose parser is asked.
        python: the image's, with the engine's package.
        pull_seconds: that pulling the image may take.
    """
    # The kubelet expands $(NAME) and takes $$ for $.
    command = [python, "-c", probed_flags.script().replace("$", "$$"), package]
    return render(
        "engine-probe-job.yaml.j2",
        name=place.name,
        namespace=place.namespace,
        labels=dict(place.labels or {}),
        annotations=dict(place.annotations or {}),
        priority_class=place.priority_class,
        user=place.user,
        owner=place.owner,
        deadline_seconds=deadline_seconds(pull_seconds),
        kept_seconds=KEPT_SECONDS,
        node_selector=dict(place.node_selector or {}),
        tolerations=[dict(one) for one in place.tolerations],
        pull_secrets=[dict(one) for one in place.pull_secrets],
        container=CONTAINER,
        image=image,
        command=command,
        env=list(_ENV),
        resources=_RESOURCES,
        work_dir=_WORK_DIR,
    )
