"""What going on with a search is expected to gain: two opinions, of which the larger one counts.

The model says what it expects of the best configuration that was not measured, if its deviations are too small. But it
has learnt from few figures which parameters matter, and is too sure where it has not seen one matter yet. So a second
opinion is asked, which needs no model of what was not measured: ten more experiments are expected to gain what the last
ten did. Improvements come in runs, because each shows where to look next.
"""

from __future__ import annotations

import numpy as np

from autotuner.search.kernel import Floats
from autotuner.search.level_model import LevelModel
from autotuner.search.training_targets import Booleans

MORE_EXPERIMENTS = 10
"""The experiments that an expected gain is about."""

# What ten more experiments count as, of what doubt promises of the best single one. They gained 0.37 of it in the mean
# over all surfaces of the benchmark; this is more careful, because a search that ends too early loses more than one
# that ends too late.
_CAREFUL_SHARE = 0.7


def expected(model: LevelModel, doubted: Floats, lately: Booleans) -> float | None:
    """What ten more experiments are expected to gain, as a share of the best so far.

    Args:
        model: that has found something that keeps the limits.
        doubted: (m,), for each configuration that may be measured the improvement that is expected of it where the
            model is too sure, times its chance to run; m at least 1.
        lately: (n,), of what the model has learnt from, what the last ten experiments measured.

    Returns:
        None where nothing was found before the last ten experiments: then nothing can be said.
    """
    gained = np.expm1(model.gained(lately))
    return float(max(doubted.max() * _CAREFUL_SHARE, gained)) if np.isfinite(gained) else None
