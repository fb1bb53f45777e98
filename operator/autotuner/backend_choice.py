"""Which backend serves: the one place that names an implementation."""

from __future__ import annotations

from autotuner.serving.backend import Backend
from autotuner.serving.ome.adapter import Ome

DEFAULT: Backend = Ome()
