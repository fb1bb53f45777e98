from __future__ import annotations

import pytest

from autotuner.simulator.config import StartupError
from autotuner.simulator.faults import Fault
from autotuner.simulator.flags import EngineSettings, parse
from autotuner.simulator.hardware_profiles import model_for

PATH = {"sglang": "--model-path", "vllm": "--model"}


def settings(dialect: str, *flags: str, model: str = "/models/llama-3-2-1b-instruct") -> EngineSettings:
    return parse(["--dialect", dialect, PATH[dialect], model, *flags])


@pytest.mark.parametrize(
    ("dialect", "flags", "message"),
    [
        ("sglang", ["--foo", "1"], "launch_server.py: error: unrecognized arguments: --foo 1"),
        ("sglang", ["--enable-chunked-prefill"], "unrecognized arguments: --enable-chunked-prefill"),
        ("sglang", ["--enable-mixed-chunking"], "unrecognized arguments: --enable-mixed-chunking"),
        ("sglang", ["--mem-fraction", "0.8"], "unrecognized arguments: --mem-fraction"),
        ("sglang", ["--max-num-seqs=8"], "unrecognized arguments: --max-num-seqs=8"),
        ("sglang", ["--tp-size", "two"], "argument --tp-size/--tensor-parallel-size/--tp: invalid int value: 'two'"),
        ("sglang", ["--schedule-policy", "sjf"], "argument --schedule-policy: invalid choice: 'sjf'"),
        ("sglang", ["--kv-cache-dtype", "int8"], "argument --kv-cache-dtype: invalid choice: 'int8'"),
        ("sglang", ["--mem-fraction-static"], "argument --mem-fraction-static: expected one argument"),
        ("sglang", ["--sim-gpu", "tpu"], "argument --sim-gpu: invalid choice: 'tpu'"),
        ("sglang", ["--sim-fault", "fire"], "argument --sim-fault: invalid choice: 'fire'"),
        ("sglang", ["--sim-fault", "error-rate:2"], "2 is out of range for error-rate"),
        ("sglang", ["--sim-fault", "crash-after-requests"], "crash-after-requests needs a number"),
        ("vllm", ["--foo"], "api_server.py: error: unrecognized arguments: --foo"),
        ("vllm", ["--mem-fraction-static", "0.9"], "unrecognized arguments: --mem-fraction-static 0.9"),
        ("vllm", ["--tp-size", "2"], "unrecognized arguments: --tp-size 2"),
        ("vllm", ["--no-block-size"], "unrecognized arguments: --no-block-size"),
        ("vllm", ["--swap-space", "4"], "unrecognized arguments: --swap-space 4"),
        ("vllm", ["--max-num-seqs", "1.5"], "argument --max-num-seqs: invalid int value: '1.5'"),
        ("vllm", ["--compilation-config", "{"], "argument --compilation-config/-cc: Value { cannot be converted"),
    ],
)
def test_a_bad_command_line_ends_with_usage_and_exit_code_2(
    dialect: str, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        settings(dialect, *flags)
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert error.startswith("usage: ")
    assert message in error


@pytest.mark.parametrize("arguments", [[], ["--dialect", "tgi"], ["--dialect", "sglang"], ["--dialect", "vllm"]])
def test_dialect_and_model_are_required(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("dialect", "flags", "message"),
    [
        ("sglang", ["--enable-dp-attention", "--dp-size=3", "--tp-size=8"], "dp_size (3) must divide tp_size (8)"),
        ("sglang", ["--mem-fraction-static=1.0"], "--mem-fraction-static must be strictly between 0 and 1"),
        ("sglang", ["--mem-fraction-static=0"], "--mem-fraction-static must be strictly between 0 and 1"),
        ("sglang", ["--chunked-prefill-size=1000", "--page-size=64"], "must be divisible by page_size"),
        ("sglang", ["--tp-size=3"], "attention heads (32) must be divisible by tp_size (3)"),
        ("sglang", ["--max-running-requests=0"], "max_running_requests must be positive"),
        ("sglang", ["--quantization=awq"], "Cannot find the config file for awq"),
        ("vllm", ["--max-num-seqs=512", "--max-num-batched-tokens=256"], "(256) must be greater than or equal to max"),
        ("vllm", ["--no-enable-chunked-prefill", "--max-num-batched-tokens=2048"], "is smaller than max_model_len"),
        ("vllm", ["--gpu-memory-utilization=1.2"], "gpu_memory_utilization\n  Input should be less than or equal to 1"),
        ("vllm", ["--gpu-memory-utilization=0"], "gpu_memory_utilization\n  Input should be greater than 0"),
        ("vllm", ["--block-size=24"], "No common block size for 24 (FLASH_ATTN: [MultipleOf(16)])"),
        ("vllm", ["--decode-context-parallel-size=2"], "tp_size=1 must be divisible by dcp_size=2."),
        ("vllm", ["--max-model-len=999999"], "greater than the derived"),
        ("vllm", ["--tensor-parallel-size=5"], "must be divisible by tensor parallel size (5)"),
    ],
)
def test_flags_that_contradict_each_other_are_refused_in_the_engines_words(
    dialect: str, flags: list[str], message: str
) -> None:
    with pytest.raises(StartupError) as refused:
        settings(dialect, *flags)
    assert message in "\n".join(refused.value.lines)
    assert refused.value.exit_code == 1


def test_vllm_refuses_as_a_pydantic_validation_error() -> None:
    with pytest.raises(StartupError) as refused:
        settings("vllm", "--max-num-seqs=512", "--max-num-batched-tokens=256")
    assert "ValidationError: 1 validation error for SchedulerConfig" in refused.value.lines[1]


@pytest.mark.parametrize(
    ("dialect", "flags"),
    [
        (
            "sglang",
            "--tp-size=2 --pp-size=1 --dp-size=2 --ep-size=2 --moe-dense-tp-size=1 --enable-dp-attention "
            "--quantization=fp8 --dtype=bfloat16 --kv-cache-dtype=fp8_e5m2 --attention-backend=flashinfer "
            "--moe-runner-backend=flashinfer_cutlass --mem-fraction-static=0.8 --schedule-policy=dfs-weight "
            "--chunked-prefill-size=-1 --max-running-requests=64 --max-prefill-tokens=8192 --page-size=16 "
            "--schedule-conservativeness=0.3 --cuda-graph-max-bs=64 --enable-mixed-chunk --enable-torch-compile "
            "--disable-radix-cache --speculative-algorithm=NGRAM --speculative-num-steps=3 --speculative-eagle-topk=1 "
            "--speculative-num-draft-tokens=4 --speculative-draft-model-path=x --enable-metrics",
        ),
        (
            "vllm",
            "--tensor-parallel-size=2 --pipeline-parallel-size=2 --data-parallel-size=2 "
            "--decode-context-parallel-size=2 --quantization=fp8 --dtype=bfloat16 --kv-cache-dtype=fp8 "
            "--gpu-memory-utilization=0.85 --max-num-seqs=64 --max-num-batched-tokens=4096 --no-enable-chunked-prefill "
            "--no-enable-prefix-caching --block-size=32 --max-model-len=4096 --scheduling-policy=priority "
            "--no-async-scheduling --compilation-config={} --enforce-eager",
        ),
    ],
)
def test_every_flag_worth_tuning_is_accepted(dialect: str, flags: str) -> None:
    assert settings(dialect, *flags.split()).config.dialect == dialect


@pytest.mark.parametrize("flag", ["--tp", "--tp-size", "--tensor-parallel-size"])
def test_sglang_spells_tensor_parallelism_in_three_ways(flag: str) -> None:
    assert settings("sglang", flag, "4").config.tensor == 4


@pytest.mark.parametrize(
    ("gpu", "tp", "chunk", "graph"),
    [
        ("l4", 1, 2048, 24),
        ("l40s", 1, 4096, 32),
        ("l40s", 4, 4096, 160),
        ("h100", 1, 8192, 256),
        ("b200", 1, 16384, 512),
    ],
)
def test_sglang_defaults_follow_the_gpus_memory(gpu: str, tp: int, chunk: int, graph: int) -> None:
    config = settings("sglang", "--sim-gpu", gpu, "--tp", str(tp)).config
    assert (config.step_tokens, config.graph_batch) == (chunk, graph)
    assert 0.5 <= config.memory_fraction < 0.95


def test_vllm_lowers_its_default_sequences_to_the_token_budget() -> None:
    assert settings("vllm", "--max-num-batched-tokens=512").config.max_running == 512


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("/raid/models/meta/llama-3-2-1b-instruct", "1b"),
        ("/raid/models/meta/Llama-3.2-3B-Instruct/", "3b"),
        ("/models/llama-3-3-70b-instruct", "70b"),
        ("mistralai/mistral-7b-instruct", "7b"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "8x7b"),
        ("deepseek-ai/deepseek-v3", "671b"),
        ("qwen/qwen2.5-0.5b", "1b"),
        ("qwen/qwen2.5-72b", "70b"),
        ("/70b/unsized-model", "8b"),
    ],
)
def test_the_models_size_is_read_from_the_last_part_of_its_path(path: str, size: str) -> None:
    assert model_for(path).name == size


def test_the_served_name_is_the_path_unless_given() -> None:
    assert settings("vllm", model="/models/x-1b").served_name == "/models/x-1b"
    assert settings("vllm", "--served-model-name", "model").served_name == "model"


@pytest.mark.parametrize(
    ("text", "fault"),
    [("none", Fault()), ("crash-after-requests:3", Fault("crash-after-requests", 3)), ("hang", Fault("hang"))],
)
def test_faults_are_read_by_name_and_number(text: str, fault: Fault) -> None:
    assert settings("sglang", "--sim-fault", text).fault == fault
