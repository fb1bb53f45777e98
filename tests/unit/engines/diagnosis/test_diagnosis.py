# ruff: noqa: E501 - logs are quoted as the engines write them
from __future__ import annotations

import pytest

from autotuner.api.common import EngineName
from autotuner.engines import Engine, get
from autotuner.engines.diagnosis import Diagnosis
from tests.unit.engines.diagnosis.forms import Frame, trace

SGLANG, VLLM, CUSTOM = get("SGLang"), get("VLLM"), get("Custom")

SGLANG_OUT_OF_MEMORY = """\
[2025-11-20 10:00:00] server_args=ServerArgs(model_path='/raid/models/meta/llama', mem_fraction_static=0.95, watchdog_timeout=300)
[2025-11-20 10:00:09 TP0] Load weight begin. avail mem=78.50 GB
[2025-11-20 10:00:14 TP0] Load weight end. type=LlamaForCausalLM, dtype=torch.bfloat16, avail mem=75.90 GB
[2025-11-20 10:00:15 TP0] Scheduler hit an exception: Traceback (most recent call last):
  File "/sgl-workspace/sglang/python/sglang/srt/managers/scheduler.py", line 2311, in run_scheduler_process
    scheduler = Scheduler(server_args, port_args, gpu_id, tp_rank, pp_rank, dp_rank)
RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.

[2025-11-20 10:00:15] Received sigquit from a child process. It usually means the child failed.
"""
TORCH_OUT_OF_MEMORY = """\
[2025-11-20 10:00:20 TP0] Capture cuda graph begin. This can take up to several minutes.
[2025-11-20 10:00:22 TP0] Scheduler hit an exception: Traceback (most recent call last):
  File "/opt/torch/nn/modules/module.py", line 1751, in _wrapped_call_impl
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB
[rank1]:[E1120 10:00:23] NCCL error: remote process exited or there was a network error
"""
VLLM_NO_CACHE = """\
(EngineCore_0 pid=272) INFO 11-20 10:00:00 [gpu_worker.py:276] Available KV cache memory: -1.20 GiB
(EngineCore_0 pid=272) ERROR 11-20 10:00:01 [core.py:700] EngineCore failed to start.
(EngineCore_0 pid=272) ERROR 11-20 10:00:01 [core.py:700] Traceback (most recent call last):
(EngineCore_0 pid=272) ERROR 11-20 10:00:01 [core.py:700]   File "/vllm/v1/core/kv_cache_utils.py", line 552, in check_enough_kv_cache_memory
(EngineCore_0 pid=272) ERROR 11-20 10:00:01 [core.py:700] ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.
(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""
VLLM_LONG_MODEL = """\
(EngineCore_0 pid=272) ValueError: To serve at least one request with the models's max seq len (131072), (16.00 GiB KV cache is needed, which is larger than the available KV cache memory (12.33 GiB). Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine.
"""
VLLM_BUSY_DEVICE = """\
(EngineCore_0 pid=272) ValueError: Free memory on device (20.1/79.1 GiB) on startup is less than desired GPU memory utilization (0.9, 71.19 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.
"""
USAGE_UNKNOWN = """\
usage: launch_server.py [-h] --model-path MODEL_PATH [--host HOST] [--port PORT]
                        [--mem-fraction-static MEM_FRACTION_STATIC] [--watchdog-timeout WATCHDOG_TIMEOUT]
launch_server.py: error: unrecognized arguments: --enable-mixed-chunking
"""
USAGE_CHOICE = """\
usage: api_server.py [-h] [--host HOST]
api_server.py: error: argument --kv-cache-dtype: invalid choice: 'int4' (choose from 'auto', 'fp8')
"""
USAGE_OTHER = """\
usage: serve.py [OPTIONS] MODEL
Try 'serve.py --help' for help.

Error: No such option: --foo
"""
VLLM_VALIDATION = """\
(APIServer pid=1)   File "/vllm/config/scheduler.py", line 180, in __init__
(APIServer pid=1) pydantic_core._pydantic_core.ValidationError: 1 validation error for SchedulerConfig
(APIServer pid=1)   Value error, max_num_batched_tokens (256) must be greater than or equal to max_num_seqs (512). [type=value_error, input_value=ArgsKwargs((), {}), input_type=ArgsKwargs]
(APIServer pid=1)     For further information visit https://errors.pydantic.dev/2.12/v/value_error
"""
VLLM_VALIDATION_FIELD = """\
pydantic_core._pydantic_core.ValidationError: 1 validation error for CacheConfig
gpu_memory_utilization
  Input should be less than or equal to 1 [type=less_than_equal, input_value=1.5, input_type=float]
"""
SGLANG_ASSERTION = """\
Traceback (most recent call last):
  File "/sglang/srt/server_args.py", line 988, in check_server_args
AssertionError: tp_size must be divisible by dp_size
"""
FLAG_WITH_DASHES = "ValueError: --foo-bar must be positive\n"
GATED = """\
huggingface_hub.errors.GatedRepoError: 401 Client Error. (Request ID: Root=1-2)
Cannot access gated repo for url https://huggingface.co/meta-llama/Llama-3.2-1B-Instruct/resolve/main/config.json.
"""
EMPTY_FOLDER = """\
OSError: /raid/models/meta/llama is not a local folder and is not a valid model identifier listed on 'https://huggingface.co/models'
"""
VLLM_EMPTY_FOLDER = """\
(APIServer pid=1) pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig
(APIServer pid=1)   Value error, Invalid repository ID or local directory specified: '/raid/models/meta/llama'. [type=value_error, input_value=ArgsKwargs((), {}), input_type=ArgsKwargs]
"""
NO_FILE = "FileNotFoundError: [Errno 2] No such file or directory: '/raid/models/meta/llama/config.json'\n"
NOTHING_LOADED = """\
[2025-11-20 10:00:09 TP0] Loading safetensors checkpoint shards: 0 files
[2025-11-20 10:00:09 TP0] Scheduler hit an exception: Traceback (most recent call last):
  File "/sglang/srt/model_loader/loader.py", line 413, in load_model
    size = weights.shape
AttributeError: 'NoneType' object has no attribute 'shape'
"""
NCCL = "[rank0]: RuntimeError: NCCL Error 2: unhandled system error (run with NCCL_DEBUG=INFO for details)\n"
CUDA = """\
[2025-11-20 10:00:15 TP0] Scheduler hit an exception: Traceback (most recent call last):
  File "/sglang/srt/layers/attention.py", line 12, in forward
RuntimeError: CUDA error: an illegal memory access was encountered
"""
WATCHDOG = "[2025-11-20 10:05:15 TP0] Watchdog timeout (self.watchdog_last_forward_ct=12)\n"
SGLANG_OTHER = """\
[2025-11-20 10:00:15 TP0] Scheduler hit an exception: Traceback (most recent call last):
  File "/sglang/srt/models/llama.py", line 12, in forward
RuntimeError: shapes do not fit

[2025-11-20 10:00:15] Received sigquit from a child process. It usually means the child failed.
"""
VLLM_OTHER = """\
(EngineCore_0 pid=272) TypeError: unsupported operand
(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""
HARMLESS = """\
[2025-11-20 10:00:00] server_args=ServerArgs(mem_fraction_static=0.9, watchdog_timeout=300, nccl_port=None)
[2025-11-20 10:00:01 TP0] Memory pool end. avail mem=7.90 GB
INFO:     10.0.0.7:51234 - "GET /v1/models HTTP/1.1" 401 Unauthorized
[2025-11-20 10:00:02] Lower --mem-fraction-static if the engine runs out of memory; 403 tokens cached
[2025-11-20 10:00:02] NCCL version 2.27.3, usage: 12 %
[2025-11-20 10:00:03] The server is fired up and ready to roll!
"""


@pytest.mark.parametrize(
    ("engine", "log", "exit_code", "reason", "line"),
    [
        pytest.param(
            SGLANG, SGLANG_OUT_OF_MEMORY, 137, "OutOfMemory", "RuntimeError: Not enough memory.", id="sglang memory"
        ),
        pytest.param(
            SGLANG, TORCH_OUT_OF_MEMORY, 1, "OutOfMemory", "torch.OutOfMemoryError: CUDA out", id="before NCCL's echo"
        ),
        pytest.param(
            VLLM, VLLM_NO_CACHE, 1, "OutOfMemory", "ValueError: No available memory", id="no cache, a ValueError"
        ),
        pytest.param(
            VLLM, VLLM_LONG_MODEL, 1, "OutOfMemory", "ValueError: To serve at least", id="no room for one request"
        ),
        pytest.param(VLLM, VLLM_BUSY_DEVICE, 1, "OutOfMemory", "ValueError: Free memory on", id="device in use"),
        pytest.param(CUSTOM, "CUDA error: out of memory\n", None, "OutOfMemory", "CUDA error: out", id="still running"),
        pytest.param(CUSTOM, "", 137, "EngineCrashed", "killed (exit code 137)", id="killed without a word"),
        pytest.param(SGLANG, HARMLESS, 137, "EngineCrashed", "killed (exit code 137)", id="killed while serving"),
        pytest.param(
            CUSTOM,
            USAGE_UNKNOWN,
            2,
            "InvalidArguments",
            "launch_server.py: error: unrecognized arguments: --enable-mixed-chunking",
            id="unknown flag",
        ),
        pytest.param(
            VLLM,
            USAGE_CHOICE,
            2,
            "InvalidArguments",
            "api_server.py: error: argument --kv-cache-dtype: invalid choice: 'int4'",
            id="invalid choice",
        ),
        pytest.param(
            CUSTOM, USAGE_OTHER, 2, "InvalidArguments", "Error: No such option: --foo", id="usage of another parser"
        ),
        pytest.param(
            VLLM,
            VLLM_VALIDATION,
            1,
            "InvalidArguments",
            "Value error, max_num_batched_tokens (256) must be greater than or equal to max_num_seqs (512).",
            id="pydantic",
        ),
        pytest.param(
            VLLM,
            VLLM_VALIDATION_FIELD,
            1,
            "InvalidArguments",
            "gpu_memory_utilization: Input should be less than or equal to 1",
            id="pydantic, a field",
        ),
        pytest.param(
            SGLANG, SGLANG_ASSERTION, 1, "InvalidArguments", "AssertionError: tp_size must be", id="assertion"
        ),
        pytest.param(
            CUSTOM, FLAG_WITH_DASHES, 1, "InvalidArguments", "ValueError: --foo-bar must", id="ValueError with a flag"
        ),
        pytest.param(CUSTOM, GATED, 1, "ModelNotReady", "huggingface_hub.errors.GatedRepoError: 401", id="gated"),
        pytest.param(
            CUSTOM, EMPTY_FOLDER, 1, "ModelNotReady", "OSError: /raid/models/meta/llama is not", id="empty folder"
        ),
        pytest.param(
            VLLM, VLLM_EMPTY_FOLDER, 1, "ModelNotReady", "Value error, Invalid repository", id="empty folder, vllm"
        ),
        pytest.param(CUSTOM, NO_FILE, 1, "ModelNotReady", "FileNotFoundError: [Errno 2]", id="no file"),
        pytest.param(SGLANG, NOTHING_LOADED, 137, "ModelNotReady", "AttributeError: 'NoneType'", id="nothing to load"),
        pytest.param(CUSTOM, NCCL, 1, "EngineCrashed", "RuntimeError: NCCL Error 2", id="nccl"),
        pytest.param(SGLANG, CUDA, 1, "EngineCrashed", "RuntimeError: CUDA error: an illegal memory access", id="cuda"),
        pytest.param(SGLANG, WATCHDOG, 137, "EngineCrashed", "Watchdog timeout", id="watchdog"),
        pytest.param(SGLANG, HARMLESS, 139, "EngineCrashed", "segmentation fault (exit code 139)", id="segfault"),
        pytest.param(
            SGLANG, SGLANG_OTHER, 137, "EngineCrashed", "RuntimeError: shapes do not fit", id="sglang kills itself"
        ),
        pytest.param(VLLM, VLLM_OTHER, 1, "EngineCrashed", "TypeError: unsupported operand", id="the root cause"),
        pytest.param(CUSTOM, "going down\n\n", 3, "EngineCrashed", "going down", id="any last line"),
        pytest.param(CUSTOM, "", 1, "EngineCrashed", "exit code 1 without a word", id="no line"),
        pytest.param(CUSTOM, "bash: line 1: foo\n", 2, "EngineCrashed", "bash: line 1: foo", id="exit 2 without usage"),
    ],
)
def test_diagnose(engine: Engine, log: str, exit_code: int | None, reason: str, line: str) -> None:
    found = engine.diagnose(log, exit_code)
    assert found is not None
    assert found.reason == reason
    assert found.line.startswith(line)
    assert CUSTOM.diagnose(log, exit_code) == found  # it may be a fork of either


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("SGLang", "AssertionError: dp_size must divide the other"),
        ("SGLang", "ValueError: unsupported kv_cache_dtype: int4"),
        ("VLLM", "ValueError: max_num_seqs must be positive"),
        ("VLLM", "ValueError: `decode-context-parallel-size` must divide the other"),
        ("Custom", "ValueError: --anything is no option"),
    ],
)
def test_an_error_that_names_a_flag_of_the_engine(name: EngineName, line: str) -> None:
    assert get(name).diagnose(f"{line}\n", 1) == Diagnosis("InvalidArguments", line)


@pytest.mark.parametrize("exit_code", [None, 0])
@pytest.mark.parametrize("log", ["", HARMLESS])
def test_no_failure_no_diagnosis(log: str, exit_code: int | None) -> None:
    assert SGLANG.diagnose(log, exit_code) is None
    assert CUSTOM.diagnose(log, exit_code) is None


def test_a_kill_is_not_out_of_memory() -> None:
    found = VLLM.diagnose("", 137)
    assert found is not None
    assert (found.reason, found.killed) == ("EngineCrashed", True)
    assert "liveness probe" in found.line


def test_sglang_kills_itself_and_vllm_does_not() -> None:
    log = "[2025-11-20 10:00:15] Received sigquit from a child process. It usually means the child failed.\n"
    itself, other = SGLANG.diagnose(log, 137), VLLM.diagnose(log, 137)
    assert itself is not None
    assert other is not None
    assert (itself.killed, other.killed) == (False, True)


def test_harmless_words_do_not_explain_a_failure() -> None:
    found = SGLANG.diagnose(HARMLESS, 1)
    assert found is not None
    assert (found.reason, found.line) == ("EngineCrashed", "The server is fired up and ready to roll!")


def test_an_error_that_names_no_flag_is_a_crash() -> None:
    found = VLLM.diagnose("ValueError: could not broadcast input_ids of batch_size 3\n", 1)
    assert found == Diagnosis("EngineCrashed", "ValueError: could not broadcast input_ids of batch_size 3")


def test_a_long_line_is_cut() -> None:
    found = CUSTOM.diagnose("RuntimeError: CUDA out of memory. " + "x" * 1000, 1)
    assert found is not None
    assert len(found.line) == 400


def test_loading_long_before_does_not_blame_the_model() -> None:
    log = NOTHING_LOADED.replace("[2025-11-20 10:00:09 TP0] Scheduler", "[2025-11-20 10:00:09 TP0] Serving\nScheduler")
    found = SGLANG.diagnose(log, 1)
    assert found is not None
    assert found.reason == "EngineCrashed"


@pytest.mark.parametrize(
    ("engine", "file"),
    [
        ("SGLang", "sglang/srt/server_args.py"),
        ("SGLang", "sglang/srt/arg_groups/parallel_hook.py"),
        ("SGLang", "sglang/srt/server_args_config_parser.py"),
        ("VLLM", "vllm/config/parallel.py"),
        ("VLLM", "vllm/engine/arg_utils.py"),
    ],
)
@pytest.mark.parametrize("error", ["AssertionError", "RuntimeError: no idea", "Exception: 17"])
def test_what_the_argument_stage_raises_is_a_refusal(engine: EngineName, file: str, error: str) -> None:
    inside, elsewhere = (
        get(engine).diagnose(trace((Frame(path, "check", "assert self.is_fine"),), error), 1)
        for path in (file, "engine/worker.py")
    )
    assert inside is not None
    assert elsewhere is not None
    assert (inside.reason, elsewhere.reason) == ("InvalidArguments", "EngineCrashed")


NOTES = """\
[2025-11-20 10:00:00] server_args=ServerArgs(model_path='/m', fallback=True) is overridden
[2025-11-20 10:00:01] DP attention is enabled. The chunked prefill size is adjusted to 4096 to avoid MoE kernel issues.
[2025-11-20 10:00:01] Overlap scheduler is disabled because of using eagle speculative decoding.
[2025-11-20 10:00:02 TP0] Page size is reset to 64.
[2025-11-20 10:00:02 TP1] Page size is reset to 64.
[2025-11-20 10:00:03 TP0] Load weight begin. avail mem=78.50 GB
INFO:     10.0.0.9:50000 - "POST /ignored HTTP/1.1" 200 OK
"""


def test_what_an_engine_does_otherwise_than_asked_is_noted() -> None:
    assert SGLANG.notes(NOTES) == [
        "DP attention is enabled. The chunked prefill size is adjusted to 4096 to avoid MoE kernel issues.",
        "Overlap scheduler is disabled because of using eagle speculative decoding.",
        "Page size is reset to 64.",
    ]


def test_vllm_says_at_which_level_it_speaks() -> None:
    line = "FLASHMLA is not supported here, falling back to TRITON_MLA."
    log = "".join(f"(EngineCore pid=7) {level} 11-20 10:00:00 [cuda.py:7] {line}\n" for level in ("INFO", "WARNING"))
    assert VLLM.notes(log) == [line]
    assert VLLM.notes(log.replace("WARNING", "ERROR")) == []


# As the sources of 0.11.2, 0.15.1 to 0.33.0, and every one of them write it.
VERSIONS = [
    "(APIServer pid=7) INFO 11-20 10:00:00 [api_server.py:1977] vLLM API server version 0.11.2",
    "(APIServer pid=7) INFO 11-20 10:00:00 [utils.py:283]  ▄▄ ▄█ █     █     █ ▀▄▀ █  version 0.11.2",
    "INFO 11-20 10:00:00 [utils.py:283] \x1b[38;5;208m ▄▄\x1b[0m ▄█ █     █     █ ▀▄▀ █\x1b[0m  version \x1b[97m0.11.2",
    "(EngineCore_DP0 pid=8) INFO 11-20 10:00:00 [core.py:94] Initializing a V1 LLM engine (v0.11.2) with config: x",
]


@pytest.mark.parametrize("line", VERSIONS)
def test_the_version_that_an_engine_says(line: str) -> None:
    assert VLLM.version_in(f"WARNING: hello\n{line}\n") == "0.11.2"
    assert SGLANG.version_in(line) == ""


def test_what_is_no_version_of_the_engine() -> None:
    log = "INFO 11-20 10:00:00 [x.py:1] transformers version 5.1\n Cuda version 13.0\nvLLM API server version unknown\n"
    assert VLLM.version_in(log) == ""


def test_notes_are_few_and_short() -> None:
    log = "".join(f"[2025-11-20 10:00:00] flag-{'x' * number} is ignored\n" for number in range(1000, 1020))
    found = SGLANG.notes(log)
    assert len(found) == 8
    assert {len(note) for note in found} == {300}
