"""Will a model's weights fit? An estimate that errs on the side of trying."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from autotuner.api.common import EngineName
from autotuner.engines import quantization

_SIZE = re.compile(r"^([0-9]+(?:\.[0-9]+)?)([KMBT])$", re.IGNORECASE)
_SCALE = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
# Bytes of one parameter.
_BYTES = {"float32": 4.0, "float16": 2.0, "bfloat16": 2.0}
_QUANTIZED = {"fp8": 1.0, "int8": 1.0, "w8a8_int8": 1.0, "w8a8_fp8": 1.0, "fbgemm_fp8": 1.0}
_FOUR_BIT = 0.56
_GB = 1e9
_MIB = 2**20
# Graphs and activations, at the least.
_RESERVED_GB = 2.0

MEMORY_FLAGS: Mapping[EngineName, str] = {
    "SGLang": "mem-fraction-static",
    "VLLM": "gpu-memory-utilization",
    "Custom": "",
}
# What the engines take when nothing is said, at the most.
_DEFAULT_FRACTION: Mapping[EngineName, float] = {"SGLang": 0.93, "VLLM": 0.92, "Custom": 1.0}
_SPLIT: Mapping[EngineName, tuple[str, ...]] = {
    "SGLang": ("tp-size", "pp-size"),
    "VLLM": ("tensor-parallel-size", "pipeline-parallel-size"),
    "Custom": (),
}


def reads(engine: EngineName) -> frozenset[str]:
    """The flags that decide whether the weights fit."""
    return frozenset({MEMORY_FLAGS[engine], "quantization", "dtype", *_SPLIT[engine]} - {""})


def parameters(text: str) -> float | None:
    """The number in `70.6B`, `500M`; None if it is none."""
    found = _SIZE.match(text.strip())
    return float(found.group(1)) * _SCALE[found.group(2).upper()] if found else None


def weights_gb(engine_flags: Mapping[str, str], model: Mapping[str, Any]) -> float | None:
    """Size of all weights in GB (1e9 bytes) as the engine holds them; None if the model does not tell.

    Args:
        engine_flags: canonical flag -> value.
        model: spec of the OME model.
    """
    count = parameters(str(model.get("modelParameterSize", "")))
    if count is None:
        return None
    return count * _bytes(engine_flags, quantization.prequantized(model)) / _GB


def _bytes(engine_flags: Mapping[str, str], prequantized: str) -> float:
    kind = prequantized or engine_flags.get("quantization", "")
    if kind:
        return _QUANTIZED.get(kind, _FOUR_BIT)
    return _BYTES.get(engine_flags.get("dtype", ""), 2.0)


def too_large(
    engine: EngineName, engine_flags: Mapping[str, str], model: Mapping[str, Any], memory_mib: float | None
) -> str | None:
    """Why the weights cannot fit on the accelerators; None if they may, or if something is not known.

    Args:
        engine: that would load them.
        engine_flags: canonical flag -> value, of the complete argument list.
        model: spec of the OME model.
        memory_mib: of the largest accelerator there is; None if unknown.
    """
    total = weights_gb(engine_flags, model)
    if total is None or memory_mib is None or engine == "Custom":
        return None
    parts = 1
    for flag in _SPLIT[engine]:
        degree = engine_flags.get(flag, "1")
        parts *= int(degree) if degree.isdecimal() and int(degree) else 1
    share = total / parts
    fraction = _fraction(engine_flags.get(MEMORY_FLAGS[engine], ""), _DEFAULT_FRACTION[engine])
    room = fraction * memory_mib * _MIB / _GB - _RESERVED_GB
    if share <= room:
        return None
    return (
        f"{share:.0f} GB of weights per GPU do not fit into {room:.0f} GB ({fraction:g} of {memory_mib / 1024:.0f} GiB"
        f" less {_RESERVED_GB:.0f} GB); use more tensor or pipeline parallelism, or fewer bits"
    )


def _fraction(text: str, default: float) -> float:
    try:
        return float(text)
    except ValueError:
        return default
