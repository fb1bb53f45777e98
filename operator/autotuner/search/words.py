"""Engine-independent words as dimensions: the combinations that a section of the task offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from autotuner.engines.arguments import Value
from autotuner.search.dimensions import Dimension, of_numbers

Words = Mapping[str, Value]
SectionName = Literal["parallelism", "quantization"]


@dataclass(frozen=True)
class Section:
    """What a task offers of one family of words.

    Attributes:
        name: of the family.
        lists: word -> the values that the user lists; their product is offered.
        presets: combinations that are offered besides.
        neutral: what a word means that is not said.
    """

    name: SectionName
    lists: Mapping[str, Sequence[Value]]
    presets: Sequence[Words]
    neutral: Callable[[str], Value]

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All words that occur: those of the lists first."""
        return tuple(dict.fromkeys([*self.lists, *(word for preset in self.presets for word in preset)]))

    @cached_property
    def dimensions(self) -> list[Dimension]:
        """One for each word, over all values that occur."""
        return [_dimension(f"{self.name}.{word}", self._values(word)) for word in self.words]

    def _values(self, word: str) -> list[Value]:
        listed = self.lists.get(word, [self.neutral(word)] if self.lists else [])
        return list(dict.fromkeys([*listed, *(preset.get(word, self.neutral(word)) for preset in self.presets)]))

    def offers(self, values: Sequence[Value]) -> bool:
        """Whether a combination, in the order of the words, is one of the lists' product or of the presets."""
        return tuple(values) in self._presets or self._is_listed(values)

    def _is_listed(self, values: Sequence[Value]) -> bool:
        if not self.lists:
            return False
        return all(
            value in self.lists.get(word, (self.neutral(word),)) for word, value in zip(self.words, values, strict=True)
        )

    @cached_property
    def _presets(self) -> frozenset[tuple[Value, ...]]:
        return frozenset(tuple(preset.get(word, self.neutral(word)) for word in self.words) for preset in self.presets)

    @cached_property
    def is_product(self) -> bool:
        """Whether every combination of the dimensions' values is offered anyway."""
        return not self.presets or (len(self.presets) == 1 and not self.lists)


def _dimension(name: str, values: Sequence[Value]) -> Dimension:
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return of_numbers(name, [int(value) for value in values])
    return Dimension(name, tuple(values), False)
