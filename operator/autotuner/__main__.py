"""`python -m autotuner`: see `autotuner.cli`."""

from __future__ import annotations

import sys

from autotuner.cli import main

sys.exit(main())
