"""The hardware and the models the simulated engine knows, at their published figures."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

GIB = 2.0**30


@dataclass(frozen=True, slots=True)
class Gpu:
    """One accelerator: memory in GiB, dense bf16 TFLOP/s, memory and link bandwidth in GB/s."""

    name: str
    memory_gib: float
    tflops: float
    bandwidth: float
    link: float
    fp8: bool


@dataclass(frozen=True, slots=True)
class Model:
    """One transformer: sizes as in its config.json; parameters in units of 1e9, `active` per token (experts)."""

    name: str
    parameters: float
    active: float
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    context: int
    checkpoint_bytes: float = 2.0

    @property
    def kv_values(self) -> int:
        """Cached values per token: a key and a value for each layer and head."""
        return 2 * self.layers * self.kv_heads * self.head_dim


# Vendors' data sheets: memory as the driver reports it, dense bf16, NVLink or PCIe in one direction.
GPUS = {
    gpu.name: gpu
    for gpu in (
        Gpu("l4", 22.5, 121, 300, 25, fp8=True),
        Gpu("l40s", 45.0, 362, 864, 25, fp8=True),
        Gpu("a100", 79.3, 312, 2039, 300, fp8=False),
        Gpu("h100", 79.6, 990, 3350, 450, fp8=True),
        Gpu("h200", 140.0, 990, 4800, 450, fp8=True),
        Gpu("b200", 178.0, 2250, 8000, 900, fp8=True),
    )
}

# DeepSeek-V3 caches one latent vector of 576 values per layer, written here as one head of 288.
MODELS = {
    model.name: model
    for model in (
        Model("1b", 1.24, 1.24, 16, 2048, 32, 8, 64, 131072),
        Model("3b", 3.21, 3.21, 28, 3072, 24, 8, 128, 131072),
        Model("7b", 7.25, 7.25, 32, 4096, 32, 8, 128, 32768),
        Model("8b", 8.03, 8.03, 32, 4096, 32, 8, 128, 131072),
        Model("70b", 70.6, 70.6, 80, 8192, 64, 8, 128, 131072),
        Model("8x7b", 46.7, 12.9, 32, 4096, 32, 8, 128, 32768),
        Model("671b", 671.0, 37.0, 61, 7168, 128, 1, 288, 163840, checkpoint_bytes=1.0),
    )
}

_SIZE = re.compile(r"(?<![a-z0-9.])(\d+x)?(\d+(?:\.\d+)?)b(?![a-z0-9])")


def model_for(path: str) -> Model:
    """The profile for a model path, read from its last part.

    "llama-3-2-1b-instruct" is the 1b; an unknown size gets the nearest one; a name without a size is an 8b.
    """
    name = path.rstrip("/").rsplit("/", 1)[-1].lower()
    if "deepseek" in name and not _SIZE.search(name):
        return MODELS["671b"]
    match = _SIZE.search(name)
    if match is None:
        return MODELS["8b"]
    if match.group(1):
        return MODELS["8x7b"]
    size = math.log(max(float(match.group(2)), 0.01))
    dense = [model for model in MODELS.values() if model.active == model.parameters]
    return min(dense, key=lambda model: abs(math.log(model.parameters) - size))
