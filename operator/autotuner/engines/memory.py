"""Will a model's weights fit? An estimate that errs on the side of trying."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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


@dataclass(frozen=True)
class MemoryFlags:
    """The flags by which an engine's weights take memory. An empty name is for what an engine has no flag for.

    Attributes:
        fraction: the share of a GPU's memory that weights and cache may take.
        default_fraction: that share when nothing is said, at the most; None if unknown: then no weights are too large.
        dtype: the type of weights that are not quantized.
        quantization: how the engine quantizes weights while it loads them.
        splits: degrees by whose product a GPU's part of the weights is smaller than the whole.
    """

    fraction: str
    default_fraction: float | None
    dtype: str
    quantization: str
    splits: tuple[str, ...]

    @property
    def reads(self) -> frozenset[str]:
        """The flags that decide whether the weights fit."""
        return frozenset({self.fraction, self.quantization, self.dtype, *self.splits} - {""})

    def weights_gb(self, flags: Mapping[str, str], model: Mapping[str, Any]) -> float | None:
        """Size of all weights in GB (1e9 bytes) as the engine holds them; None if the model does not tell.

        Args:
            flags: canonical flag -> value.
            model: spec of the model's object.
        """
        count = parameters(str(model.get("modelParameterSize", "")))
        if count is None:
            return None
        return count * self._bytes(flags, quantization.lightest(model)) / _GB

    def _bytes(self, flags: Mapping[str, str], prequantized: str) -> float:
        kind = prequantized or flags.get(self.quantization, "")
        if kind:
            return _QUANTIZED.get(kind, _FOUR_BIT)
        return _BYTES.get(flags.get(self.dtype, ""), 2.0)

    def too_large(self, flags: Mapping[str, str], model: Mapping[str, Any], memory_mib: float | None) -> str | None:
        """Why the weights cannot fit on the accelerators; None if they may, or if something is not known.

        Args:
            flags: canonical flag -> value, of the complete argument list.
            model: spec of the model's object.
            memory_mib: of the largest accelerator there is; None if unknown.
        """
        total = self.weights_gb(flags, model)
        if total is None or memory_mib is None or self.default_fraction is None:
            return None
        parts = 1
        for flag in self.splits:
            degree = flags.get(flag, "1")
            parts *= int(degree) if degree.isdecimal() and int(degree) else 1
        share = total / parts
        fraction = _number(flags.get(self.fraction, ""), self.default_fraction)
        room = fraction * memory_mib * _MIB / _GB - _RESERVED_GB
        if share <= room:
            return None
        return (
            f"{share:.0f} GB of weights per GPU do not fit into {room:.0f} GB ({fraction:g} of"
            f" {memory_mib / 1024:.0f} GiB less {_RESERVED_GB:.0f} GB); use more tensor or pipeline parallelism, or"
            " fewer bits, or set allowLargeWeights if they are smaller than that"
        )


def parameters(text: str) -> float | None:
    """The number in `70.6B`, `500M`; None if it is none."""
    found = _SIZE.match(text.strip())
    return float(found.group(1)) * _SCALE[found.group(2).upper()] if found else None


def _number(text: str, default: float) -> float:
    try:
        return float(text)
    except ValueError:
        return default
