"""How a model is spread over accelerators, in words that every engine has its own flags for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from autotuner.engines.arguments import Value

Word = Literal["tensor", "pipeline", "data", "expert", "decodeContext", "moeDenseTensor", "dataParallelAttention"]
Words = Mapping[str, Value]


def neutral(word: str) -> Value:
    """What a word means that is not said."""
    if word == "dataParallelAttention":
        return False
    return 0 if word == "moeDenseTensor" else 1


@dataclass(frozen=True)
class WordFlag:
    """The flag of one word.

    Attributes:
        name: canonical.
        is_switch: the flag takes no value: it is on unless the word is neutral.
        says_neutral: the flag can say what the word's neutral value means; else that is said by leaving it out.
    """

    name: str
    is_switch: bool = False
    says_neutral: bool = True


@dataclass(frozen=True)
class ParallelismFlags:
    """An engine's flags for the words of parallelism.

    Attributes:
        words: word -> its flag, in the order in which flags are written. The engine's default is the neutral value.
        not_offered: word -> why the engine has no flag for it.
        exchanged: a word that has no flag of its own -> the flags of others that are other flags while it is on.
        refuse: why words that are not neutral, and that the engine offers, cannot run together; None if they can.
    """

    words: Mapping[Word, WordFlag]
    not_offered: Mapping[Word, str]
    exchanged: Mapping[Word, Mapping[str, str]]
    refuse: Callable[[Words], str | None]

    def flags(self, words: Words, *, fixed: Collection[str] = ()) -> dict[str, Value]:
        """The flags of one combination; a flag that is not there is the engine's default.

        Args:
            words: one combination, which is not `illegal`; what is not said is neutral.
            fixed: flags that the runtime's own arguments set: their defaults must be said to count.
        """
        found: dict[str, Value] = {}
        on = (flags for word, flags in self.exchanged.items() if words.get(word, neutral(word)) != neutral(word))
        instead = {flag: other for flags in on for flag, other in flags.items()}
        for word, flag in self.words.items():
            value = words.get(word, neutral(word))
            differs = value != neutral(word)
            if differs or (flag.says_neutral and word in words and flag.name in fixed):
                found[instead.get(flag.name, flag.name)] = differs if flag.is_switch else value
        return found

    def touched(self, words: Collection[str]) -> frozenset[str]:
        """All flags that these words may set."""
        own = {flag.name for word, flag in self.words.items() if word in words}
        return frozenset(own.union(*(flags.values() for word, flags in self.exchanged.items() if word in words)))

    def illegal(self, words: Words, *, moe: bool | None = None) -> str | None:
        """Why a combination cannot run; None if it can.

        Args:
            words: the combination.
            moe: whether the model is a mixture of experts; None if unknown.
        """
        said = {word: value for word, value in words.items() if value != neutral(word)}
        missing = next((why for word in said for one, why in self.not_offered.items() if one == word), None)
        if missing is not None:
            return missing
        if moe is False and (said.keys() & {"expert", "moeDenseTensor"}):
            return "expert and moeDenseTensor are for mixtures of experts, and the model is none"
        return self.refuse(said)


def degree(said: Words, word: Word) -> int:
    """The number that a word says, 1 if it does not."""
    return int(said.get(word, 1))


# Presets of combinations; 0 stands for all accelerators of a node.
_ALL = 0
PRESETS: Mapping[str, Mapping[str, int]] = {
    "single-gpu": {"tensor": 1, "pipeline": 1, "data": 1},
    "high-throughput": {"tensor": 1, "data": _ALL},
    "large-model-tp": {"tensor": 8},
    "large-model-tp-pp": {"tensor": 8, "pipeline": 2},
    "moe-optimized": {"tensor": 8, "expert": 8},
    "long-context": {"tensor": 4, "decodeContext": 4},
    "balanced": {"tensor": 2, "data": 4},
}
_NODE = 8  # accelerators of the common large node, where nothing is known


def preset(name: str, accelerators: int | None) -> Words:
    """The combination of a preset.

    Args:
        name: one of PRESETS.
        accelerators: the most that a node holds; None if unknown.
    """
    return {word: number or accelerators or _NODE for word, number in PRESETS[name].items()}
