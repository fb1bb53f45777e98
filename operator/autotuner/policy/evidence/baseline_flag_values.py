"""What the baseline says about each parameter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from autotuner.api.common import EnvironmentVariable
from autotuner.api.parameters import SearchParameter
from autotuner.engines import Engine
from autotuner.engines.arguments import Value, text
from autotuner.engines.parallelism import ParallelismFlags
from autotuner.engines.quantization import QuantizationFlags
from autotuner.search.space.command_line import Args, Writer, by_flag, flag_value, flag_value_written, of_parameter
from autotuner.search.space.dimensions import Dimension

UNSET = "unset"


class BaselineValues:
    """The values that the baseline's command line has for dimensions."""

    def __init__(
        self,
        engine: Engine,
        args: Sequence[str],
        command: Sequence[str] = (),
        env: Iterable[EnvironmentVariable] = (),
        parameters: Iterable[SearchParameter] = (),
    ) -> None:
        """Read a command line.

        Args:
            engine: whose flags they are.
            args: of the baseline.
            command: of the runtime's container, which sets flags too.
            env: of the baseline.
            parameters: of the task, of which variants say what they mean.
        """
        self._engine = engine
        self._sections: Mapping[str, ParallelismFlags | QuantizationFlags] = {
            "parallelism": engine.parallelism,
            "quantization": engine.quantization,
        }
        self._args = by_flag(args, engine)
        self._said: Mapping[str, Args] = by_flag(command, engine) | self._args
        self._env = _by_name(env)
        self._variants = {one.name: of_parameter(0, one, engine) for one in parameters if one.variants is not None}

    def of(self, dimension: Dimension) -> str | None:
        """The value as it is written, `unset` without one; None if it cannot be told: the engine's own default."""
        if dimension.name in self._variants:
            writer = self._variants[dimension.name]
            return next((text(one) for one in dimension.values if one is not None and self._is(writer, one)), None)
        section, _, word = dimension.name.partition(".")
        if word and section in self._sections:
            means = (one for one in dimension.values if one is not None and self._means(section, word, one))
            return next(map(text, means), None)
        said = self._said.get(self._engine.canonical(dimension.name))
        if said:
            return flag_value_written(said, self._engine)
        if dimension.unset is not None:
            return UNSET
        off = dimension.values == (False, True) and not self._engine.negates(self._engine.canonical(dimension.name))
        return text(False) if off else None

    def _is(self, writer: Writer, variant: Value) -> bool:
        """Whether a variant would change nothing of the baseline."""
        effect = writer.effect((variant,))
        same = all(
            self._written(self._said.get(flag, ())) == self._written(args) for flag, args in effect.flags.items()
        )
        return same and all(self._env.get(name) == wanted for name, wanted in effect.env.items())

    def _written(self, args: Args) -> str | None:
        return flag_value_written(args, self._engine) if args else None

    def _means(self, section: str, word: str, one: Value) -> bool:
        """Whether the command line says this value of a word."""
        words = self._sections[section]
        flags = words.flags({word: one})
        if not flags:
            return not words.touched([word]) & self._said.keys()
        return all(
            flag in self._said and flag_value(self._said[flag], self._engine) == text(wanted)
            for flag, wanted in ((self._engine.canonical(name), wanted) for name, wanted in flags.items())
        )

    def differs_only_in(self, dimension: Dimension, args: Sequence[str], env: Iterable[EnvironmentVariable]) -> bool:
        """Whether arguments and environment are the baseline's but for what one dimension writes."""
        other, variables = by_flag(args, self._engine), _by_name(env)
        changed = {flag for flag in other.keys() | self._args.keys() if other.get(flag) != self._args.get(flag)}
        names = variables.keys() | self._env.keys()
        changed |= {f"${name}" for name in names if variables.get(name) != self._env.get(name)}
        return changed <= self._touched(dimension)

    def _touched(self, dimension: Dimension) -> frozenset[str]:
        """The flags that a dimension writes, and its variables as `$NAME`."""
        if dimension.name in self._variants:
            return self._variants[dimension.name].touches
        section, _, word = dimension.name.partition(".")
        if word and section in self._sections:
            touched = self._sections[section].touched([word])
            return frozenset(self._engine.canonical(flag) for flag in touched)
        return frozenset({self._engine.canonical(dimension.name)})


def _by_name(env: Iterable[EnvironmentVariable]) -> dict[str, str]:
    return {variable.name: variable.value for variable in env}
