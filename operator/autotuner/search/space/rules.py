"""What forbids configurations: the user's constraints, the words' own sense, the engine, and the hardware."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial

from autotuner.api.parameters import Constraint
from autotuner.engines import Engine
from autotuner.engines.combination_rules import number
from autotuner.engines.model_rules import ModelConfig
from autotuner.search.space.activity import INACTIVE, States, question
from autotuner.search.space.cluster_facts import Facts
from autotuner.search.space.command_line import Args, CommandLine, Effect, Writer, flag_value
from autotuner.search.space.dimensions import Dimension
from autotuner.search.space.expressions import RuleError
from autotuner.validation_messages import Finding, Kind

_REMEMBERED = 1 << 16


class Rule:
    """One rule with the answers that it has given.

    Attributes:
        name: as the status tells it; beginning with a field where the user wrote it.
        reads: the dimensions that decide, by number, ascending.
        complaint: why it could not be answered, the first time that this came to light; empty if it always could. To be
            told once the space has been worked out; no answer depends on it.
        refusal: why it forbids states of these dimensions, or None. One that cannot be answered forbids.
    """

    def __init__(self, name: str, reads: Iterable[int], refuse: Callable[[States], str | None]) -> None:
        self.name = name
        self.reads = tuple(sorted(set(reads)))
        self.complaint = ""
        self._refuse = refuse
        self.refusal: Callable[[States], str | None] = lru_cache(maxsize=_REMEMBERED)(self._refusal)

    def states(self, places: Sequence[int]) -> States:
        """The states of the dimensions that the rule reads."""
        return tuple([places[number] for number in self.reads])

    def _refusal(self, states: States) -> str | None:
        try:
            return self._refuse(states)
        except RuleError as error:
            self.complaint = self.complaint or str(error)
            return str(error)


def of_constraints(
    constraints: Sequence[Constraint], dimensions: Sequence[Dimension]
) -> tuple[list[Rule], list[Finding]]:
    """The user's constraints, and what is wrong with those that are no rules."""
    found: list[Rule] = []
    findings: list[Finding] = []
    for index, constraint in enumerate(constraints):
        try:
            found.append(_of_constraint(f"constraints[{index}]", constraint, dimensions))
        except RuleError as error:
            findings.append(Finding(f"constraints[{index}].rule", Kind.RULE_WRONG, {"complaint": str(error)}))
    return found, findings


def _of_constraint(name: str, constraint: Constraint, dimensions: Sequence[Dimension]) -> Rule:
    asked = question(constraint.rule, dimensions)
    why = f"{constraint.message} ({constraint.rule})" if constraint.message else constraint.rule
    return Rule(name, asked.reads, lambda states: None if asked.holds(states) else why)


class CommandLineRules:
    """Makes rules about the flags of complete argument lists."""

    def __init__(self, line: CommandLine, writers: Sequence[Writer], dimensions: Sequence[Dimension]) -> None:
        self._line = line
        self._writers = writers
        self._dimensions = dimensions

    def rule(self, name: str, flags: Iterable[str], check: Callable[[Mapping[str, Args]], str | None]) -> Rule:
        """A rule that reads some flags.

        Args:
            name: of the rule.
            flags: canonical names of all that it reads.
            check: why these flags cannot run: canonical flag -> its arguments as they are written.
        """
        read = frozenset(flags)
        writers = [writer for writer in self._writers if writer.touches & read]
        reads = tuple(sorted({number for writer in writers for number in writer.reads}))

        def refuse(states: States) -> str | None:
            places = dict(zip(reads, states, strict=True))
            given = self._line.flags(self._effect(writer, places) for writer in writers)
            return check({flag: args for flag, args in given.items() if flag in read})

        return Rule(name, reads, refuse)

    def text_rule(self, name: str, flags: Iterable[str], check: Callable[[Mapping[str, str]], str | None]) -> Rule:
        """A rule that reads values: canonical flag -> value, `true` for a bare switch, `false` for its `--no-` form."""
        engine = self._line.engine
        return self.rule(
            name, flags, lambda given: check({flag: flag_value(args, engine) for flag, args in given.items()})
        )

    def _effect(self, writer: Writer, places: Mapping[int, int]) -> Effect:
        chosen = ((self._dimensions[number], places[number]) for number in writer.reads)
        return writer.effect(tuple([None if place == INACTIVE else one.values[place] for one, place in chosen]))


def of_engine(engine: Engine, flag_rules: CommandLineRules) -> list[Rule]:
    """The rules for what the engine itself refuses."""
    return [flag_rules.text_rule(rule.name, rule.reads, rule.check) for rule in engine.rules]


def of_model(engine: Engine, flag_rules: CommandLineRules, facts: Facts) -> list[Rule]:
    """The rules for what the engine refuses for the model's own numbers, as far as these are known."""
    model = ModelConfig.of(facts.model)
    if model is None:
        return []
    return [flag_rules.text_rule(rule.name, rule.reads, rule.about(model)) for rule in engine.model_rules]


def of_traffic(engine: Engine, flag_rules: CommandLineRules, facts: Facts) -> list[Rule]:
    """The rule that every configuration takes the requests that it is to be measured with."""
    if not engine.context or not facts.longest_request:
        return []

    def check(flags: Mapping[str, str]) -> str | None:
        limit = number(flags, engine.context)
        if limit is None or limit <= 0 or limit >= facts.longest_request:
            return None
        return f"{engine.context} ({limit:g}) must hold the {facts.longest_request} tokens of a prompt and its answer"

    return [flag_rules.text_rule("requests fit", {engine.context}, check)]


def of_hardware(engine: Engine, flag_rules: CommandLineRules, facts: Facts) -> list[Rule]:
    """The rules for what no node could hold, as far as that is known."""
    found: list[Rule] = []
    if facts.memory_mib is not None and not facts.allow_large_weights:
        too_large = partial(engine.memory.too_large, model=facts.model, memory_mib=facts.memory_mib)
        found.append(flag_rules.text_rule("weights fit", engine.memory.reads, too_large))
    spread = f" for each of its {facts.pods} pods" if facts.pods > 1 else ""
    if facts.accelerators is not None:
        why, most = f"no node can have more than {facts.accelerators}{spread}", facts.accelerators * facts.pods
        found.append(_accelerators("accelerators per node", engine, flag_rules, most, why))
    if facts.pods > 1:
        found.append(_even_shares(engine, flag_rules, facts.pods))
    if facts.mig_slice:
        why = f"no engine can spread over MIG slices ({facts.mig_slice})"
        found.append(_accelerators("one MIG slice", engine, flag_rules, 1, why))
    if facts.visible is not None:
        why, most = f"the environment lets the engine see {facts.visible}{spread}", facts.visible * facts.pods
        found.append(_accelerators("accelerators in sight", engine, flag_rules, most, why))
    if facts.held is not None:
        why = f"{facts.held.by} is {facts.held.most}"
        found.append(_accelerators(facts.held.by, engine, flag_rules, facts.held.most, why))
    return found


def _even_shares(engine: Engine, flag_rules: CommandLineRules, pods: int) -> Rule:
    """The rule that all pods of an engine have as many accelerators."""

    def check(flags: Mapping[str, Args]) -> str | None:
        count = engine.accelerators([token for args in flags.values() for token in args])
        return f"{pods} pods cannot share {count} accelerators evenly" if count % pods else None

    return flag_rules.rule("accelerators per pod", {*engine.degrees, *engine.folded}, check)


def _accelerators(name: str, engine: Engine, flag_rules: CommandLineRules, most: int, why: str) -> Rule:
    """The rule that no engine has more accelerators than there can be."""

    def check(flags: Mapping[str, Args]) -> str | None:
        count = engine.accelerators([token for args in flags.values() for token in args])
        return None if count <= most else f"{count} accelerators are needed, and {why}"

    return flag_rules.rule(name, {*engine.degrees, *engine.folded}, check)
