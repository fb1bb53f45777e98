"""The hub that tokenizers come from: where it is, and what to say where it does not answer."""

from __future__ import annotations

import os
from collections.abc import Mapping

from autotuner.proxies import through

_HUB = "https://huggingface.co"  # huggingface_hub's own default
ADVICE = "use source ModelVolume, or allow the connection (HTTPS_PROXY or HF_ENDPOINT in benchmark.pod.env)"


def no_answer(environment: Mapping[str, str] = os.environ) -> str:
    """Says that the hub does not answer, and through which proxy it was asked."""
    endpoint = environment.get("HF_ENDPOINT") or _HUB
    return f"{endpoint} does not answer the benchmark's pod{through(endpoint, environment)}"
