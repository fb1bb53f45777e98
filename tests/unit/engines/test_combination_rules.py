"""What engines refuse although each flag is right, and whether weights fit."""

from __future__ import annotations

from typing import cast

import pytest

from autotuner.api.common import EngineName
from autotuner.engines import Engine, get, memory

H100 = 81559  # MiB, as the node label says
H200 = 143771

REFUSED: list[tuple[str, dict[str, str], str]] = [
    ("SGLang", {"enable-dp-attention": "true", "tp-size": "4", "dp-size": "3"}, "must divide tp-size (4)"),
    ("SGLang", {"tp-size": "4", "ep-size": "8"}, "ep-size (8)"),
    ("SGLang 0.5.12", {"moe-dense-tp-size": "2", "tp-size": "2"}, "may only be 1"),
    ("SGLang 0.5.15", {"moe-dense-tp-size": "2", "tp-size": "4"}, "may only be 1 or tp-size"),
    ("SGLang", {"tp-size": "4", "attn-dp-size": "3"}, "attn-dp-size (3) must divide"),
    ("SGLang", {"tp-size": "4", "attn-dp-size": "2", "dp-size": "2"}, "exclude each other"),
    ("SGLang", {"chunked-prefill-size": "1000", "page-size": "64"}, "page-size (64)"),
    ("SGLang 0.5.9", {"pp-size": "2", "enable-mixed-chunk": "true"}, "exclude each other"),
    ("SGLang 0.5.20", {"pp-size": "2", "speculative-algorithm": "EAGLE"}, "exclude each other"),
    ("SGLang", {"pp-size": "2", "speculative-algorithm": "NGRAM"}, "exclude each other"),
    ("SGLang 0.5.5.post3", {"moe-runner-backend": "flashinfer_cutlass"}, "modelopt_fp4"),
    ("SGLang", {"moe-runner-backend": "flashinfer_cutlass", "quantization": "fp8"}, "no kernel for quantization fp8"),
    (
        "SGLang",
        {"enable-priority-scheduling": "true", "schedule-policy": "lpm"},
        "needs schedule-policy fcfs or lof, not lpm",
    ),
    (
        "SGLang",
        {"base-gpu-id": "2", "tp-size": "2"},
        "use GPUs up to number 3, and an experiment's pod has 2",
    ),
    ("SGLang", {"gpu-id-step": "2", "tp-size": "4"}, "up to number 6, and an experiment's pod has 4"),
    ("VLLM", {"enable-eplb": "true", "tensor-parallel-size": "8"}, "enable-eplb needs enable-expert-parallel"),
    ("VLLM", {"enable-eplb": "true", "enable-expert-parallel": "true"}, "data-parallel-size above 1"),
    ("VLLM", {"max-num-seqs": "512", "max-num-batched-tokens": "256"}, "must not exceed"),
    (
        "VLLM",
        {"enable-chunked-prefill": "false", "max-num-batched-tokens": "2048", "max-model-len": "4096"},
        "must hold max-model-len (4096)",
    ),
    ("VLLM", {"tensor-parallel-size": "4", "decode-context-parallel-size": "3"}, "must divide"),
]


def of_words(words: str) -> Engine:
    """`SGLang 0.5.9` is that release; without a version it is the newest."""
    name, _, version = words.partition(" ")
    return get(cast(EngineName, name)).at(version)


def refusals(engine: str, flags: dict[str, str]) -> list[str]:
    found = []
    for rule in of_words(engine).rules:
        reason = rule.check({flag: value for flag, value in flags.items() if flag in rule.reads})
        found += [reason] if reason else []
    return found


@pytest.mark.parametrize(("engine", "flags", "words"), REFUSED)
def test_refuses_with_the_reason(engine: str, flags: dict[str, str], words: str) -> None:
    (reason,) = refusals(engine, flags)

    assert words in reason


FINE: list[tuple[str, dict[str, str]]] = [
    ("SGLang", {}),
    ("SGLang", {"mem-fraction-static": "0.9", "tp-size": "8", "dp-size": "4", "enable-dp-attention": "true"}),
    ("SGLang", {"tp-size": "2", "dp-size": "3"}),
    ("SGLang", {"chunked-prefill-size": "-1", "page-size": "64"}),
    ("SGLang 0.5.5.post3", {"moe-runner-backend": "flashinfer_cutlass", "quantization": "modelopt_fp4"}),
    ("SGLang 0.5.9", {"moe-runner-backend": "flashinfer_cutlass", "quantization": "modelopt_fp8"}),
    ("SGLang", {"moe-runner-backend": "flashinfer_cutlass"}),
    ("SGLang 0.5.12", {"pp-size": "2", "enable-mixed-chunk": "true"}),
    ("SGLang", {"pp-size": "2", "speculative-algorithm": "EAGLE"}),
    ("SGLang", {"moe-dense-tp-size": "4", "tp-size": "4"}),
    ("SGLang", {"tp-size": "8", "attn-dp-size": "4"}),
    # Such drafts turn mixed chunks off, with a warning.
    ("SGLang 0.5.5.post3", {"speculative-algorithm": "NGRAM", "enable-mixed-chunk": "true"}),
    ("SGLang", {"enable-priority-scheduling": "true", "schedule-policy": "lof"}),
    ("SGLang", {"enable-priority-scheduling": "true"}),
    ("SGLang", {"gpu-id-step": "2", "pp-size": "2"}),
    ("SGLang", {"tp-size": "2", "dp-size": "2", "pp-size": "2"}),
    ("SGLang", {"base-gpu-id": "0", "gpu-id-step": "1", "tp-size": "8"}),
    ("VLLM", {"enable-eplb": "true", "enable-expert-parallel": "true", "data-parallel-size": "2"}),
    ("VLLM", {"gpu-memory-utilization": "1", "max-num-seqs": "256", "max-num-batched-tokens": "256"}),
    ("VLLM", {"max-num-batched-tokens": "2048", "max-model-len": "4096"}),
    ("Custom", {"mem-fraction-static": "7"}),
]


@pytest.mark.parametrize(("engine", "flags"), FINE)
def test_lets_pass(engine: str, flags: dict[str, str]) -> None:
    assert refusals(engine, flags) == []


@pytest.mark.parametrize(
    ("text", "want"), [("70.6B", 70.6e9), ("671B", 671e9), ("500M", 500e6), ("1.24b", 1.24e9), ("large", None)]
)
def test_a_models_size_is_read(text: str, want: float | None) -> None:
    assert memory.parameters(text) == want


LLAMA_70B = {"modelParameterSize": "70.6B"}
GPT_OSS_120B = {"modelParameterSize": "116.8B", "modelArchitecture": "GptOssForCausalLM"}
DEEPSEEK_V3 = {"modelParameterSize": "684.5B", "modelArchitecture": "DeepseekV3ForCausalLM"}
MEMORY: list[tuple[str, EngineName, dict[str, str], dict[str, str], float | None, bool]] = [
    ("70B on one GPU", "SGLang", {"tp-size": "1"}, LLAMA_70B, H100, False),
    ("70B on four GPUs", "SGLang", {"tp-size": "4"}, LLAMA_70B, H100, True),
    (
        "70B in two stages of two",
        "VLLM",
        {"tensor-parallel-size": "2", "pipeline-parallel-size": "2"},
        LLAMA_70B,
        H100,
        True,
    ),
    ("70B in eight bits on one GPU", "SGLang", {"quantization": "fp8"}, LLAMA_70B, H100, True),
    (
        "70B in eight bits beside little",
        "SGLang",
        {"quantization": "fp8", "mem-fraction-static": "0.8"},
        LLAMA_70B,
        H100,
        False,
    ),
    ("70B in four bits on one GPU", "SGLang", {}, {**LLAMA_70B, "quantization": "awq"}, H100, True),
    ("70B with little memory", "SGLang", {"tp-size": "2", "mem-fraction-static": "0.5"}, LLAMA_70B, H100, False),
    ("gpt-oss 120B on one GPU", "SGLang", {}, GPT_OSS_120B, H100, True),
    ("DeepSeek V3 on eight GPUs", "SGLang", {"tp-size": "8"}, DEEPSEEK_V3, H200, True),
    ("DeepSeek V3 on eight smaller GPUs", "SGLang", {"tp-size": "8"}, DEEPSEEK_V3, H100, False),
    ("a size that is not told", "SGLang", {}, {}, H100, True),
    ("a GPU that does not tell", "SGLang", {}, LLAMA_70B, None, True),
    ("another engine", "Custom", {}, LLAMA_70B, H100, True),
]


@pytest.mark.parametrize(
    ("engine", "flags", "model", "mib", "fits"), [row[1:] for row in MEMORY], ids=[row[0] for row in MEMORY]
)
def test_weights_fit(
    engine: EngineName, flags: dict[str, str], model: dict[str, str], mib: float | None, fits: bool
) -> None:
    reason = get(engine).memory.too_large(flags, model, mib)

    assert (reason is None) == fits, reason


def test_what_does_not_fit_is_told_in_figures() -> None:
    assert get("SGLang").memory.too_large({"mem-fraction-static": "0.9"}, LLAMA_70B, H100) == (
        "141 GB of weights per GPU do not fit into 75 GB (0.9 of 80 GiB less 2 GB); use more tensor or pipeline"
        " parallelism, or fewer bits, or set allowLargeWeights if they are smaller than that"
    )
