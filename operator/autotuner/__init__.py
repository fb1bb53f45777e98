"""Finds the best inference-engine parameters for an LLM by measuring them."""

__version__ = "0.1.0"
