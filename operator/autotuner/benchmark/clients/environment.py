"""The variables that genai-bench, transformers and the hub's client read."""

from __future__ import annotations

import os
from pathlib import Path

from autotuner.benchmark.contract.spec import RunnerSpec


def prepare_environment(spec: RunnerSpec) -> None:
    """Set this process's variables; before any of those libraries is imported, which read them only once.

    Everything is written below the work folder: the rest of the file system may be read-only.
    """
    cache = spec.work_dir / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        {
            "MPLCONFIGDIR": str(cache),
            "ENABLE_UI": "false",
            "GENAI_BENCH_LOGGING_LEVEL": "WARNING",
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
    )
    for name, value in _defaults(spec, cache).items():
        os.environ.setdefault(name, value)


def _defaults(spec: RunnerSpec, cache: Path) -> dict[str, str]:
    """Values that the Job's own variables may override."""
    defaults = {
        "HF_HOME": str(cache / "huggingface"),
        "HF_HUB_DOWNLOAD_TIMEOUT": "10",
        "HF_HUB_ETAG_TIMEOUT": "10",
    }
    return defaults if spec.tokenizer.source == "Hub" else defaults | {"HF_HUB_OFFLINE": "1"}
