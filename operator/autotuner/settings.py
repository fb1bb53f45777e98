"""The operator's own settings, from its environment."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from autotuner import __version__, clock
from autotuner.api.task_defaults import TaskDefaults


@dataclass(frozen=True)
class Settings:
    """Everything that an installation may decide; see `from_environment` for the variables."""

    namespaces: tuple[str, ...] = ()  # empty: all of the cluster
    benchmark_image: str = f"docker.io/autotuner/benchmark:{__version__}"
    presets: Path | None = None  # a folder of more; they win over those shipped
    model_root: str = "/raid/models"  # where nodes hold the models of the presets shipped
    backends: tuple[str, ...] = ()  # whose rights the operator has; empty: all
    cluster_objects: bool = True  # may cluster-scoped models and runtimes be created from presets?
    task_defaults: TaskDefaults = field(default_factory=TaskDefaults)  # what every task says unless it says otherwise
    keep_reports: bool = True  # of finished tasks, each in a ConfigMap
    hub_endpoint: str = ""  # a mirror of the Hugging Face hub, for the benchmark's tokenizer
    serving_seconds: int = 60  # how long a new root may have no engine's pod
    resync_seconds: float = 600.0
    comparison_seconds: float = 30.0
    workers: int = 20
    max_gpus: int | None = None  # that the experiments of all tasks may hold together
    max_experiments: int | None = None  # of all tasks that may run at the same time
    log_format: str = "json"  # or text
    metrics_port: int = 0  # /metrics; 0: not served
    health_port: int = 0  # /healthz and /readyz; 0: not served
    address: str = ""  # both are served on; all if empty
    leader_election: bool = False  # wait for the Lease before acting; needs `home`
    identity: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}")  # among candidates
    home: str = ""  # the operator's own namespace, which holds the Lease; empty outside clusters

    def look_again_in(self, moment: datetime | None) -> float:
        """Seconds until then, and never longer than the resync period, whatever was missed."""
        if moment is None:
            return self.resync_seconds
        return min(max(0.0, (moment - clock.now()).total_seconds()), self.resync_seconds)


class _Variables:
    """AUTOTUNER_* variables; what is not as it should be raises ValueError with the variable's name."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str = "") -> str:
        return self._environ.get(f"AUTOTUNER_{name}", default)

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(word for word in self.text(name).replace(" ", "").split(",") if word)

    def number(self, name: str, default: float) -> float:
        value = self.text(name, str(default))
        try:
            parsed = float(value)
        except ValueError:
            parsed = 0.0
        if not 0 < parsed < math.inf:
            raise ValueError(f"AUTOTUNER_{name}: {value!r} is not a number above 0")
        return parsed

    def whole(self, name: str, default: int) -> int:
        value = self.text(name, str(default))
        if not value.isdecimal() or int(value) == 0:
            raise ValueError(f"AUTOTUNER_{name}: {value!r} is not a whole number above 0")
        return int(value)

    def limit(self, name: str) -> int | None:
        return self.whole(name, 0) if self.text(name) else None

    def port(self, name: str) -> int:
        value = self.text(name, "0")
        if not value.isdecimal() or int(value) > 65535:
            raise ValueError(f"AUTOTUNER_{name}: {value!r} is no port (0: off)")
        return int(value)

    def choice(self, name: str, default: str, *allowed: str) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise ValueError(f"AUTOTUNER_{name}: {value!r} is none of {', '.join(allowed)}")
        return value

    def defaults(self, name: str) -> TaskDefaults:
        try:
            return TaskDefaults.model_validate_json(self.text(name) or "{}")
        except ValidationError as problem:
            first = problem.errors(include_url=False, include_input=False)[0]
            where = ".".join(("taskDefaults", *(str(step) for step in first["loc"])))
            raise ValueError(f"AUTOTUNER_{name}: {where}: {first['msg'].removeprefix('Value error, ')}") from None

    def flag(self, name: str, default: str) -> bool:
        return self.choice(name, default, "true", "false") == "true"


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read AUTOTUNER_* variables, POD_NAME and POD_NAMESPACE.

    Raises:
        ValueError: a variable that is not what it should be, by name.
    """
    defaults, variables = Settings(), _Variables(environ)
    presets = variables.text("PRESETS")
    home = environ.get("POD_NAMESPACE", "")
    leader_election = variables.flag("LEADER_ELECTION", "false")
    if leader_election and not home:
        raise ValueError("AUTOTUNER_LEADER_ELECTION: POD_NAMESPACE must say where the Lease is")
    return Settings(
        namespaces=variables.words("NAMESPACES"),
        benchmark_image=variables.text("BENCHMARK_IMAGE", defaults.benchmark_image),
        presets=Path(presets) if presets else None,
        model_root=variables.text("MODEL_ROOT", defaults.model_root),
        backends=variables.words("BACKENDS"),
        cluster_objects=variables.flag("CLUSTER_OBJECTS", "true"),
        task_defaults=variables.defaults("TASK_DEFAULTS"),
        keep_reports=variables.flag("KEEP_REPORTS", "true"),
        hub_endpoint=variables.text("HUB_ENDPOINT"),
        serving_seconds=variables.whole("SERVING_SECONDS", defaults.serving_seconds),
        resync_seconds=variables.number("RESYNC_SECONDS", defaults.resync_seconds),
        comparison_seconds=variables.number("COMPARISON_SECONDS", defaults.comparison_seconds),
        workers=variables.whole("WORKERS", defaults.workers),
        max_gpus=variables.limit("MAX_GPUS"),
        max_experiments=variables.limit("MAX_EXPERIMENTS"),
        log_format=variables.choice("LOG_FORMAT", defaults.log_format, "json", "text"),
        metrics_port=variables.port("METRICS_PORT"),
        health_port=variables.port("HEALTH_PORT"),
        address=variables.text("ADDRESS"),
        leader_election=leader_election,
        identity=environ.get("POD_NAME", "") or defaults.identity,
        home=home,
    )
