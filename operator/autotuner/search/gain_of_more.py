"""What going on with a search is expected to gain: two opinions, of which the larger one counts.

The model says what it expects of the best configuration that was not measured, if its deviations are too small. But it
has learnt from few figures which parameters matter, and is too sure where it has not seen one matter yet. So a second
opinion is asked, which needs no model of what was not measured: ten more experiments are expected to gain what the last
ten did. Improvements come in runs, because each shows where to look next. Before there are twice as many experiments as
parameters, nothing is said at all.
"""

from __future__ import annotations

import numpy as np

from autotuner.search.kernel import Floats
from autotuner.search.level_model import LevelModel
from autotuner.search.training_targets import Booleans

MORE_EXPERIMENTS = 10
"""The experiments that an expected gain is about."""

# What ten more experiments count as, of what doubt promises of the best single one.
_SHARE = 0.55
# Experiments for each parameter until the model's opinion is one: it learns a length scale for each, and more besides.
_FEWEST = 2


def expected(model: LevelModel, doubted: Floats, lately: Booleans, parameters: int) -> float | None:
    """What ten more experiments are expected to gain, as a share of the best so far.

    Args:
        model: that has found something that keeps the limits.
        doubted: (m,), for each configuration that may be measured the improvement that is expected of it where the
            model is too sure, times its chance to run; m at least 1.
        lately: (n,), of what the model has learnt from, what the last ten experiments measured.
        parameters: of the space.

    Returns:
        None where nothing can be said: nothing was found before the last ten experiments, or there were fewer than two
        for each parameter.
    """
    gained = np.expm1(model.gained(lately))
    if len(lately) < _FEWEST * parameters or not np.isfinite(gained):
        return None
    return float(max(doubted.max() * _SHARE, gained))
