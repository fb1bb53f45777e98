"""Words of parallelism: the flags of both engines, what cannot run, and presets that keep the engines' rules."""

from __future__ import annotations

import pytest

from autotuner.api.common import EngineName
from autotuner.engines import get
from autotuner.engines.arguments import Value
from autotuner.engines.parallelism import PRESETS, Words, preset

TENSOR, PIPELINE, DATA = "tensor-parallel-size", "pipeline-parallel-size", "data-parallel-size"
FLAGS: list[tuple[EngineName, Words, dict[str, Value]]] = [
    ("SGLang", {"tensor": 4}, {"tp-size": 4}),
    ("VLLM", {"tensor": 4}, {TENSOR: 4}),
    ("SGLang", {"pipeline": 2}, {"pp-size": 2}),
    ("VLLM", {"pipeline": 2}, {PIPELINE: 2}),
    ("SGLang", {"data": 8}, {"dp-size": 8}),
    ("VLLM", {"data": 8}, {DATA: 8}),
    ("SGLang", {"tensor": 8, "expert": 4}, {"tp-size": 8, "ep-size": 4}),
    ("VLLM", {"tensor": 8, "expert": 8}, {TENSOR: 8, "enable-expert-parallel": True}),
    ("VLLM", {"tensor": 4, "decodeContext": 2}, {TENSOR: 4, "decode-context-parallel-size": 2}),
    ("SGLang", {"moeDenseTensor": 1}, {"moe-dense-tp-size": 1}),
    (
        "SGLang",
        {"tensor": 8, "data": 4, "dataParallelAttention": True},
        {"tp-size": 8, "attn-dp-size": 4},
    ),
    ("SGLang", {"tensor": 1, "pipeline": 1, "data": 1, "expert": 1, "dataParallelAttention": False}, {}),
    ("VLLM", {"tensor": 1, "pipeline": 1, "data": 1, "expert": 1, "decodeContext": 1}, {}),
]


@pytest.mark.parametrize(("engine", "words", "want"), FLAGS)
def test_a_word_is_the_engines_flag(engine: EngineName, words: Words, want: dict[str, Value]) -> None:
    parallelism = get(engine).parallelism

    assert parallelism.illegal(words) is None
    assert parallelism.flags(words) == want
    assert set(want) <= parallelism.touched(words)


def test_one_is_said_where_the_runtime_says_otherwise() -> None:
    sglang, vllm = get("SGLang").parallelism, get("VLLM").parallelism

    assert sglang.flags({"tensor": 1, "pipeline": 1}, fixed={"tp-size", "dp-size"}) == {"tp-size": 1}
    assert vllm.flags({"expert": 1}, fixed={"enable-expert-parallel"}) == {"enable-expert-parallel": False}


def test_what_has_no_flag_for_its_neutral_value_is_left_out() -> None:
    fixed = {"moe-dense-tp-size", "enable-dp-attention"}

    assert get("SGLang").parallelism.flags({"moeDenseTensor": 0, "dataParallelAttention": False}, fixed=fixed) == {}


GPUS: list[tuple[EngineName, Words, int]] = [
    ("SGLang", {"tensor": 2, "pipeline": 2, "data": 2}, 8),
    ("VLLM", {"tensor": 2, "pipeline": 2, "data": 2}, 8),
    ("SGLang", {"tensor": 8, "data": 4, "dataParallelAttention": True}, 8),
    ("SGLang", {"tensor": 8, "expert": 8}, 8),
    ("VLLM", {"tensor": 4, "decodeContext": 4}, 4),
    ("VLLM", {"tensor": 2, "data": 4, "expert": 8}, 8),
]


@pytest.mark.parametrize(("engine", "words", "want"), GPUS)
def test_accelerators_follow_from_the_flags(engine: EngineName, words: Words, want: int) -> None:
    one = get(engine)

    assert one.accelerators(one.render(one.parallelism.flags(words))) == want


ILLEGAL: list[tuple[EngineName, Words, bool | None, str]] = [
    ("SGLang", {"decodeContext": 2}, None, "does not offer decodeContext"),
    ("VLLM", {"moeDenseTensor": 1}, None, "does not offer moeDenseTensor"),
    ("VLLM", {"dataParallelAttention": True}, None, "no switch for dataParallelAttention"),
    ("SGLang", {"tensor": 4, "data": 3, "dataParallelAttention": True}, None, "data (3) must divide tensor (4)"),
    ("SGLang", {"tensor": 4, "dataParallelAttention": True}, None, "does nothing with data 1"),
    ("SGLang", {"tensor": 4, "expert": 8}, True, "expert (8) must divide tensor (4)"),
    ("SGLang", {"moeDenseTensor": 2}, True, "takes moeDenseTensor 1 or that of tensor only"),
    ("SGLang", {"tensor": 4, "expert": 4}, False, "the model is none"),
    ("VLLM", {"tensor": 4, "data": 2, "expert": 4}, True, "always tensor x data (8)"),
    ("VLLM", {"tensor": 4, "decodeContext": 3}, None, "decodeContext (3) must divide tensor (4)"),
    ("Custom", {"tensor": 2}, None, "write them as parameters"),
]


@pytest.mark.parametrize(("engine", "words", "moe", "reason"), ILLEGAL)
def test_what_cannot_run_is_told(engine: EngineName, words: Words, moe: bool | None, reason: str) -> None:
    assert reason in (get(engine).parallelism.illegal(words, moe=moe) or "")


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("engine", ["SGLang", "VLLM"])
def test_presets_keep_the_engines_rules(engine: EngineName, name: str) -> None:
    one, words = get(engine), preset(name, 8)
    reason = one.parallelism.illegal(words, moe=True)

    assert (reason is None) == ((engine, name) != ("SGLang", "long-context")), reason
    if reason is None:
        given = {flag: str(value).lower() for flag, value in one.parallelism.flags(words).items()}
        assert [rule.check(given) for rule in one.rules] == [None] * len(one.rules)


def test_high_throughput_takes_what_a_node_holds() -> None:
    assert preset("high-throughput", 4)["data"] == 4
    assert preset("high-throughput", None)["data"] == 8
