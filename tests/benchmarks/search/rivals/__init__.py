"""Searches of other projects, told the same noisy figures as the product's.

They do not know the rules of a space and repeat themselves; `untaken` makes something similar of what cannot be
measured. So they pay nothing for what the product's space saves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec

from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from tests.benchmarks.search.rivals.rival import Rival
from tests.benchmarks.search.rivals.untaken import Points

# Module and class, and the libraries that it needs: not every environment has them.
_KNOWN: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "tpe": ("optuna_tpe", "OptunaTpe", ("optuna",)),
    "optuna-gp": ("optuna_gp", "OptunaGp", ("optuna", "torch", "scipy")),
    "smac": ("smac_searches", "SmacForest", ("smac",)),
    "smac-gp": ("smac_searches", "SmacGp", ("smac",)),
}
NAMES = tuple(_KNOWN)
# The only one that searches for a front.
PARETO = ("tpe",)


def available() -> list[str]:
    """The names of those that this environment has."""
    return [name for name, (_, _, libraries) in _KNOWN.items() if all(map(find_spec, libraries))]


def begin(
    name: str, space: Space, points: Points | None, starts: Sequence[Configuration], seed: int, objectives: int = 1
) -> Rival:
    """The rival of a name in NAMES, at the beginning of a task; arguments as of `Rival`."""
    module, kind, _ = _KNOWN[name]
    found: type[Rival] = getattr(import_module(f"{__name__}.{module}"), kind)
    return found(space, points, starts, seed, objectives)
