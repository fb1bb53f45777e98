"""The operator on a machine whose clock is wrong by CLOCK_AHEAD_SECONDS: `python -m tests.e2e.skewed_operator`.

All that it reads of the time of day goes through `autotuner.clock.now`.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from autotuner import clock, main

_true_time = clock.now


def _wrong_time() -> datetime:
    return _true_time() + timedelta(seconds=float(os.environ["CLOCK_AHEAD_SECONDS"]))


if __name__ == "__main__":
    clock.now = _wrong_time
    main.main()
