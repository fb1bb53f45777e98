"""Finds the best inference-engine parameters for an LLM by measuring them."""

import os

__version__ = "0.1.0"

# numpy reads it when it is loaded. The search's matrices are small: several threads take many times as long as one,
# and an operator's limit is seldom more than one processor.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
