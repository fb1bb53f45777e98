"""Ways in which the simulated engine can be told to fail."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

FAULTS = {
    "none": "no fault",
    "hang": "starts listening, never becomes healthy",
    "out-of-memory": "exits with the engine's out-of-memory message",
    "model-missing": "exits because the model folder is empty",
    "crash-at-start": "exits with a CUDA error while loading",
    "crash-after-requests": "N: exits with a CUDA error when N requests have finished",
    "stall-after-requests": "N: stops answering when N requests have finished",
    "no-model-list": "healthy, but /v1/models answers 500",
    "no-completion": "healthy and lists its model, but completions answer 500",
    "error-rate": "P: that share of the completions answers 500",
    "no-usage": "completions without token counts",
    "early-eos": "outputs end after half of the tokens asked for",
}
_COUNTED = ("crash-after-requests", "stall-after-requests")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault by name, with its number where it has one."""

    name: str = "none"
    number: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read NAME or NAME:NUMBER.

        Raises:
            argparse.ArgumentTypeError: Unknown name, or a number missing, superfluous or out of range.
        """
        name, _, number = text.partition(":")
        if name not in FAULTS:
            raise argparse.ArgumentTypeError(f"invalid choice: {name!r} (choose from {', '.join(FAULTS)})")
        if name not in (*_COUNTED, "error-rate"):
            if number:
                raise argparse.ArgumentTypeError(f"{name} takes no number")
            return cls(name)
        try:
            value = float(number)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{name} needs a number: {name}:N") from None
        if not (0 < value <= 1 if name == "error-rate" else value >= 1 and value.is_integer()):
            raise argparse.ArgumentTypeError(f"{number} is out of range for {name}")
        return cls(name, value)
