"""The command line as a module: `python -m autotuner` is the same program as `autotuner`."""

from __future__ import annotations

from autotuner.cli.app import main

main()
