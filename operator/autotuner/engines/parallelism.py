"""How a model is spread over accelerators, in words that every engine has its own flags for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from autotuner.api.common import EngineName
from autotuner.engines.arguments import Value

Word = Literal["tensor", "pipeline", "data", "expert", "decodeContext", "moeDenseTensor", "dataParallelAttention"]
Words = Mapping[str, Value]

WORDS: tuple[Word, ...] = (
    "tensor",
    "pipeline",
    "data",
    "expert",
    "decodeContext",
    "moeDenseTensor",
    "dataParallelAttention",
)

# Words whose value is a degree that the engine has a flag for; 1 is every engine's default.
_DEGREES: Mapping[EngineName, Mapping[str, str]] = {
    "SGLang": {"tensor": "tp-size", "pipeline": "pp-size", "data": "dp-size", "expert": "ep-size"},
    "VLLM": {
        "tensor": "tensor-parallel-size",
        "pipeline": "pipeline-parallel-size",
        "data": "data-parallel-size",
        "decodeContext": "decode-context-parallel-size",
    },
    "Custom": {},
}
_EXPERT_SWITCH = "enable-expert-parallel"
_ATTENTION_SWITCH = "enable-dp-attention"
_DENSE = "moe-dense-tp-size"


def neutral(word: str) -> Value:
    """What a word means that is not said."""
    if word == "dataParallelAttention":
        return False
    return 0 if word == "moeDenseTensor" else 1


def flags(engine: EngineName, words: Words, *, fixed: Collection[str] = ()) -> dict[str, Value]:
    """The flags of one combination; a flag that is not there is the engine's default.

    Args:
        engine: whose flags.
        words: one combination, which is not `illegal`; what is not said is neutral.
        fixed: flags that the runtime's own arguments set: their defaults must be said to count.
    """
    found: dict[str, Value] = {}
    for word, flag in _DEGREES[engine].items():
        degree = words.get(word, 1)
        if degree != 1 or (word in words and flag in fixed):
            found[flag] = degree
    if engine == "SGLang":
        if words.get("moeDenseTensor"):
            found[_DENSE] = words["moeDenseTensor"]
        if words.get("dataParallelAttention"):
            found[_ATTENTION_SWITCH] = True
    if engine == "VLLM" and (words.get("expert", 1) != 1 or ("expert" in words and _EXPERT_SWITCH in fixed)):
        found[_EXPERT_SWITCH] = words["expert"] != 1
    return found


def touched(engine: EngineName, words: Collection[str]) -> frozenset[str]:
    """All flags that these words may set."""
    found = {flag for word, flag in _DEGREES[engine].items() if word in words}
    switches = {
        "SGLang": {"moeDenseTensor": _DENSE, "dataParallelAttention": _ATTENTION_SWITCH},
        "VLLM": {"expert": _EXPERT_SWITCH},
        "Custom": {},
    }[engine]
    return frozenset(found | {flag for word, flag in switches.items() if word in words})


def illegal(engine: EngineName, words: Words, *, moe: bool | None = None) -> str | None:
    """Why a combination cannot run; None if it can.

    Args:
        engine: that would run it.
        words: the combination.
        moe: whether the model is a mixture of experts; None if unknown.
    """
    if engine == "Custom":
        return "engine Custom has no flags for parallelism that are known; write them as parameters"
    said = {word: value for word, value in words.items() if value != neutral(word)}
    for word in said:
        if reason := _not_offered(engine, word):
            return reason
    if moe is False and (said.keys() & {"expert", "moeDenseTensor"}):
        return "expert and moeDenseTensor are for mixtures of experts, and the model is none"
    return _illegal_sglang(said) if engine == "SGLang" else _illegal_vllm(said)


def _not_offered(engine: EngineName, word: str) -> str | None:
    if engine == "SGLang" and word == "decodeContext":
        return "SGLang does not offer decodeContext; it is vLLM's"
    if engine == "VLLM" and word == "moeDenseTensor":
        return "vLLM does not offer moeDenseTensor; it is SGLang's"
    if engine == "VLLM" and word == "dataParallelAttention":
        return "vLLM has no switch for dataParallelAttention: with data and expert it is how vLLM works anyway"
    return None


def _illegal_sglang(said: Words) -> str | None:
    """Rules of sglang/srt/server_args.py (0.5.5): _handle_data_parallelism, check_server_args; of its groups."""
    tensor, data, expert = (int(said.get(word, 1)) for word in ("tensor", "data", "expert"))
    if said.get("dataParallelAttention"):
        if data == 1:
            return "dataParallelAttention does nothing with data 1"
        if tensor % data:
            return f"with dataParallelAttention, data ({data}) must divide tensor ({tensor})"
    if tensor % expert:
        return f"expert ({expert}) must divide tensor ({tensor}): the experts are spread over the tensor group"
    if said.get("moeDenseTensor", 1) != 1:
        return "SGLang takes moeDenseTensor 1 only"
    return None


def _illegal_vllm(said: Words) -> str | None:
    """Rules of vllm/config/parallel.py: the expert degree follows from the others, contexts share the tensor group."""
    tensor, data, expert, context = (int(said.get(word, 1)) for word in ("tensor", "data", "expert", "decodeContext"))
    if expert not in (1, tensor * data):
        return f"vLLM's expert degree is always tensor x data ({tensor * data}); write that, or 1 for none"
    if tensor % context:
        return f"decodeContext ({context}) must divide tensor ({tensor}): it reuses the tensor group"
    return None


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
    return {word: degree or accelerators or _NODE for word, degree in PRESETS[name].items()}
