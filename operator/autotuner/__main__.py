"""`python -m autotuner`: see `autotuner.cli.app`."""

from __future__ import annotations

import sys

from autotuner.cli.app import main

sys.exit(main())
