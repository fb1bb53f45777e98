"""How much of what was measured each parameter explains on its own."""

from __future__ import annotations

from collections.abc import Sequence

from autotuner.search.main_effects import Additive, fit
from autotuner.search.record import Record
from autotuner.search.space.space import Space

METHOD = "variance components of an additive model of log(objective), by restricted maximum likelihood"
_DIGITS = 3


def importance(space: Space, records: Sequence[Record], objective: int = 0) -> list[tuple[str, float]]:
    """Each parameter's share of the variance over the space's values; what is left is interaction and noise.

    As functional ANOVA counts main effects (Hutter, Hoos and Leyton-Brown, ICML 2014): every value of a parameter
    counts the same, however often the search tried it. Where they take a forest of regression trees for the effects,
    this takes the model of `additive`: 10 to 40 noisy measurements are too few for trees.

    Args:
        space: whose parameters they are.
        records: see `additive.fit`. Whether more or less is better does not matter.
        objective: which of the values.

    Returns:
        All parameters, the most important first, equal ones in the order of the space; shares sum to at most 1. Empty
        where too little was measured.
    """
    fitted = fit(space, records, objective)
    return [] if fitted is None else ranking(fitted)


def ranking(fitted: Additive) -> list[tuple[str, float]]:
    """The same of a model that is fitted already."""
    named = [(one.name, _short(share)) for one, share in zip(fitted.dimensions, fitted.shares, strict=True)]
    return sorted(named, key=lambda pair: -pair[1])


def _short(share: float) -> float:
    """Three digits; what is below a thousandth is nothing."""
    return float(f"{share:.{_DIGITS}g}") if share >= 10**-_DIGITS else 0.0
