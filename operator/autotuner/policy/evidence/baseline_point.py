"""Where the baseline lies in the search space: what it has measured is not paid for again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autotuner import engines
from autotuner.api.common import EnvironmentVariable
from autotuner.api.experiment import Service
from autotuner.engines import Engine
from autotuner.engines.arguments import Value, text
from autotuner.policy.evidence import experiment_spec
from autotuner.policy.evidence.baseline_flag_values import UNSET, BaselineValues
from autotuner.policy.evidence.experiment_spec import Ingredients
from autotuner.search.space.command_line import by_flag, flag_value_written
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.dimensions import Dimension

_MOST = 0.5  # of the parameters, above which the baseline says where it is
_Meaning = tuple[Mapping[str, str], Mapping[str, str]]


def same_configuration(baseline: Service, common: Ingredients) -> Configuration | None:
    """The configuration of the space that is the baseline to the engine; None if the baseline is none of them.

    Their complete arguments say the same, however they are spelled, and so does the environment. A flag that only one
    of them says is no difference if it says the engine's known default.

    Args:
        baseline: what it was deployed as.
        common: what its task's experiments have in common.
    """
    space = common.space
    places = [_place(dimension, value) for dimension, value in _said(baseline, common)]
    # What the baseline leaves open may be inactive, or at a default; else the comparison tells.
    found = space.build([place or 0 for place in places]) if space.size else None
    if found is None or _meaning(found, common) != _meaning_of(baseline.args, baseline.env or [], common):
        return None
    return found


def nearest_configuration(baseline: Service, common: Ingredients) -> Configuration | None:
    """The configuration nearest to a baseline that is none; None if it says too little about the parameters.

    Args:
        baseline: what it was deployed as.
        common: what its task's experiments have in common.
    """
    wishes: dict[str, Value | None] = {}
    for dimension, value in _said(baseline, common):
        if (place := _place(dimension, value)) is None and value is not None:
            place = dimension.nearest(_number(value))
        if place is not None:
            wishes[dimension.name] = dimension.values[place]
    return common.space.nearest(wishes) if len(wishes) > _MOST * len(common.space.dimensions) else None


def _said(baseline: Service, common: Ingredients) -> Sequence[tuple[Dimension, str | None]]:
    """Each parameter with the baseline's value of it; None where it cannot be told."""
    engine = engines.get(common.engine)
    values = BaselineValues(engine, baseline.args, common.template.command, baseline.env or [], common.spec.parameters)
    return [(one, values.of(one) or _default(one, engine)) for one in common.space.dimensions]


def _default(dimension: Dimension, engine: Engine) -> str | None:
    """What the engine takes for certain where the baseline leaves a parameter to it."""
    value = engine.defaults.get(engine.canonical(dimension.name))
    return None if value is None else text(value)


def _place(dimension: Dimension, value: str | None) -> int | None:
    """The place of a written value in a dimension."""
    if value is None:
        return None
    return dimension.unset if value == UNSET else dimension.positions.get(value)


def _number(value: str) -> Value:
    try:
        return float(value)
    except ValueError:
        return value


def _meaning(configuration: Configuration, common: Ingredients) -> _Meaning:
    """What the engine of a configuration's own experiment would be told."""
    args, env = experiment_spec.arguments(common, configuration)
    return _meaning_of(args, env or [], common)


def _meaning_of(args: Sequence[str], env: Sequence[EnvironmentVariable], common: Ingredients) -> _Meaning:
    engine = engines.get(common.engine)
    flags = by_flag(common.template.command, engine) | by_flag(args, engine)
    said = {flag: flag_value_written(tokens, engine) for flag, tokens in flags.items()}
    return engine.unlike_defaults(said), {variable.name: variable.value for variable in env}
