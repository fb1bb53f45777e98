"""The operator's own settings, from its environment."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from autotuner import __version__, clock


@dataclass(frozen=True)
class Settings:
    """Everything that an installation may decide; see `from_environment` for the variables."""

    namespaces: tuple[str, ...] = ()  # empty: all of the cluster
    benchmark_image: str = f"docker.io/autotuner/benchmark:{__version__}"
    presets: Path | None = None  # instead of those shipped
    cluster_objects: bool = True  # may ClusterBaseModels and ClusterServingRuntimes be created from presets?
    hub_endpoint: str = ""  # a mirror of the Hugging Face hub, for the benchmark's tokenizer
    serving_seconds: int = 60  # how long OME may stay silent about a new InferenceService
    resync_seconds: float = 30.0
    workers: int = 20
    log_format: str = "json"  # or text

    def look_again_in(self, moment: datetime | None) -> float:
        """Seconds until then, and never longer than the resync period: an event may be missed."""
        if moment is None:
            return self.resync_seconds
        return min(max(0.0, (moment - clock.now()).total_seconds()), self.resync_seconds)


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read AUTOTUNER_* variables.

    Raises:
        ValueError: a variable that is not what it should be, by name.
    """
    defaults = Settings()

    def text(name: str, default: str) -> str:
        return environ.get(f"AUTOTUNER_{name}", default)

    def number(name: str, default: float) -> float:
        value = text(name, str(default))
        try:
            parsed = float(value)
        except ValueError:
            parsed = 0.0
        if not 0 < parsed < math.inf:
            raise ValueError(f"AUTOTUNER_{name}: {value!r} is not a number above 0")
        return parsed

    def whole(name: str, default: int) -> int:
        value = text(name, str(default))
        if not value.isdecimal() or int(value) == 0:
            raise ValueError(f"AUTOTUNER_{name}: {value!r} is not a whole number above 0")
        return int(value)

    def choice(name: str, default: str, *allowed: str) -> str:
        value = text(name, default)
        if value not in allowed:
            raise ValueError(f"AUTOTUNER_{name}: {value!r} is none of {', '.join(allowed)}")
        return value

    presets = text("PRESETS", "")
    return Settings(
        namespaces=tuple(name for name in text("NAMESPACES", "").replace(" ", "").split(",") if name),
        benchmark_image=text("BENCHMARK_IMAGE", defaults.benchmark_image),
        presets=Path(presets) if presets else None,
        cluster_objects=choice("CLUSTER_OBJECTS", "true", "true", "false") == "true",
        hub_endpoint=text("HUB_ENDPOINT", ""),
        serving_seconds=whole("SERVING_SECONDS", defaults.serving_seconds),
        resync_seconds=number("RESYNC_SECONDS", defaults.resync_seconds),
        workers=whole("WORKERS", defaults.workers),
        log_format=choice("LOG_FORMAT", defaults.log_format, "json", "text"),
    )
