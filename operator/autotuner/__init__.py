"""Finds the best inference-engine parameters for an LLM by measuring them."""
