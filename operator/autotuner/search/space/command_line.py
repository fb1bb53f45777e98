"""What values do to the command line: which flags they write, and which they take away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from autotuner.api.common import EnvironmentVariable
from autotuner.api.parameters import SearchParameter, Variant
from autotuner.engines import Engine
from autotuner.engines.arguments import Value, is_flag, parse, tokens, written
from autotuner.search.space.configuration import Rendered
from autotuner.search.space.connected_groups import partition

Args = tuple[str, ...]
Values = tuple[Value | None, ...]
_REMEMBERED = 1 << 16


@dataclass(frozen=True)
class Effect:
    """What one choice of values writes into the command line.

    Attributes:
        flags: canonical flag -> its arguments; none: the flag is taken away, also from the fixed arguments.
        env: environment variables.
    """

    flags: Mapping[str, Args] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def identity(self) -> str:
        """A text that is equal exactly when the engine cannot tell two effects apart."""
        written = sorted((flag, args) for flag, args in self.flags.items() if args)
        return repr((written, sorted(self.env.items()))) if written or self.env else ""


@dataclass(frozen=True)
class Writer:
    """Dimensions that write flags of their own: no other writer touches those.

    Attributes:
        reads: the dimensions, by number.
        touches: canonical flags; environment variables as `$NAME`.
        effect: of one value for each of these dimensions; None is unset or inactive.
        spelled_out: the same with some flags said although they say nothing new, where there is such a choice.
    """

    reads: tuple[int, ...]
    touches: frozenset[str]
    effect: Callable[[Values], Effect]
    spelled_out: Callable[[Values, frozenset[str]], Effect] | None = None


def of_parameter(number: int, parameter: SearchParameter, engine: Engine) -> Writer:
    """The writer of one parameter, which is dimension `number`."""
    if parameter.variants is not None:
        return _of_variants(number, parameter.variants, engine)
    flag = engine.canonical(parameter.name)

    def effect(values: Values) -> Effect:
        (value,) = values
        return Effect({flag: () if value is None else tuple(engine.render({parameter.name: value}))})

    return Writer((number,), frozenset({flag}), remembered(effect))


def _of_variants(number: int, variants: Sequence[Variant], engine: Engine) -> Writer:
    written = {variant.name: by_flag(variant.args, engine) for variant in variants}
    env = {variant.name: {one.name: one.value for one in variant.env or []} for variant in variants}
    flags = list(dict.fromkeys(flag for args in written.values() for flag in args))
    names = {f"${name}" for variables in env.values() for name in variables}

    def effect(values: Values) -> Effect:
        (value,) = values
        chosen = written.get(str(value), {})
        return Effect({flag: chosen.get(flag, ()) for flag in flags}, env.get(str(value), {}))

    return Writer((number,), frozenset({*flags, *names}), remembered(effect))


def by_flag(args: Sequence[str], engine: Engine) -> dict[str, Args]:
    """Canonical flag -> its arguments, all occurrences together."""
    found: dict[str, Args] = defaultdict(tuple)
    for argument in parse(args):
        found[engine.flag_of(argument.spelling) or ""] += tuple(tokens(argument))
    return dict(found)


def flag_value(args: Args, engine: Engine) -> str:
    """The value that arguments give their flag: its words, `true` for a bare switch, `false` for its `--no-` form."""
    found: list[str] = []
    for token in args:
        spelling, equals, given = token.partition("=")
        if not is_flag(token):
            found.append(token)
        elif equals:
            found.append(given)
        elif engine.turns_off(spelling):
            found.append("false")
    return " ".join(found) or "true"


def flag_value_written(args: Args, engine: Engine) -> str:
    """The value that arguments give their flag, with numbers as they are written in configurations: 0.8 for 0.80."""
    return " ".join(map(written, flag_value(args, engine).split(" ")))


def remembered(effect: Callable[[Values], Effect]) -> Callable[[Values], Effect]:
    """The effect function with a cache, asked once for each choice of values."""
    return lru_cache(maxsize=_REMEMBERED)(effect)


def separated(writers: Sequence[Writer]) -> list[Writer]:
    """Writers that share flags become one, in which the later one wins; the others stay as they are."""
    at: dict[str, list[int]] = defaultdict(list)
    for number, writer in enumerate(writers):
        for flag in writer.touches:
            at[flag].append(number)
    return [_joined([writers[number] for number in group]) for group in partition(len(writers), at.values())]


def _joined(writers: Sequence[Writer]) -> Writer:
    if len(writers) == 1:
        return writers[0]
    reads = tuple(dict.fromkeys(number for writer in writers for number in writer.reads))

    def effect(values: Values) -> Effect:
        given = dict(zip(reads, values, strict=True))
        flags: dict[str, Args] = {}
        env: dict[str, str] = {}
        for writer in writers:
            one = writer.effect(tuple(given[number] for number in writer.reads))
            flags |= {flag: args for flag, args in one.flags.items() if args or flag not in flags}
            env |= one.env
        return Effect(flags, env)

    return Writer(reads, frozenset().union(*(writer.touches for writer in writers)), remembered(effect))


class CommandLine:
    """Fixed arguments under the effects of a configuration.

    Attributes:
        engine: whose flags they are.
        fixed: canonical flag -> its fixed arguments.
        known: the same with the flags of the container's command, which are weaker.
    """

    def __init__(self, engine: Engine, fixed: Sequence[str], command: Sequence[str]) -> None:
        self.engine = engine
        self._arguments = [(engine.flag_of(one.spelling) or "", tokens(one)) for one in parse(engine.merge(fixed))]
        self.fixed: Mapping[str, Args] = by_flag(engine.merge(fixed), engine)
        self.known: Mapping[str, Args] = by_flag(command, engine) | self.fixed

    def render(self, effects: Iterable[Effect]) -> Rendered:
        """The complete argument list: a flag of the fixed arguments keeps its place, new ones follow in order."""
        flags: dict[str, Args] = {}
        env: dict[str, str] = {}
        for effect in effects:
            flags |= effect.flags
            env |= effect.env
        kept = [token for flag, args in self._arguments if flags.get(flag, args) for token in args]
        args = self.engine.merge(kept, [token for given in flags.values() for token in given])
        return Rendered(tuple(args), tuple(EnvironmentVariable(name=name, value=env[name]) for name in env))

    def flags(self, effects: Iterable[Effect]) -> dict[str, Args]:
        """Canonical flag -> its arguments, of all that is set in the end."""
        flags = dict(self.known)
        for effect in effects:
            flags |= effect.flags
        return {flag: args for flag, args in flags.items() if args}
