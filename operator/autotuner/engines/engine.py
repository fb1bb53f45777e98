"""What an engine is to the tuner: tables about its command line and its log, and the questions they answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from autotuner.api.common import ClientBackend, EngineName
from autotuner.api.parameters import SearchParameter
from autotuner.engines import arguments, diagnosis, flag_table, json_flags
from autotuner.engines.arguments import Argument, Value
from autotuner.engines.combination_rules import FlagRule, Flags
from autotuner.engines.diagnosis import Diagnosis, LogPatterns
from autotuner.engines.flag_table import Bounds, FlagDocument, FlagTable, Leniency
from autotuner.engines.flag_validation import Checker
from autotuner.engines.idle_flags import EffectiveFlags, IdleFlags
from autotuner.engines.memory import MemoryFlags
from autotuner.engines.model_rules import ModelRule
from autotuner.engines.parallelism import ParallelismFlags
from autotuner.engines.quantization import QuantizationFlags, Words
from autotuner.engines.start_points import Advice
from autotuner.engines.worth_tuning import WorthTuning
from autotuner.validation_messages import Finding, Kind


@dataclass(frozen=True)
class Earlier:
    """How older releases of an engine differ.

    Attributes:
        before: the oldest known release that does not differ so.
        differs: makes the older engine out of the one from `before` on.
    """

    before: str
    differs: Callable[[Engine], Engine]


@dataclass(frozen=True)
class Accelerator:
    """What is known of the accelerator that an engine will run on.

    Attributes:
        memory_mib: of one; None if unknown.
        product: as nodes are labelled with it, for example NVIDIA-A100-SXM4-80GB; empty if unknown.
    """

    memory_mib: float | None = None
    product: str = ""


@dataclass(frozen=True)
class Start:
    """How a container starts an engine's server.

    Attributes:
        commands: the words after which a command line has the server's flags; of a program's path the last part counts.
        by_image: its images start it by themselves, so that a container may have flags alone.
        key_variable: of its environment, that holds the key which it asks of clients; empty if there is none.
        port: on which it listens where no flag says another.
    """

    commands: tuple[tuple[str, ...], ...]
    by_image: bool
    key_variable: str
    port: int


@dataclass(frozen=True)
class Engine:
    """All that is known of an engine's newest release, and how older ones differ.

    Flags are named without dashes and with `-` for `_` (`mem-fraction-static`).

    No field has a default, so that the type checker finds what a new engine lacks.

    Attributes:
        name: as in the API.
        version: the release that is described; empty for the newest known.
        earlier: how older releases differ, the newest of them first.
        label: as its makers write it; in messages.
        package: its published package, in lower case; the repositories of its images have this in their names.
        start: how a container starts its server.
        client_backend: what the load client calls the engine's API.
        cache_flush: the path of the call that empties the engine's prefix cache; empty if it has none.
        version_calls: the paths of calls that answer with `version`, of which each release has one.
        ignores_end_of_text: it goes on past the end of text when asked to, so that answers have the length asked for.
        text_sensitive: parts of the names of flags whose effect depends on what the prompts say.
        prefix_sensitive: parts of the names of flags whose effect depends on what prompts have in common.
        flag_documents: gives the flags of the known versions, as packaging/engine_flags.py writes them.
        json_keys: gives, for each version that is known, JSON flag -> all keys that the engine takes in it.
        flag_bounds: flag, by any name that its package gives it -> bounds that the engine's code keeps and its parser
            does not tell: ge, gt, le, lt.
        leniency: spellings that its parser takes beyond those that its package tells.
        negatable: boolean flags have a `--no-` form, and false is written as that; of a flag that no table knows too.
        aliases: the engine's own name of a flag, and spellings that it takes for short -> the name used here. Those
            that its package tells are known besides.
        degrees: flags whose product is the number of accelerators.
        folded: a switch -> the degree that no longer multiplies while the switch is on.
        reserved: flags that users must not set -> what to do instead.
        defaults: flag -> what the engine takes when nobody sets it, where that is certain: a literal of its code, the
            same since the oldest version that is known here, so that saying it changes nothing.
        typical: about what the engine takes when nobody sets a flag, where its parser does not tell.
        rules: what it refuses although each flag is right.
        model_rules: what it refuses for the model's own numbers.
        context: its flag for the tokens of the longest sequence; empty if it has none.
        idle: flags that do nothing while others say so; only what its code or documentation tells for certain.
        advice: good points to begin a search with.
        worth_tuning: flags that are worth a search besides parallelism, the most effective first.
        memory: the flags that decide whether the weights fit.
        parallelism: its flags for the words of parallelism.
        quantization: its flags for the words of quantization.
        log_patterns: what its log says when it ends.
    """

    name: EngineName
    version: str
    earlier: tuple[Earlier, ...]
    label: str
    package: str
    start: Start
    client_backend: ClientBackend
    cache_flush: str
    version_calls: tuple[str, ...]
    ignores_end_of_text: bool
    text_sensitive: tuple[str, ...]
    prefix_sensitive: tuple[str, ...]
    flag_documents: Callable[[], Iterable[FlagDocument]]
    json_keys: Callable[[], Mapping[str, Mapping[str, frozenset[str]]]]
    flag_bounds: Mapping[str, Bounds]
    leniency: Leniency
    negatable: bool
    aliases: Mapping[str, str]
    degrees: tuple[str, ...]
    folded: Mapping[str, str]
    reserved: Mapping[str, str]
    defaults: Mapping[str, Value]
    typical: Callable[[Accelerator], Mapping[str, Value]]
    rules: tuple[FlagRule, ...]
    model_rules: tuple[ModelRule, ...]
    context: str
    idle: tuple[IdleFlags, ...]
    advice: Advice
    worth_tuning: tuple[WorthTuning, ...]
    memory: MemoryFlags
    parallelism: ParallelismFlags
    quantization: QuantizationFlags
    log_patterns: LogPatterns

    def at(self, version: str) -> Engine:
        """The engine as the known release nearest to a version has it; without a version, the newest known one."""
        found = flag_table.nearest(self.tables, version)
        if found is None or found == self.table:
            return self
        if found.version not in self._releases:
            older = self
            for change in self.earlier:
                if flag_table.order(found.version) < flag_table.order(change.before):
                    older = change.differs(older)
            older = replace(older, version=found.version)
            vars(older)["tables"] = self.tables  # read once
            self._releases[found.version] = older
        return self._releases[found.version]

    def with_flags(self, document: FlagDocument, version: str) -> Engine:
        """The engine of a release, with the flags that a document tells instead of those that are known of it.

        Args:
            document: all flags of that release.
            version: of the release; empty for the newest known one.
        """
        older = self.at(version)
        release = version or (self.table.version if self.table else "")
        told = {**document, "version": release}
        (table,) = flag_table.read([told], self.label, self.flag_bounds, self.leniency)
        others = [one for one in self.tables if flag_table.order(one.version) != flag_table.order(release)]
        probed = replace(older, version=release)
        vars(probed)["tables"] = tuple(sorted([*others, table], key=lambda one: flag_table.order(one.version)))
        return probed

    def knows(self, version: str) -> bool:
        """Whether there is a table of this very version."""
        return any(flag_table.order(one.version) == flag_table.order(version) for one in self.tables)

    def canonical(self, name: str) -> str:
        """The one name for all spellings of a flag, without leading dashes; of its negations too.

        A part of its JSON keeps its key.
        """
        name, dot, key = name.partition(".") if self.leniency.json_parts else (name, "", "")
        name = name.replace("_", "-")
        found = self.table.find(name) if self.table and self.table.negates(name) else None
        if found is not None:
            name = found.name
        elif self.negatable and self._unknown(name):
            name = name.removeprefix("no-")
        return self._aliases.get(name, name) + dot + key

    def impossible_precision(self, words: Words, prequantized: str = "") -> str | None:
        """Why a combination of words of quantization cannot run in this release; None if it can.

        Args:
            words: one combination; what is not said is auto.
            prequantized: how the checkpoint is quantized already; empty if it is not.
        """
        if why := self.quantization.illegal(words, prequantized):
            return why
        for flag, value in self.quantization.flags(words, prequantized).items():
            known = self.table.find(flag) if self.table else None
            if known is not None and (refusal := known.refuses(arguments.text(value))):
                said = self.quantization.saying(flag, words)
                return f"{said}: {self.table} takes it as --{flag}, where {refusal}"
        return None

    def turns_off(self, spelling: str) -> bool:
        """Whether a spelling, with its dashes, says the opposite of its flag."""
        name = spelling.lstrip("-").replace("_", "-")
        if self.table and self.table.negates(name):
            return True
        return self.negatable and self._unknown(name) and name.startswith("no-")

    def _unknown(self, name: str) -> bool:
        return self.table is None or self.table.find(name) is None

    def flag_of(self, token: str) -> str | None:
        """The canonical name of the flag that a token begins with; None for a value."""
        if not arguments.is_flag(token):
            return None
        return self.canonical(token.partition("=")[0].lstrip("-"))

    def render(self, configuration: Mapping[str, Value]) -> list[str]:
        """The configuration as arguments, in its order.

        True is the bare flag; False is the `--no-` form where the engine has one, else nothing.
        """
        return [token for name, value in configuration.items() for token in self._render_one(name, value)]

    def _render_one(self, name: str, value: Value) -> list[str]:
        if value is True or value == "":
            return [f"--{name}"]
        if value is not False:
            return [f"--{name}={arguments.text(value)}"]
        if not self.negates(self.canonical(name)):
            return []
        if self.turns_off(f"--{name}"):
            return [f"--{self.canonical(name)}"]
        return [f"--no-{name}"]

    def negates(self, flag: str) -> bool:
        """Whether false is said of a canonical flag, instead of left out."""
        known = self.table.find(flag) if self.table else None
        return self.negatable if known is None else known.kind == "boolean"

    def merge(self, *lists: Sequence[str]) -> list[str]:
        """Merge argument lists flag by flag, later ones winning; all spellings of a flag count as that flag.

        JSON and parts of the same JSON become one value, key by key.
        """
        if not self.leniency.json_parts or not json_flags.has_parts(lists):
            return arguments.merge(lists, self._identity)
        own = json_flags.without_overruled(lists, self._identity)
        return json_flags.joined(arguments.merge(own, self._identity), self._identity)

    def compose(self, fixed: Sequence[str], configuration: Mapping[str, Value]) -> list[str]:
        """Fixed arguments under a configuration: merged, and a switch that is off is off although `fixed` has it on."""
        off = {self.canonical(name) for name, value in configuration.items() if value is False}
        kept = [
            token
            for argument in arguments.parse(self.merge(fixed))
            if self._identity(argument) not in off
            for token in arguments.tokens(argument)
        ]
        return self.merge(kept, self.render(configuration))

    def _identity(self, argument: Argument) -> str:
        return self.flag_of(argument.spelling) or ""

    def unlike_defaults(self, flags: Flags) -> Mapping[str, str]:
        """The flags that say something: without those at a default that is known for certain.

        Args:
            flags: canonical flag -> its value as it is written, of all that is set.
        """
        defaults = self._written_defaults
        return {flag: value for flag, value in flags.items() if defaults.get(flag) != value}

    def usual(self, accelerator: Accelerator) -> Mapping[str, Value]:
        """About what the engine takes for flags that nobody sets; not for degrees: most of them have a reason."""
        told = {self.canonical(flag.name): flag.default for flag in self.table.flags} if self.table else {}
        written = {flag: value for flag, value in told.items() if isinstance(value, bool | int | float | str)}
        known = {**written, **self.defaults, **self.typical(accelerator)}
        return {flag: value for flag, value in known.items() if flag not in self.degrees}

    def effective_flags(self, searched: Collection[str]) -> EffectiveFlags:
        """Tells which of these canonical flags have an effect."""
        return EffectiveFlags(self.idle, self._written_defaults, searched)

    def accelerators(self, args: Sequence[str], command: Sequence[str] = ()) -> int:
        """Accelerators of one engine with these arguments, at least 1: the product of its parallel degrees.

        A malformed degree counts as 1: the engine itself will refuse it. Arguments come after the command's own.
        """
        given = {self._identity(argument): argument for argument in arguments.parse([*command, *args])}
        folded = {degree for switch, degree in self.folded.items() if switch in given}
        count = 1
        for degree in self.degrees:
            if degree in given and degree not in folded:
                count *= _degree(given[degree])
        return count

    @cached_property
    def table(self) -> FlagTable | None:
        """The flags of this release; None if nothing is known of the engine."""
        return flag_table.nearest(self.tables, self.version)

    def checker(self, *, doubt: Kind | None = None, allow_unknown: bool = False, simulated: bool = False) -> Checker:
        """Judges what users write.

        Args:
            doubt: the kind of finding that tells what this release refuses where another one may run; None where it is
                this one.
            allow_unknown: let pass what the table refuses.
            simulated: it is the simulated engine that plays this one.
        """
        keys = json_flags.keys_of(self.table.version, self.json_keys()) if self.table else {}
        return Checker(self, self.table, doubt, allow_unknown, simulated, keys)

    def in_command(
        self,
        command: Sequence[str],
        parameters: Sequence[SearchParameter],
        words: Mapping[str, Collection[str]] | None = None,
    ) -> Iterator[Finding]:
        """Find flags that cannot be searched because the runtime's command sets them.

        Arguments come after the command, so a value there is overruled; a switch that is on there stays on, and a flag
        that is set there cannot be left out.

        Args:
            command: of the runtime's container.
            parameters: of the task.
            words: another field of the task -> canonical flags that some of its combinations leave out.
        """
        given = {self._identity(argument) for argument in arguments.parse(command)} - {""}
        optional = {f"parameters[{parameter.name}]": self._optional(parameter) for parameter in parameters}
        for where, left_out in {**optional, **(words or {})}.items():
            for flag in sorted(given.intersection(left_out)):
                yield Finding(where, Kind.FLAG_IN_COMMAND, {"flag": flag})

    def split_json(self, command: Sequence[str], args: Sequence[str], field: str) -> Iterator[Finding]:
        """Find JSON flags of which a runtime's command has one part and arguments another.

        Args:
            command: of the runtime's container.
            args: that come after it.
            field: where they are written.
        """
        if self.leniency.json_parts:
            kinds = {"JSON": Kind.JSON_IN_COMMAND, "list": Kind.LIST_IN_COMMAND}
            for split, flag, index in json_flags.split_over(command, args, self._identity):
                yield Finding(f"{field}[{index}]", kinds[split], {"flag": flag})

    def _optional(self, parameter: SearchParameter) -> set[str]:
        """Flags that some value of a parameter leaves out."""
        if parameter.variants is not None:
            sets = [
                {self._identity(argument) for argument in arguments.parse(variant.args)}
                for variant in parameter.variants
            ]
            always = set[str]() if parameter.when is not None else set[str].intersection(*sets)
            return set[str]().union(*sets) - always
        flag = self.canonical(parameter.name)
        left_out = parameter.allow_unset or parameter.when is not None
        return {flag} if left_out or (parameter.toggle and not self.negates(flag)) else set()

    def diagnose(self, log: str, exit_code: int | None) -> Diagnosis | None:
        """Why the engine ended, by its last words; None if nothing says so and it did not fail."""
        return diagnosis.diagnose(log, exit_code, self._spellings, self.log_patterns)

    def notes(self, log: str) -> list[str]:
        """What it says in its log to have done otherwise than it was asked to; at most 8 lines."""
        return diagnosis.notes(log, self.log_patterns)

    def version_in(self, log: str) -> str:
        """The version that it says in its log; empty if it says none."""
        return diagnosis.version(log, self.log_patterns)

    @cached_property
    def tables(self) -> Sequence[FlagTable]:
        """Of every known version, the oldest first."""
        return flag_table.read(self.flag_documents(), self.label, self.flag_bounds, self.leniency)

    @cached_property
    def _written_defaults(self) -> Mapping[str, str]:
        return {flag: arguments.text(value) for flag, value in self.defaults.items()}

    @cached_property
    def _releases(self) -> dict[str, Engine]:
        """Version -> the engine of that release, as far as they were asked for."""
        return {}

    @cached_property
    def _aliases(self) -> Mapping[str, str]:
        """Another spelling that says the same -> the canonical name."""
        known = self.table.aliases if self.table else {}
        return {**{alias: self.aliases.get(name, name) for alias, name in known.items()}, **self.aliases}

    @cached_property
    def _spellings(self) -> frozenset[str]:
        """Of all known releases: what an engine says of itself, it says whatever its release."""
        return frozenset().union(self.aliases, self.degrees, self.folded, *(table.names for table in self.tables))


def _degree(argument: Argument) -> int:
    text = argument.values[0] if len(argument.values) == 1 else ""
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,5}", text) else 1
