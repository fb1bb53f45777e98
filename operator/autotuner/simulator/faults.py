"""Ways in which the simulated engine can be told to fail."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

from autotuner.simulator.config import Dialect, StartupError

FAULTS = {
    "none": "no fault",
    "hang": "starts listening, never becomes healthy",
    "out-of-memory": "exits with the engine's out-of-memory message",
    "model-missing": "exits because the model folder is empty",
    "crash-at-start": "exits with a CUDA error while loading",
    "crash-after-requests": "N: exits with a CUDA error when N requests have finished",
    "stall-after-requests": "N: stops answering when N requests have finished",
    "no-model-list": "healthy, but /v1/models answers 500",
    "two-names": "serves its model under two names",
    "path-prefix": "healthy, but its API is below a path of its own: /v1 answers 404",
    "no-completion": "healthy and lists its model, but completions answer 500",
    "error-rate": "P: that share of the completions answers 500",
    "shed-above": "N: answers 429 to whatever comes while N requests are running",
    "no-usage": "completions without token counts",
    "early-eos": "outputs end after half of the tokens asked for",
}
_COUNTED = ("crash-after-requests", "stall-after-requests", "shed-above")


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


# What SGLang 0.5.23 says of an empty folder (transformers 5.19.0 does), and vLLM 0.32.0.
_MODEL_MISSING: Mapping[Dialect, tuple[str, ...]] = {
    "sglang": ("ValueError: Unrecognized model in {path}. Should have a `model_type` key in its config.json.",),
    "vllm": (
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig",
        "  Value error, Invalid repository ID or local directory specified: '{path}'.",
        "Please verify the following requirements:",
        "1. Provide a valid Hugging Face repository ID.",
        "2. Specify a local directory that contains a recognized configuration file.",
        "   - For Hugging Face models: ensure the presence of a 'config.json'.",
        "   - For Mistral models: ensure the presence of a 'params.json'.",
        " [type=value_error, input_value=ArgsKwargs((), {{...}}), input_type=ArgsKwargs]",
        "    For further information visit https://errors.pydantic.dev/2.14/v/value_error",
    ),
}


def model_missing(dialect: Dialect, path: str) -> StartupError:
    """What the engine says of a model folder in which there is nothing."""
    return StartupError(
        "Traceback (most recent call last):", *(line.format(path=path) for line in _MODEL_MISSING[dialect])
    )
