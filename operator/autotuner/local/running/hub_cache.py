"""Where this machine keeps models of the Hugging Face hub."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def hub_cache(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder that engines get as HF_HOME, by the hub's own rules."""
    if own := environment.get("HF_HOME"):
        return Path(own).expanduser()
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
