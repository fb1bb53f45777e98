# ruff: noqa: E501 - logs are quoted as the engines write them
"""Whole logs: of public threads rebuilt in own words, held out ones, and crashes with harmless lines mixed in."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from autotuner.api.common import EngineName
from autotuner.engines import get
from tests.unit.engines.diagnosis.forms import Frame, sglang_rank, trace, vllm_core, vllm_served, vllm_worker
from tests.unit.engines.diagnosis.held_out import FOURTH, FURTHER, HELD_OUT, THIRD

LOGS: list[dict[str, Any]] = json.loads((Path(__file__).parents[3] / "data" / "engine-logs.json").read_text())
SAID_BY_KUBERNETES = [case for case in LOGS if "containerReason" in case]


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case["source"]) for case in LOGS if case not in SAID_BY_KUBERNETES]
)
def test_logs_of_public_threads(case: dict[str, Any]) -> None:
    found = get(case["engine"]).diagnose(case["log"], case["exitCode"])
    assert (found and found.reason) == case["expected"]
    if found is not None:
        assert case["quotes"] in found.line
        assert "\n" not in found.line
        assert len(found.line) <= 400


@pytest.mark.parametrize("case", [pytest.param(case, id=case["source"]) for case in SAID_BY_KUBERNETES])
def test_a_kill_without_a_word_is_explained_by_kubernetes_alone(case: dict[str, Any]) -> None:
    found = get(case["engine"]).diagnose(case["log"], case["exitCode"])
    assert found is not None
    assert (found.reason, found.killed) == ("EngineCrashed", True)


@pytest.mark.parametrize(
    ("engine", "exit_code", "reason", "log", "words"),
    [pytest.param(*case[1:], id=case[0]) for case in HELD_OUT + FURTHER + THIRD + FOURTH],
)
def test_held_out(engine: EngineName, exit_code: int, reason: str, log: str, words: str) -> None:
    found = get(engine).diagnose(log, exit_code)
    assert found is not None
    assert found.reason == reason
    assert words in found.line


_HARMLESS = (
    "(APIServer pid=1) ERROR 11-20 09:58:01 [repo_utils.py:47] Error retrieving file list: 401 Client Error: "
    "Unauthorized for url: https://huggingface.co/api/models/x/tree/main, retrying 1 of 2",
    "(APIServer pid=1) WARNING 11-20 09:58:01 [tokenizer.py:90] [Errno 2] No such file or directory: "
    "'/mnt/models/m/tokenizer.model'; using the fast tokenizer",
    "[2025-11-20 09:58:02] Error retrieving file list: 403 Client Error: Forbidden for url: https://hf.co/x, retrying",
    "[2025-11-20 09:59:00 TP0] Runtime error during autotuning: \nNo valid triton configs. OutOfMemoryError: out of "
    "resource: triton_mm_35 Required: 114688 Hardware limit: 101376 Reducing block sizes may help.. \n"
    "Ignoring this choice.",
    "[rank0]:E1120 09:59:00.1 torch/_inductor/select_algorithm.py:2100] Exception out of resource: shared memory, "
    "Required: 131072, Hardware limit: 101376 for benchmark choice TritonTemplateCaller(x)",
    "[2025-11-20 09:58:09] FileNotFoundError: [Errno 2] No such file or directory: '/mnt/models/m/chat_template.json'"
    ", falling back to the default",
    "(EngineCore pid=71) WARNING 11-20 09:58:11 [gpu_worker.py:1] CUDA out of memory while autotuning, retrying smaller",
    "(Worker_TP0 pid=90) INFO 11-20 09:58:11 [x.py:1] huggingface_hub.errors.EntryNotFoundError: 404 Client Error.",
    'INFO:     10.0.0.7:51234 - "GET /v1/models HTTP/1.1" 401 Unauthorized',
    "(APIServer pid=1) DEBUG 11-20 09:58:12 [hub.py:2] HFValidationError: Repo id must be in the form 'a/b': '/mnt/x'",
    "[2025-11-20 09:58:13] Ignore import error when loading sglang.srt.models.x: No module named 'tokenizers_x'",
    "[2025-11-20 09:58:14] Lower --mem-fraction-static if the engine runs out of memory; 403 tokens cached",
)
_SURVIVED = (
    "(EngineCore pid=71) WARNING 11-20 09:58:11 [cache.py:1] "
    + "\n(EngineCore pid=71) WARNING 11-20 09:58:11 [cache.py:1] ".join(
        trace(
            (Frame("transformers/utils/hub.py", "cached_files", "raise"),),
            "OSError: /mnt/models/m does not appear to have a file named generation_config.json.",
        ).splitlines()
    )
)
_FRAME = Frame("engine/layers/attention.py", "forward", "out = kernel(q, k, v)")
_ERRORS = (
    "RuntimeError: CUDA error: an illegal memory access was encountered",
    "torch.AcceleratorError: CUDA error: unspecified launch failure",
    "RuntimeError: CUDA error: device-side assert triggered",
    "torch.distributed.DistBackendError: NCCL error in: NCCLUtils.cpp:77, unhandled system error",
    "AttributeError: 'NoneType' object has no attribute 'num_tokens'",
    "IndexError: list index out of range",
    "KeyError: 'cmpl-17'",
    "RuntimeError: The size of tensor a (64) must match the size of tensor b (32) at non-singleton dimension 1",
    "triton.runtime.errors.OutOfResources: out of resource: shared memory, Required: 106496, Hardware limit: 101376.",
    "TimeoutError: RPC call to sample_tokens timed out.",
    "RuntimeError: Connection closed by peer [10.0.0.1]:35",
    "AssertionError",
)
_WORDS_ALONE = (
    "Fatal Python error: Segmentation fault",
    "[2025-11-20 10:05:15 TP0] Watchdog timeout (self.watchdog_timeout=300)",
    "[2025-11-20 10:05:15] Subprocess scheduler_0 (pid=88) crashed with exit code -11. Triggering SIGQUIT for cleanup...",
    "(EngineCore pid=71) ERROR 11-20 10:00:01 [multiproc_executor.py:316] Worker proc VllmWorker-0 died unexpectedly "
    "(exit code: -6), shutting down executor.",
    "",
)


def _crash(choice: random.Random) -> tuple[EngineName, int, str]:
    engine, form, codes = choice.choice(
        [
            ("VLLM", vllm_worker, (1,)),
            ("VLLM", vllm_core, (1,)),
            ("VLLM", vllm_served, (0, 1)),
            ("SGLang", sglang_rank, (0, 137, 1)),
            ("SGLang", None, (139, 134, 137, 1)),
            ("VLLM", None, (139, 134, 137, 1)),
        ]
    )
    if form is None:
        return engine, choice.choice(codes), choice.choice(_WORDS_ALONE)
    return engine, choice.choice(codes), form(choice.choice(_ERRORS), _FRAME)


@pytest.mark.parametrize("seed", range(200))
def test_harmless_lines_stop_nothing(seed: int) -> None:
    choice = random.Random(seed)
    engine, exit_code, log = _crash(choice)
    head, *rest = log.split("\n")
    before = choice.sample([*_HARMLESS, _SURVIVED], choice.randint(2, 6))
    found = get(engine).diagnose("\n".join([*before, head, *rest]), exit_code)
    between = choice.sample(_HARMLESS, 2)
    also = get(engine).diagnose("\n".join([head, *between, *rest]), exit_code)
    assert not {one.reason for one in (found, also) if one} & {"ModelNotReady", "ModelUnsupported", "OutOfMemory"}
    if log:
        assert found is not None
        assert found.reason == "EngineCrashed"
