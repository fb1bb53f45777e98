"""The search space: every combination of the parameters' values that the rules leave, numbered but never listed."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from autotuner.api.common import EngineName, Parameter
from autotuner.api.parameters import Constraint, SearchParameter
from autotuner.api.task import TaskSpec
from autotuner.engines import EngineVersion
from autotuner.engines.arguments import Value, text
from autotuner.engines.probed_flags import ProbedFlags
from autotuner.search.space import lost_values
from autotuner.search.space.activity import INACTIVE
from autotuner.search.space.arguments_to_configuration import locate
from autotuner.search.space.assembly import Assembly, Offer, assemble
from autotuner.search.space.cluster_facts import Facts
from autotuner.search.space.command_line import Args, Effect, flag_value, flag_value_written
from autotuner.search.space.configuration import Configuration, Rendered
from autotuner.search.space.counting import count
from autotuner.search.space.dimensions import Dimension
from autotuner.search.space.lost_values import Lost
from autotuner.search.space.nearest_configuration import nearest
from autotuner.search.space.split_components import Component, components
from autotuner.validation_messages import Finding, Kind

__all__ = ["INACTIVE", "Configuration", "Dimension", "Facts", "Rendered", "Space"]

# That a space remembers: those of a large task, several times.
_IDENTITIES = 4096


class Space:
    """All configurations of a task.

    Numbers are in mixed radix over the components that no rule joins, with the last parameter fastest among them.

    Attributes:
        dimensions: parameters in the order of the task, then the words of parallelism and of quantization.
        size: how many configurations can be chosen; an estimate unless `exact`.
        exact: whether the size was counted, and with it `removed` (those of an empty space may be estimates).
        numbers: `at` takes 0 .. numbers - 1; equal to the size where all of the space is known.
        removed: for each rule that forbids anything, in the order in which they are asked: how many configurations it
            does, of those that no earlier rule has forbidden. Size and counts add up to all combinations of values,
            those which differ in inactive parameters only counted as one.
        findings: what is wrong with the task. A space with findings is there to be told about, not to be searched.
        emptiness: which rule removes the last configurations, and why; empty if there are some.
        start_points: the configurations that the task's start points mean.
    """

    def __init__(self, pieces: Assembly, offer: Offer) -> None:
        """Work the space out; use `of` or `over`, which remember."""
        self._pieces = pieces
        self._activity = pieces.activity
        self._components: tuple[Component, ...] = components(pieces)
        touched = frozenset().union(*(writer.touches for writer in pieces.writers))
        self._effective = pieces.engine.effective_flags([flag for flag in touched if not flag.startswith("$")])
        self._written: dict[Args, str] = {}
        self._identities: dict[str, str] = {}
        self._fixed = self._said(pieces.line.known)
        self._ruled = tuple(one for one in self._components if one.part.rules)
        self.dimensions: tuple[Dimension, ...] = pieces.dimensions
        counted = count(pieces, self._components)
        self.size, self.exact, self.removed, self.emptiness = counted
        self.numbers = math.prod(one.numbers for one in self._components) if self.size or not self.exact else 0
        located = [
            (f"search.startPoints[{index}].args", *self.locate(point.args))
            for index, point in enumerate(offer.start_points)
        ]
        self.start_points = tuple(found for _, found, _ in located if found is not None)
        wrong = [Finding(at, Kind.START_POINT_WRONG, {"obstacle": problem}) for at, _, problem in located if problem]
        self.findings: list[Finding] = [*pieces.findings, *pieces.complaints(), *wrong]

    @cached_property
    def lost(self) -> Sequence[Lost]:
        """The values that the task offers and no configuration has, each with the rule that takes it away."""
        return lost_values.find(self._pieces.rules, self.dimensions) if self.size else ()

    @classmethod
    def of(
        cls,
        spec: TaskSpec,
        engine: EngineName | EngineVersion,
        *,
        fixed: Sequence[str] = (),
        facts: Facts | None = None,
    ) -> Space:
        """The space of a task, worked out once for equal arguments.

        Args:
            spec: of the task.
            engine: whose flags the parameters are.
            fixed: arguments of every configuration: the runtime's own under `runtime.extraArgs`.
            facts: about model and cluster; what they leave open forbids nothing.
        """
        offer = Offer(
            tuple(spec.parameters),
            tuple(spec.constraints or ()),
            spec.parallelism,
            spec.quantization,
            tuple(spec.search.start_points or ()),
            tuple(spec.runtime.extra_args or ()),
        )
        return _remembered(_Key.of(offer, engine, tuple(fixed), facts or Facts()))

    @classmethod
    def over(
        cls,
        parameters: Sequence[SearchParameter],
        constraints: Sequence[Constraint] = (),
        *,
        engine: EngineName | EngineVersion,
        fixed: Sequence[str] = (),
    ) -> Space:
        """The space of parameters and constraints alone."""
        offer = Offer(tuple(parameters), tuple(constraints))
        return _remembered(_Key.of(offer, engine, tuple(fixed), Facts()))

    def at(self, index: int) -> Configuration | None:
        """The configuration of a number; None where a rule forbids it, or where it means the same as another one.

        Raises:
            IndexError: not in 0 .. numbers - 1.
        """
        places = self.point(index)
        return None if places is None else self._configuration(places)

    def point(self, index: int) -> tuple[int, ...] | None:
        """The places of the configuration of a number; None and IndexError as `at`."""
        if not 0 <= index < self.numbers:
            raise IndexError(f"{index} is not below {self.numbers}, the number of configurations")
        places = [0] * len(self.dimensions)
        for component in reversed(self._components):
            index, number = divmod(index, component.numbers)
            if not component.at(number, places):
                return None
        self._activity.settle(places)
        return tuple(places)

    def draw(self, generator: random.Random) -> tuple[int, ...] | None:
        """The places of a random configuration, even where nearly all numbers are forbidden; None if that fails."""
        places = [0] * len(self.dimensions)
        if not self.numbers or not all(component.draw(generator, places) for component in self._components):
            return None
        self._activity.settle(places)
        return tuple(places)

    @property
    def amount(self) -> str:
        """The size in words, with as much as is known of it."""
        least = any(component.at_least for component in self._components)
        return f"{'' if self.exact else 'at least ' if least else 'about '}{self.size}"

    @property
    def most(self) -> int:
        """An upper bound of the number of configurations, to be planned with where the size is an estimate."""
        return self.numbers if self.size and not self.exact else self.size

    def build(self, places: Sequence[int]) -> Configuration | None:
        """The configuration of one place for each dimension, whatever the places of inactive ones; None if forbidden.

        A place beyond the list counts as the nearest one; INACTIVE, where the dimension is active, as the first.
        """
        settled = self.settle(places)
        return None if settled is None else self._configuration(settled)

    def settle(self, places: Sequence[int]) -> tuple[int, ...] | None:
        """The places of the configuration that `build` makes of these; None if it makes none."""
        settled = self._settled(places)
        if not self.numbers or not all(component.allows(settled) for component in self._ruled):
            return None
        return tuple(settled)

    def forbidden(self, places: Sequence[int]) -> str | None:
        """The first rule that forbids places, and why; None if they may be chosen."""
        settled = self._settled(places)
        for rule in self._pieces.rules:
            reason = rule.refusal(rule.states(settled))
            if reason:
                return f"{rule.name} forbids it: {reason}"
        return None

    def places(self, configuration: Mapping[str, Value]) -> tuple[int, ...]:
        """One place for each dimension, INACTIVE where a condition switches it off.

        Raises:
            ValueError: it is no configuration of this space's parameters.
        """
        found = self._places({name: text(value) for name, value in configuration.items()})
        if found is None:
            raise ValueError(f"not a configuration of this space: {dict(configuration)}")
        return tuple(found)

    def identity(self, configuration: Mapping[str, Value]) -> str:
        """A text that is equal exactly when two configurations mean the same to the engine."""
        if not isinstance(configuration, Configuration):
            return self._identity(configuration)
        # Each proposal asks for those of all records.
        if configuration.key() not in self._identities:
            if len(self._identities) >= _IDENTITIES:
                self._identities.clear()
            self._identities[configuration.key()] = self._identity(configuration)
        return self._identities[configuration.key()]

    def _identity(self, configuration: Mapping[str, Value]) -> str:
        return "\n".join(effect.identity for effect in self._effects(configuration))

    def effective_identity(self, configuration: Mapping[str, Value]) -> str:
        """A text that is equal where two configurations do the same, as far as the engine's tables tell.

        They may differ in flags that are idle under their other flags, in saying a known default or leaving it out, and
        in spelling.
        """
        if self._effective.all_have:
            return self.identity(configuration)
        said, variables = dict(self._fixed), dict[str, str]()
        for effect in self._effects(configuration):
            for flag in effect.flags:
                said.pop(flag, None)
            said |= self._said(effect.flags)
            variables |= effect.env
        return repr((list(self._effective.of(said).items()), sorted(variables.items())))

    def _said(self, flags: Mapping[str, Args]) -> dict[str, str]:
        """Canonical flag -> its value as it is written, of those that are set."""
        found = {}
        for flag, args in flags.items():
            if args:
                if args not in self._written:
                    self._written[args] = flag_value_written(args, self._pieces.engine)
                found[flag] = self._written[args]
        return found

    def render(self, configuration: Mapping[str, Value]) -> Rendered:
        """The complete argument list, and the environment variables that the configuration sets."""
        return self._pieces.line.render(self._effects(configuration))

    def _effects(self, configuration: Mapping[str, Value]) -> Iterator[Effect]:
        for writer in self._pieces.writers:
            read = [self.dimensions[one] for one in writer.reads]
            yield writer.effect(tuple([one.typed(configuration.get(one.name)) for one in read]))

    def read(self, parameters: Iterable[Parameter]) -> Configuration | None:
        """The configuration that an experiment's `spec.parameters` name, whatever their order and today's rules.

        None if they name what this space does not have.
        """
        found = self._places({parameter.name: parameter.value for parameter in parameters})
        return None if found is None else self._configuration(found)

    def locate(self, args: Sequence[str]) -> tuple[Configuration | None, str | None]:
        """The configuration that a person's arguments mean.

        Parameters that they do not name are unset where they may be, else as in the fixed arguments, else at their
        first value; as far as that is forbidden, at the next value that is not.

        Returns:
            The configuration, or None and what is wrong with the arguments.
        """
        places, problem = locate(args, self._pieces, self._components)
        return (None if places is None else self._configuration(places)), problem

    def nearest(self, wishes: Mapping[str, Value | None]) -> Configuration | None:
        """The configuration that keeps as many wishes as possible, for example those of `engines.start_points`.

        Parameters without a wish are unset where they may be, else as in the fixed arguments, else as the engine has
        them by default, else in the middle.

        Args:
            wishes: name of a dimension -> one of its values; others are ignored.
        """
        places = nearest(
            self._components,
            self.dimensions,
            {
                number: dimension.values.index(wishes[dimension.name])
                for number, dimension in enumerate(self.dimensions)
                if dimension.name in wishes and wishes[dimension.name] in dimension.values
            },
            [self._usual(dimension) for dimension in self.dimensions],
        )
        return None if places is None or not self.numbers else self._configuration(self._settled(places))

    def _usual(self, dimension: Dimension) -> int:
        """The place of a parameter that nobody has an opinion about."""
        if dimension.unset is not None:
            return dimension.unset
        fixed = self._pieces.line.fixed.get(self._pieces.engine.canonical(dimension.name), ())
        if fixed and (said := flag_value(fixed, self._pieces.engine)) in dimension.positions:
            return dimension.positions[said]
        default = self._pieces.usual.get(self._pieces.engine.canonical(dimension.name))
        if default is not None and (place := dimension.nearest(default)) is not None:
            return place
        # More accelerators than needed are nobody's habit.
        return len(dimension.values) // 2 if dimension.ordered and not dimension.name.startswith("parallelism.") else 0

    def _settled(self, places: Sequence[int]) -> list[int]:
        settled = [
            0 if place < 0 else min(place, len(dimension.values) - 1)
            for place, dimension in zip(places, self.dimensions, strict=True)
        ]
        self._activity.settle(settled)
        return settled

    def _configuration(self, settled: Sequence[int]) -> Configuration:
        pairs: list[tuple[str, Value]] = []
        for dimension, place in zip(self.dimensions, settled, strict=True):
            value = dimension.values[place] if place != INACTIVE else None
            if value is not None:
                pairs.append((dimension.name, value))
        return Configuration(tuple(pairs))

    def _places(self, written: Mapping[str, str]) -> list[int] | None:
        """Settled places of written values: what is not there is unset or inactive."""
        if written.keys() - {dimension.name for dimension in self.dimensions}:
            return None
        found: list[int | None] = [
            dimension.positions.get(written[dimension.name]) if dimension.name in written else dimension.unset
            for dimension in self.dimensions
        ]
        for switch in self._activity.switches:
            # Conditions come after those of what they read, so that None here means that it is missing.
            if any(found[number] is None for number in switch.question.reads):
                return None
            if not switch.is_on([INACTIVE if place is None else place for place in found]):
                if self.dimensions[switch.dimension].name in written:
                    return None
                found[switch.dimension] = INACTIVE
        places = [place for place in found if place is not None]
        return places if len(places) == len(found) else None


@dataclass(frozen=True)
class _Key:
    """Everything that a space depends on: compared by its text, since models of the API have no hash."""

    text: str
    offer: Offer = field(compare=False)
    engine: EngineName | EngineVersion = field(compare=False)
    fixed: tuple[str, ...] = field(compare=False)
    facts: Facts = field(compare=False)

    @classmethod
    def of(cls, offer: Offer, engine: EngineName | EngineVersion, fixed: tuple[str, ...], facts: Facts) -> _Key:
        written = json.dumps([offer.dump(), engine, fixed, asdict(facts)], default=_plain)
        return cls(written, offer, engine, fixed, facts)


def _plain(value: ProbedFlags | Mapping[str, Any]) -> object:
    return value.digest if isinstance(value, ProbedFlags) else dict(value)


# Of as many tasks as one operator looks at in turn; the largest space remembers some megabytes.
@lru_cache(maxsize=64)
def _remembered(key: _Key) -> Space:
    return Space(assemble(key.offer, key.engine, key.fixed, key.facts), key.offer)
