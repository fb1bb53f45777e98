"""Engine-independent words as dimensions: what a section of the task offers, writes and must not say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from autotuner.api.parameters import Parallelism, Quantization
from autotuner.engines import Engine, parallelism, quantization
from autotuner.engines.arguments import Value
from autotuner.search.space.activity import States
from autotuner.search.space.cluster_facts import Facts
from autotuner.search.space.command_line import Effect, Values, Writer, by_flag, remembered
from autotuner.search.space.dimensions import Dimension, of_numbers
from autotuner.search.space.rules import Rule

Words = Mapping[str, Value]


@dataclass(frozen=True)
class Section:
    """What a task offers of one family of words.

    Attributes:
        name: of the section in the task.
        lists: word -> the values that the user lists; their product is offered.
        presets: combinations that are offered besides.
        neutral: what a word means that is not said.
        flags: of a combination that is not illegal; the second argument names flags to be said at their default too.
        touched: all flags that some words may set.
        illegal: why a combination cannot run.
    """

    name: str
    lists: Mapping[str, Sequence[Value]]
    presets: Sequence[Words]
    neutral: Callable[[str], Value]
    flags: Callable[[Words, Collection[str]], Mapping[str, Value]]
    touched: Callable[[Collection[str]], frozenset[str]]
    illegal: Callable[[Words], str | None]

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All words that occur: those of the lists first."""
        return tuple(dict.fromkeys([*self.lists, *(word for preset in self.presets for word in preset)]))

    def dimensions(self) -> list[Dimension]:
        """A dimension for each word, over all values that occur."""
        return [_dimension(f"{self.name}.{word}", self._values(word)) for word in self.words]

    def _values(self, word: str) -> list[Value]:
        listed = self.lists.get(word, [self.neutral(word)] if self.lists else [])
        return list(dict.fromkeys([*listed, *(preset.get(word, self.neutral(word)) for preset in self.presets)]))

    def offers(self, said: Words) -> bool:
        """Whether a combination of all words is in the product of the lists, or one of the presets."""
        listed = bool(self.lists) and all(
            said[word] in self.lists.get(word, (self.neutral(word),)) for word in self.words
        )
        return listed or any(
            all(said[word] == preset.get(word, self.neutral(word)) for word in self.words) for preset in self.presets
        )

    def rules(self, first: int, dimensions: Sequence[Dimension]) -> list[Rule]:
        """The rules that forbid combinations; dimension `first` of the space is that of the first word."""
        reads = range(first, first + len(self.words))

        def said(states: States) -> Words:
            return self._said(tuple(dimensions[one].values[place] for one, place in zip(reads, states, strict=True)))

        def unoffered(states: States) -> str | None:
            return None if self.offers(said(states)) else "neither listed nor a preset"

        illegal = Rule(self.name, reads, lambda states: self.illegal(said(states)))
        return [Rule(f"{self.name}.presets", reads, unoffered), illegal] if self.presets else [illegal]

    def writer(self, first: int, engine: Engine, fixed: Collection[str]) -> Writer:
        """The writer of the words' flags.

        Args:
            first: the dimension of the first word.
            engine: whose flags they are.
            fixed: flags that are set anyway, whose defaults must be said to count. Words that are searched own their
                flags: those which a combination does not set are taken away.
        """
        touches = self.touched(self.words)

        def spelled_out(values: Values, besides: frozenset[str]) -> Effect:
            said = self._said(values)
            written = {} if self.illegal(said) else self.flags(said, besides.union(fixed))
            own = by_flag(engine.render(written), engine)
            return Effect(own | dict.fromkeys(sorted(touches - own.keys()), ()))

        def effect(values: Values) -> Effect:
            return spelled_out(values, frozenset())

        reads = tuple(range(first, first + len(self.words)))
        return Writer(reads, touches, remembered(effect), spelled_out)

    def _said(self, values: Values) -> dict[str, Value]:
        return {word: value for word, value in zip(self.words, values, strict=True) if value is not None}


def _dimension(name: str, values: Sequence[Value]) -> Dimension:
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return of_numbers(name, [int(value) for value in values])
    return Dimension(name, tuple(values), False)


def of_parallelism(given: Parallelism, engine: Engine, facts: Facts) -> Section:
    """The section `parallelism` of a task."""
    lists = given.dump()
    presets = lists.pop("presets", [])
    moe = is_mixture(facts.model)
    return Section(
        "parallelism",
        lists,
        [parallelism.preset(name, facts.accelerators) for name in presets],
        parallelism.neutral,
        lambda words, fixed: engine.parallelism.flags(words, fixed=fixed),
        engine.parallelism.touched,
        lambda words: engine.parallelism.illegal(words, moe=moe),
    )


def of_quantization(given: Quantization, engine: Engine, facts: Facts) -> Section:
    """The section `quantization` of a task."""
    lists = given.dump()
    presets = lists.pop("presets", [])
    prequantized = quantization.prequantized(facts.model)
    return Section(
        "quantization",
        lists,
        [dict(quantization.PRESETS[name]) for name in presets],
        quantization.neutral,
        lambda words, _: engine.quantization.flags(words, prequantized),
        engine.quantization.touched,
        lambda words: engine.impossible_precision(words, prequantized),
    )


# Architectures of transformers that have no experts; of any other, nothing is known.
_DENSE = frozenset(
    f"{family}ForCausalLM" for family in ("Llama", "Mistral", "Qwen2", "Qwen3", "Gemma", "Gemma2", "Gemma3", "Phi3")
)


def is_mixture(model: Mapping[str, object]) -> bool | None:
    """Whether a model is a mixture of experts: False if it certainly is not, else None."""
    return False if model.get("modelArchitecture") in _DENSE else None
