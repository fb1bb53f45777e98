# ruff: noqa: E501 - errors are quoted as the engines write them
"""Logs that were written before the diagnosis knew them, from the engines' and their libraries' sources, to judge it by.

When it first met them it was right about 61 of the first 62, 31 of the further 40, 24 of the third 30 and 24 of the
fourth 25; each round was mended by kinds before the next one was written.

Each is (what happened, engine, exit code, the reason that is right, log, words that the message must have).
"""

from __future__ import annotations

from tests.unit.engines.diagnosis.forms import (
    Frame,
    sglang_main,
    sglang_rank,
    trace,
    vllm_core,
    vllm_front,
    vllm_served,
    vllm_worker,
)

_HUB = Frame("transformers/utils/hub.py", "cached_files", 'raise OSError(f"{e}") from e')
_PYDANTIC = Frame("pydantic/_internal/_dataclasses.py", "__init__", "s.__pydantic_validator__.validate_python(")
_LOAD = Frame("vllm/model_executor/model_loader/default_loader.py", "load_weights", "weights = model.load_weights(")
_SAFE = Frame(
    "vllm/model_executor/model_loader/weight_utils.py",
    "safetensors_weights_iterator",
    'with safe_open(st_file, framework="pt") as f:',
)
_SGL_LOAD = Frame("sglang/srt/model_loader/loader.py", "load_model", "self.load_weights_and_postprocess(")
_SGL_CONFIG = Frame("sglang/srt/utils/hf_transformers/config.py", "get_config", "config = AutoConfig.from_pretrained(")
_AUTO = Frame("transformers/models/auto/configuration_auto.py", "from_pretrained", "raise ValueError(")


def _validation(title: str, words: str) -> str:
    return f"""pydantic_core._pydantic_core.ValidationError: 1 validation error for {title}
  Value error, {words} [type=value_error, input_value=ArgsKwargs((), {{'model': ...}}), input_type=ArgsKwargs]
    For further information visit https://errors.pydantic.dev/2.12/v/value_error"""


HELD_OUT = [
    # The model's folder.
    (
        "index names missing shards",
        "VLLM",
        1,
        "ModelNotReady",
        vllm_worker(
            "RuntimeError: Weight files referenced in index but missing: ['model-00003-of-00004.safetensors']", _LOAD
        ),
        "model-00003",
    ),
    (
        "weights lack layers",
        "VLLM",
        1,
        "ModelNotReady",
        vllm_worker(
            "ValueError: Following weights were not initialized from checkpoint: {'model.layers.31.mlp.down_proj.weight'}",
            _LOAD,
        ),
        "layers.31",
    ),
    (
        "config may not be read",
        "VLLM",
        1,
        "ModelNotReady",
        vllm_front(
            "PermissionError: [Errno 13] Permission denied: '/mnt/models/m/config.json'",
            Frame("vllm/transformers_utils/config.py", "get_config", "with open(path) as f:"),
        ),
        "Permission denied",
    ),
    (
        "weights may not be read",
        "SGLang",
        137,
        "ModelNotReady",
        sglang_rank(
            "PermissionError: [Errno 13] Permission denied: '/mnt/models/m/model-00001-of-00002.safetensors'", _SGL_LOAD
        ),
        "Permission denied",
    ),
    (
        "disk error under the weights",
        "VLLM",
        1,
        "ModelNotReady",
        vllm_worker("OSError: [Errno 5] Input/output error: '/mnt/models/m/model-00002-of-00004.safetensors'", _SAFE),
        "Input/output",
    ),
    (
        "pointer files as .bin",
        "SGLang",
        137,
        "ModelNotReady",
        sglang_rank(
            "_pickle.UnpicklingError: invalid load key, 'v'.",
            _SGL_LOAD,
            Frame("torch/serialization.py", "_legacy_load", "magic_number = pickle_module.load(f)"),
        ),
        "invalid load key",
    ),
    (
        "zip of weights cut",
        "VLLM",
        1,
        "ModelNotReady",
        vllm_worker(
            "RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory",
            _LOAD,
            Frame("torch/serialization.py", "__init__", "super().__init__(torch._C.PyTorchFileReader(name_or_buffer))"),
        ),
        "zip archive",
    ),
    (
        "safetensors not covered",
        "SGLang",
        137,
        "ModelNotReady",
        sglang_rank(
            "safetensors._safetensors_rust.SafetensorError: Error while deserializing header: incomplete metadata, file not fully covered",
            _SGL_LOAD,
        ),
        "incomplete metadata",
    ),
    (
        "tokenizer of a newer format",
        "SGLang",
        1,
        "ModelNotReady",
        sglang_main(
            "Exception: data did not match any variant of untagged enum ModelWrapper at line 757479 column 3",
            Frame(
                "transformers/tokenization_utils_fast.py",
                "__init__",
                "fast_tokenizer = TokenizerFast.from_file(fast_tokenizer_file)",
            ),
        ),
        "untagged enum",
    ),
    (
        "no type in config.json",
        "SGLang",
        1,
        "ModelNotReady",
        sglang_main(
            "ValueError: Unrecognized model in /mnt/models/m. Should have a `model_type` key in its config.json.",
            _SGL_CONFIG,
            _AUTO,
        ),
        "Unrecognized model",
    ),
    (
        "no folder, transformers 4",
        "SGLang",
        1,
        "ModelNotReady",
        sglang_main(
            "OSError: Can't load the configuration of '/mnt/models/none'. If you were trying to load it from 'https://huggingface.co/models', make sure you don't have a local directory with the same name. Otherwise, make sure '/mnt/models/none' is the correct path to a directory containing a config.json file",
            _SGL_CONFIG,
        ),
        "Can't load the configuration",
    ),
    (
        "no folder, hub's words",
        "SGLang",
        1,
        "ModelNotReady",
        sglang_main(
            "huggingface_hub.errors.HFValidationError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/mnt/models/none'. Use `repo_type` argument if needed.",
            _SGL_CONFIG,
            _HUB,
        ),
        "Repo id must be",
    ),
    (
        "offline, not in the cache",
        "VLLM",
        1,
        "ModelNotReady",
        vllm_front(
            "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder for the specified revision on the local disk and outgoing traffic has been disabled.",
            _HUB,
        ),
        "cached snapshot",
    ),
    (
        "hub out of reach",
        "VLLM",
        1,
        "ModelNotReady",
        vllm_front(
            "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in the cached files.",
            _HUB,
        ),
        "couldn't connect",
    ),
    (
        "wrong token",
        "SGLang",
        1,
        "ModelNotReady",
        sglang_main(
            "huggingface_hub.errors.HfHubHTTPError: 403 Forbidden: None.\nCannot access content at: https://huggingface.co/api/models/x/y",
            _SGL_CONFIG,
            _HUB,
        ),
        "403",
    ),
    (
        "no such repository",
        "VLLM",
        1,
        "ModelNotReady",
        vllm_front(
            "huggingface_hub.errors.RepositoryNotFoundError: 404 Client Error. (Request ID: Root=1-2)\n\nRepository Not Found for url: https://huggingface.co/api/models/x/y.",
            _HUB,
        ),
        "Repository",
    ),
    (
        "shape of a layer",
        "VLLM",
        1,
        "ModelNotReady",
        vllm_worker(
            "AssertionError: Attempted to load weight (torch.Size([64, 32])) into parameter (torch.Size([64, 64]))",
            _LOAD,
        ),
        "Attempted to load weight",
    ),
    (
        "shape of the embedding",
        "VLLM",
        1,
        "ModelNotReady",
        vllm_worker(
            "AssertionError",
            _LOAD,
            Frame(
                "vllm/model_executor/layers/vocab_parallel_embedding.py",
                "weight_loader",
                "assert loaded_weight.shape[output_dim] == self.org_vocab_size",
            ),
        ),
        "org_vocab_size",
    ),
    (
        "shards shorter than promised",
        "SGLang",
        137,
        "ModelNotReady",
        sglang_rank(
            "RuntimeError: The size of tensor a (4096) must match the size of tensor b (2048) at non-singleton dimension 1",
            _SGL_LOAD,
            Frame(
                "sglang/srt/model_loader/weight_utils.py", "default_weight_loader", "param.data.copy_(loaded_weight)"
            ),
        ),
        "size of tensor",
    ),
    # What the engine does not know.
    (
        "architecture unknown to SGLang",
        "SGLang",
        137,
        "ModelUnsupported",
        sglang_rank(
            "ValueError: Model architectures ['TurboForCausalLM'] are not supported for now. Supported architectures: dict_keys(['LlamaForCausalLM'])",
            Frame("sglang/srt/models/registry.py", "_raise_for_unsupported"),
        ),
        "TurboForCausalLM",
    ),
    (
        "architecture without an implementation",
        "SGLang",
        137,
        "ModelUnsupported",
        sglang_rank(
            "ValueError: TurboForCausalLM has no SGlang implementation and the Transformers implementation is not compatible with SGLang.",
            Frame("sglang/srt/model_loader/utils.py", "resolve_transformers_arch"),
        ),
        "TurboForCausalLM",
    ),
    (
        "architecture without an implementation, vLLM",
        "VLLM",
        1,
        "ModelUnsupported",
        vllm_front(
            _validation(
                "ModelConfig",
                "TurboForCausalLM has no vLLM implementation and the Transformers implementation is not compatible with vLLM.",
            ),
            _PYDANTIC,
        ),
        "TurboForCausalLM",
    ),
    (
        "model type unknown",
        "VLLM",
        1,
        "ModelUnsupported",
        vllm_front(
            _validation(
                "ModelConfig",
                "The checkpoint you are trying to load has model type `turbo` but Transformers does not recognize this architecture. This could be because of an issue with the checkpoint.",
            ),
            _PYDANTIC,
        ),
        "turbo",
    ),
    # Drafts and adapters fail one configuration.
    (
        "no draft",
        "SGLang",
        137,
        "InvalidArguments",
        sglang_rank(
            "OSError: Can't load the configuration of '/mnt/models/draft'. If you were trying to load it from 'https://huggingface.co/models', make sure",
            Frame("sglang/srt/speculative/eagle_worker.py", "__init__", "super().__init__("),
            before="[2025-11-20 09:58:00] server_args=ServerArgs(model_path='/mnt/models/m', speculative_draft_model_path='/mnt/models/draft')",
        ),
        "/mnt/models/draft",
    ),
    (
        "no adapter",
        "VLLM",
        1,
        "InvalidArguments",
        trace(
            (
                Frame(
                    "vllm/entrypoints/openai/models/serving.py",
                    "init_static_loras",
                    "raise ValueError(load_result.error.message)",
                ),
            ),
            "ValueError: Call to add_lora method failed: Loading lora a failed: No adapter found for /mnt/none",
        ),
        "No adapter found",
    ),
    (
        "draft of an unknown architecture",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_front(
            _validation(
                "SpeculativeConfig",
                "Model architectures ['TurboDraft'] are not supported for now. Supported architectures: dict_keys(['LlamaForCausalLM'])",
            ),
            _PYDANTIC,
        ),
        "TurboDraft",
    ),
    # Memory.
    (
        "ROCm's words",
        "VLLM",
        1,
        "OutOfMemory",
        vllm_worker(
            "torch.OutOfMemoryError: HIP out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 191.98 GiB",
            _LOAD,
        ),
        "HIP out of memory",
    ),
    (
        "host memory",
        "SGLang",
        137,
        "OutOfMemory",
        sglang_rank(
            "RuntimeError: [enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 123456789 bytes. Error code 12 (Cannot allocate memory)",
            _SGL_LOAD,
        ),
        "DefaultCPUAllocator",
    ),
    (
        "cuBLAS cannot allocate",
        "SGLang",
        137,
        "OutOfMemory",
        sglang_rank(
            "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
            Frame("sglang/srt/layers/linear.py", "forward", "F.linear(x, w)"),
        ),
        "CUBLAS_STATUS_ALLOC_FAILED",
    ),
    (
        "retracted all",
        "SGLang",
        137,
        "OutOfMemory",
        sglang_rank(
            "ValueError: Failed to retract decode requests: Out of memory even after retracting all other requests in the decode batch.",
            Frame("sglang/srt/managers/schedule_batch.py", "retract_decode"),
        ),
        "Out of memory",
    ),
    (
        "request slots",
        "SGLang",
        137,
        "OutOfMemory",
        sglang_rank(
            "RuntimeError: alloc_req_slots runs out of memory. Please set a smaller number for `--max-running-requests`. self.available_size()=0, num_reqs=8",
            Frame("sglang/srt/mem_cache/allocation.py", "alloc_req_slots"),
        ),
        "alloc_req_slots",
    ),
    (
        "old words for the cache",
        "VLLM",
        1,
        "OutOfMemory",
        vllm_core(
            "ValueError: The model's max seq len (131072) is larger than the maximum number of tokens that can be stored in KV cache (60000). Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when initializing the engine.",
            Frame("vllm/v1/core/kv_cache_utils.py", "check"),
        ),
        "max seq len",
    ),
    (
        "sampler's warm-up",
        "VLLM",
        1,
        "OutOfMemory",
        vllm_worker(
            "RuntimeError: CUDA out of memory occurred when warming up sampler with 1024 dummy requests. Please try lowering `max_num_seqs` or `gpu_memory_utilization` when initializing the engine.",
            Frame("vllm/v1/worker/gpu_model_runner.py", "_dummy_sampler_run"),
        ),
        "warming up sampler",
    ),
    (
        "others hold the device",
        "VLLM",
        1,
        "OutOfMemory",
        vllm_core(
            "ValueError: Free memory on device cuda:0 (20.1/79.1 GiB) on startup is less than desired GPU memory utilization (0.9, 71.19 GiB).",
            Frame("vllm/v1/worker/utils.py", "request_memory"),
        ),
        "Free memory on device",
    ),
    (
        "under load, then echoes",
        "VLLM",
        0,
        "OutOfMemory",
        vllm_served(
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.50 GiB.",
            Frame("vllm/v1/worker/gpu_model_runner.py", "execute_model", "hidden = self.model("),
            streams=40,
        ),
        "CUDA out of memory",
    ),
    (
        "one rank's memory, then its peers",
        "SGLang",
        137,
        "OutOfMemory",
        sglang_rank("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", ranks=1)
        + "\n[2025-11-20 10:00:12 TP1] Scheduler hit an exception: "
        + trace(
            (Frame("sglang/srt/distributed/parallel_state.py", "barrier", "torch.distributed.barrier("),),
            "RuntimeError: [../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [10.0.0.1]:35",
        ),
        "CUDA out of memory",
    ),
    (
        "peers complain first",
        "VLLM",
        1,
        "OutOfMemory",
        "(Worker_TP1 pid=91) ERROR 11-20 10:00:00 [multiproc_executor.py:953] WorkerProc hit an exception.\n(Worker_TP1 pid=91) ERROR 11-20 10:00:00 [multiproc_executor.py:953] Traceback (most recent call last):\n(Worker_TP1 pid=91) ERROR 11-20 10:00:00 [multiproc_executor.py:953] torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:1970, remote process exited or there was a network error, NCCL version 2.27.5\n"
        + vllm_worker("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.50 GiB.", _LOAD, ranks=1),
        "CUDA out of memory",
    ),
    (
        "worker killed",
        "VLLM",
        0,
        "OutOfMemory",
        "(EngineCore pid=71) ERROR 11-20 10:00:00 [multiproc_executor.py:316] Worker proc VllmWorker-0 died unexpectedly (exit code: -9), shutting down executor.\n"
        + vllm_served("RuntimeError: cancelled", Frame("vllm/v1/executor/multiproc_executor.py", "get_response")),
        "exit code: -9",
    ),
    # Refused by what comes after the arguments.
    (
        "KV heads over tensors",
        "SGLang",
        137,
        "InvalidArguments",
        sglang_rank(
            "AssertionError",
            Frame("sglang/srt/models/qwen3_moe.py", "__init__", "assert self.total_num_kv_heads % attn_tp_size == 0"),
        ),
        "total_num_kv_heads",
    ),
    (
        "heads, another model",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_worker(
            "AssertionError",
            Frame(
                "vllm/model_executor/models/exaone_moe.py", "__init__", "assert tp_size % self.total_num_kv_heads == 0"
            ),
        ),
        "total_num_kv_heads",
    ),
    (
        "FP8 on an old GPU",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_worker(
            "ValueError: The quantization method fp8 is not supported for the current GPU. Minimum capability: 89. Current capability: 75.",
            Frame("vllm/model_executor/model_loader/weight_utils.py", "get_quant_config"),
        ),
        "not supported for the current GPU",
    ),
    (
        "FP4 kernels on Hopper",
        "SGLang",
        137,
        "InvalidArguments",
        sglang_rank(
            "ValueError: Current platform does not support NVFP4 quantization. Please use Blackwell and up.",
            Frame("sglang/srt/layers/quantization/modelopt_quant.py", "__init__"),
        ),
        "NVFP4",
    ),
    (
        "attention backend on this GPU",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_worker(
            "ValueError: Selected backend AttentionBackendEnum.FLASHMLA is not valid for this configuration. Reason: ['compute capability not supported']",
            Frame("vllm/platforms/cuda.py", "get_attn_backend_cls"),
        ),
        "FLASHMLA",
    ),
    (
        "FlashAttention 3 on Ada",
        "SGLang",
        137,
        "InvalidArguments",
        sglang_rank(
            "AssertionError: FlashAttention v3 Backend requires SM>=80 and SM<=90. Please use `--attention-backend flashinfer`.",
            Frame("sglang/srt/layers/attention/attention_registry.py", "create_flashattention_v3_backend", "assert ("),
        ),
        "requires SM",
    ),
    (
        "marlin and the split",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_worker(
            "ValueError: Weight input_size_per_partition = 1376 is not divisible by min_thread_k = 128. Consider reducing tensor_parallel_size or running with --quantization gptq.",
            Frame("vllm/model_executor/layers/quantization/utils/marlin_utils.py", "verify"),
        ),
        "not divisible by min_thread_k",
    ),
    (
        "KV cache kernel missing on CPU",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_worker(
            "NotImplementedError: fp8 KV cache is not supported on this CPU: it needs AVX512 or AMX.",
            Frame("vllm/v1/attention/backends/cpu_attn.py", "__init__"),
        ),
        "not supported on this CPU",
    ),
    (
        "layers over stages",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_core(
            "NotImplementedError: Pipeline parallelism is not supported for this model. Supported models implement the `SupportsPP` interface.",
            Frame("vllm/v1/engine/core.py", "check"),
        ),
        "Pipeline parallelism is not supported",
    ),
    (
        "load format nobody has",
        "SGLang",
        137,
        "InvalidArguments",
        sglang_rank(
            "ValueError: Unknown load_format: LoadFormat.TURBO",
            Frame("sglang/srt/model_loader/loader.py", "_prepare_weights"),
        ),
        "Unknown load_format",
    ),
    (
        "parser nobody has",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_front(
            'KeyError: "Invalid tool call parser: turbo (chose from { hermes,llama3_json })"',
            Frame("vllm/entrypoints/launchers/cli.py", "validate"),
        ),
        "Invalid tool call parser",
    ),
    (
        "two fields",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_front(
            "pydantic_core._pydantic_core.ValidationError: 2 validation errors for SchedulerConfig\nmax_num_seqs\n  Input should be greater than or equal to 1 [type=greater_than_equal, input_value=0, input_type=int]\n    For further information visit https://errors.pydantic.dev/2.12/v/greater_than_equal\nmax_num_batched_tokens\n  Input should be greater than or equal to 1 [type=greater_than_equal, input_value=0, input_type=int]",
            _PYDANTIC,
        ),
        "max_num_seqs",
    ),
    (
        "JSON of a flag",
        "VLLM",
        2,
        "InvalidArguments",
        "usage: vllm serve [-h] [--model MODEL]\nvllm serve: error: argument --compilation-config/-cc: Invalid JSON: expected value at line 1 column 1",
        "Invalid JSON",
    ),
    (
        "retired flag, SGLang's own words",
        "SGLang",
        2,
        "InvalidArguments",
        "usage: sglang serve [-h]\n"
        + "    [--flag]\n" * 500
        + "sglang serve: error: --torchao-config has been removed.",
        "torchao-config",
    ),
    # Crashes.
    (
        "device-side assert",
        "SGLang",
        137,
        "EngineCrashed",
        sglang_rank(
            "RuntimeError: CUDA error: device-side assert triggered", Frame("sglang/srt/layers/sampler.py", "forward")
        ),
        "device-side assert",
    ),
    (
        "ECC",
        "VLLM",
        1,
        "EngineCrashed",
        vllm_worker("torch.AcceleratorError: CUDA error: uncorrectable ECC error encountered", _LOAD),
        "ECC",
    ),
    (
        "no libcuda",
        "SGLang",
        1,
        "EngineCrashed",
        sglang_main(
            "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory",
            Frame("sglang/srt/layers/quantization/fp8.py", "<module>", "import sgl_kernel"),
        ),
        "libcuda",
    ),
    (
        "port taken",
        "VLLM",
        1,
        "EngineCrashed",
        "(APIServer pid=1) "
        + "\n(APIServer pid=1) ".join(
            trace(
                (Frame("vllm/entrypoints/utils.py", "create_server_socket", "sock.bind(addr)"),),
                "OSError: [Errno 98] Address already in use",
            ).splitlines()
        ),
        "Address already in use",
    ),
    (
        "disk full",
        "SGLang",
        137,
        "EngineCrashed",
        sglang_rank(
            "OSError: [Errno 28] No space left on device: '/root/.cache/flashinfer/x.so'",
            Frame("flashinfer/jit/core.py", "build"),
        ),
        "No space left",
    ),
    (
        "segmentation fault",
        "SGLang",
        139,
        "EngineCrashed",
        '[2025-11-20 10:00:00 TP0] Capture cuda graph begin.\nFatal Python error: Segmentation fault\n\nThread 0x00007f (most recent call first):\n  File "/opt/py/x.py", line 3 in run',
        "Segmentation fault",
    ),
    (
        "NCCL watchdog",
        "VLLM",
        1,
        "EngineCrashed",
        "[rank0]:[E1120 10:00:02.1 ProcessGroupNCCL.cpp:632] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=5, OpType=ALLREDUCE)\nterminate called after throwing an instance of 'c10::DistBackendError'\n  what():  [PG ID 0] Process group watchdog thread terminated with exception",
        "Watchdog",
    ),
    (
        "a child of another signal",
        "SGLang",
        0,
        "EngineCrashed",
        "[2025-11-20 10:00:00] Subprocess scheduler_0 (pid=88) crashed with exit code -11. Triggering SIGQUIT for cleanup...\n[2025-11-20 10:00:00] SIGQUIT received. signum=3, frame=None. It usually means one child failed.",
        "exit code -11",
    ),
    (
        "a bug",
        "VLLM",
        0,
        "EngineCrashed",
        vllm_served(
            "AttributeError: 'NoneType' object has no attribute 'num_tokens'",
            Frame("vllm/v1/core/sched/scheduler.py", "schedule"),
        ),
        "num_tokens",
    ),
    (
        "killed without a word",
        "VLLM",
        137,
        "EngineCrashed",
        "(APIServer pid=1) INFO 11-20 10:00:00 [launcher.py:34] Route: /v1/completions\n",
        "137",
    ),
]

FURTHER = [
    (
        "scheme needs a newer GPU",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_core(
            "RuntimeError: ('Quantization scheme is not supported for ', 'the current GPU. Min capability: 75. ', 'Current capability: 70.')",
            Frame(
                "vllm/model_executor/layers/quantization/compressed_tensors/compressed_tensors.py",
                "_check_scheme_supported",
            ),
        ),
        "Min capability",
    ),
    (
        "no tokenizer file",
        "VLLM",
        1,
        "ModelNotReady",
        vllm_front(
            "ValueError: No tokenizer file found in directory: /mnt/models/m",
            Frame("vllm/tokenizers/mistral.py", "from_pretrained"),
        ),
        "No tokenizer file",
    ),
    (
        "weights of another architecture",
        "VLLM",
        1,
        "ModelNotReady",
        vllm_worker(
            "ValueError: There is no module or parameter named 'mm_whisper_embeddings' in LlamaForCausalLM",
            Frame("vllm/model_executor/models/utils.py", "_load_module"),
        ),
        "mm_whisper_embeddings",
    ),
    (
        "experts without a method",
        "SGLang",
        137,
        "InvalidArguments",
        sglang_rank(
            "AssertionError",
            Frame("sglang/srt/layers/fused_moe_triton/layer.py", "__init__", "assert self.quant_method is not None"),
        ),
        "quant_method",
    ),
    (
        "repo id of a quantized file",
        "SGLang",
        1,
        "ModelNotReady",
        sglang_main(
            "huggingface_hub.utils._validators.HFValidationError: Repo id must use alphanumeric chars or '-', '_', '.', '--' and '..' are forbidden: 'TheBloke/Mistral:gptq'.",
            Frame("huggingface_hub/utils/_validators.py", "validate_repo_id"),
        ),
        "Repo id must",
    ),
    (
        "index out of range under load",
        "SGLang",
        137,
        "EngineCrashed",
        "[TP1] Scheduler hit an exception: "
        + trace(
            (
                Frame("sglang/srt/managers/scheduler.py", "event_loop_overlap", "self.move()"),
                Frame("sglang/srt/managers/scheduler.py", "move_ready_grammar_requests", "self.grammar_queue[i]"),
            ),
            "IndexError: list index out of range",
        )
        + "\n\nReceived sigquit from a child process. It usually means the child failed.",
        "list index",
    ),
    (
        "prefill pool under load",
        "SGLang",
        137,
        "OutOfMemory",
        sglang_rank(
            "RuntimeError: Prefill out of memory. Try to lower your batch size.\nTry to allocate 8192 tokens.\nAvailable tokens: 100",
            Frame("sglang/srt/mem_cache/common.py", "alloc_paged_token_slots_extend", "raise RuntimeError(error_msg)"),
        ),
        "Prefill out of memory",
    ),
    (
        "triton compile",
        "SGLang",
        137,
        "EngineCrashed",
        sglang_rank(
            "RuntimeError: Triton Error [CUDA]: device kernel image is invalid",
            Frame("triton/backends/nvidia/driver.py", "__init__"),
        ),
        "kernel image is invalid",
    ),
    (
        "gcc missing",
        "VLLM",
        1,
        "EngineCrashed",
        vllm_worker(
            "torch._inductor.exc.InductorError: RuntimeError: Failed to find C compiler. Please specify via CC environment variable or set triton.knobs.build.impl.",
            Frame("torch/_inductor/compile_fx.py", "codegen"),
        ),
        "C compiler",
    ),
    (
        "nvcc missing",
        "SGLang",
        137,
        "EngineCrashed",
        sglang_rank(
            "RuntimeError: Could not find nvcc and default cuda_home='/usr/local/cuda' doesn't exist",
            Frame("flashinfer/jit/cpp_ext.py", "get_cuda_path"),
        ),
        "nvcc",
    ),
    (
        "xgrammar missing",
        "SGLang",
        1,
        "EngineCrashed",
        sglang_main(
            "ModuleNotFoundError: No module named 'sgl_kernel'",
            Frame("sglang/srt/layers/activation.py", "<module>", "from sgl_kernel import silu"),
        ),
        "sgl_kernel",
    ),
    (
        "uncached prefill longer than pool",
        "SGLang",
        137,
        "OutOfMemory",
        sglang_rank(
            "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static or decrease --max-total-tokens. max_total_num_tokens=0",
            Frame("sglang/srt/model_executor/model_runner.py", "init_memory_pool"),
        ),
        "Not enough memory",
    ),
    (
        "mamba cache",
        "VLLM",
        1,
        "OutOfMemory",
        vllm_core(
            "ValueError: To serve at least one request with the models's max seq len (262144), (48.0 GiB KV cache is needed, which is larger than the available KV cache memory (40.1 GiB).",
            Frame("vllm/v1/core/kv_cache_utils.py", "_check_enough_kv_cache_memory"),
        ),
        "larger than the available",
    ),
    (
        "negative cache",
        "VLLM",
        1,
        "OutOfMemory",
        vllm_core(
            "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.",
            Frame("vllm/v1/core/kv_cache_utils.py", "check"),
        ),
        "No available memory",
    ),
    (
        "assert of profiling",
        "VLLM",
        1,
        "EngineCrashed",
        vllm_core(
            "AssertionError: Error in memory profiling. Initial free memory 78.6 GiB, current free memory 79.1 GiB. This happens when other processes sharing the same container release GPU memory while vLLM is profiling during initialization.",
            Frame(
                "vllm/v1/worker/gpu_worker.py",
                "determine_available_memory",
                "assert self.init_snapshot.free_memory > free_gpu_memory, (",
            ),
        ),
        "Error in memory profiling",
    ),
    (
        "worker out of memory while serving",
        "VLLM",
        0,
        "OutOfMemory",
        vllm_served(
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 128.00 MiB.",
            Frame("vllm/v1/worker/gpu_model_runner.py", "execute_model", "x"),
        ),
        "CUDA out of memory",
    ),
    (
        "shm timeouts",
        "VLLM",
        0,
        "EngineCrashed",
        vllm_served(
            "RuntimeError: Executor failed.",
            Frame("vllm/v1/executor/multiproc_executor.py", "get_response", "raise RuntimeError("),
        ),
        "Executor failed",
    ),
    (
        "rope scaling",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_front(_validation("ModelConfig", "`--hf-overrides` rope_scaling must be a dict"), _PYDANTIC),
        "rope_scaling",
    ),
    (
        "unknown arch in auto map",
        "VLLM",
        1,
        "ModelUnsupported",
        vllm_front(
            _validation(
                "ModelConfig",
                "Model architectures ['Step9ForCausalLM'] failed to be inspected. Please check the logs for more details.",
            ),
            _PYDANTIC,
        ),
        "Step9",
    ),
    (
        "unsupported rope type",
        "SGLang",
        137,
        "InvalidArguments",
        sglang_rank(
            "ValueError: Unknown RoPE scaling type yarn9", Frame("sglang/srt/layers/rotary_embedding.py", "get_rope")
        ),
        "RoPE",
    ),
    (
        "ep indivisible",
        "SGLang",
        137,
        "InvalidArguments",
        sglang_rank(
            "AssertionError: num_experts must be divisible by ep_size",
            Frame("sglang/srt/layers/moe/ep_moe/layer.py", "__init__", "assert"),
        ),
        "num_experts",
    ),
    (
        "gptq marlin",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_worker(
            "ValueError: Marlin does not support weight_bits = uint3b4. Only types = [] are supported (for group_size = 128, device_capability = 80, zp = False).",
            Frame("vllm/model_executor/layers/quantization/gptq_marlin.py", "__init__"),
        ),
        "Marlin",
    ),
    (
        "fa3 unsupported",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_worker(
            "RuntimeError: FlashAttention only supports Ampere GPUs or newer.",
            Frame("vllm/vllm_flash_attn/flash_attn_interface.py", "flash_attn_varlen_func"),
        ),
        "Ampere",
    ),
    (
        "deep_gemm on Ada",
        "SGLang",
        137,
        "InvalidArguments",
        sglang_rank("RuntimeError: DeepGEMM requires SM90 or newer", Frame("sglang/srt/layers/deep_gemm.py", "x")),
        "SM90",
    ),
    (
        "fp8 kv on old",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_worker(
            "triton.compiler.errors.CompilationError: at 1:0:\nValueError(\"type fp8e4nv not supported in this architecture. The supported fp8 dtypes are ('fp8e4b15', 'fp8e5')\")",
            Frame("triton/compiler/compiler.py", "make_ir"),
        ),
        "fp8e4nv",
    ),
    (
        "no GPUs",
        "SGLang",
        1,
        "EngineCrashed",
        sglang_main(
            "RuntimeError: No accelerator (CUDA, XPU, HPU, NPU, MUSA, MPS) is available",
            Frame("sglang/srt/utils/common.py", "get_device"),
        ),
        "No accelerator",
    ),
    (
        "init process group",
        "SGLang",
        137,
        "EngineCrashed",
        sglang_rank(
            "torch.distributed.DistStoreError: Timed out after 601 seconds waiting for clients. 1/2 clients joined.",
            Frame("torch/distributed/rendezvous.py", "_create_c10d_store"),
        ),
        "Timed out",
    ),
    (
        "killed rank at load",
        "SGLang",
        137,
        "OutOfMemory",
        "[2025-11-20 10:00:01] Rank 3 scheduler is dead. Please check if there are relevant logs.\n[2025-11-20 10:00:02] Exit code: -9\n"
        + trace((Frame("sglang/srt/entrypoints/engine.py", "_launch", "data = reader.recv()"),), "EOFError"),
        "-9",
    ),
    (
        "core killed",
        "VLLM",
        1,
        "OutOfMemory",
        vllm_core("RuntimeError: x", dead="{}").split("(EngineCore")[0]
        + trace(
            (Frame("vllm/v1/engine/utils.py", "wait_for_engine_startup"),),
            "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore_0': -9, 'EngineCore_1': -9}",
        ),
        "-9",
    ),
    (
        "tokenizer json of another version",
        "VLLM",
        1,
        "ModelNotReady",
        vllm_front(
            "Exception: data did not match any variant of untagged enum PyPreTokenizerTypeWrapper at line 960 column 3",
            Frame("transformers/tokenization_utils_fast.py", "__init__"),
        ),
        "untagged enum",
    ),
    (
        "sentencepiece missing model",
        "SGLang",
        1,
        "ModelNotReady",
        sglang_main(
            "TypeError: not a string",
            Frame("transformers/models/llama/tokenization_llama.py", "get_spm_processor"),
            Frame(
                "sentencepiece/__init__.py",
                "LoadFromFile",
                "return _sentencepiece.SentencePieceProcessor_LoadFromFile(self, arg)",
            ),
        ),
        "not a string",
    ),
    (
        "io error at mmap",
        "VLLM",
        1,
        "ModelNotReady",
        vllm_worker(
            "OSError: No such device (os error 19)",
            Frame(
                "vllm/model_executor/model_loader/weight_utils.py",
                "safetensors_weights_iterator",
                'with safe_open(st_file, framework="pt") as f:',
            ),
        ),
        "os error 19",
    ),
    (
        "file vanished (rust)",
        "SGLang",
        137,
        "ModelNotReady",
        sglang_rank(
            'FileNotFoundError: No such file or directory: "/mnt/models/m/model-00001-of-00004.safetensors"',
            Frame(
                "sglang/srt/model_loader/weight_utils.py",
                "safetensors_weights_iterator",
                "with safetensors.safe_open(st_file)",
            ),
        ),
        "model-00001",
    ),
    (
        "hub unreachable",
        "VLLM",
        1,
        "ModelNotReady",
        vllm_front(
            "requests.exceptions.ConnectionError: (MaxRetryError(\"HTTPSConnectionPool(host='huggingface.co', port=443): Max retries exceeded with url: /api/models/x\"), '(Request ID: 1)')",
            _HUB,
        ),
        "huggingface.co",
    ),
    (
        "draft without eagle head",
        "SGLang",
        137,
        "InvalidArguments",
        sglang_rank(
            "OSError: /mnt/models/eagle does not appear to have a file named config.json.",
            Frame("sglang/srt/speculative/eagle_worker.py", "__init__"),
            before="[2025-11-20 09:58:00] server_args=ServerArgs(model_path='/mnt/models/m', speculative_draft_model_path='/mnt/models/eagle')",
        ),
        "eagle",
    ),
    (
        "adapter rank",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_core(
            "ValueError: LoRA rank 64 is greater than max_lora_rank 16.",
            Frame("vllm/lora/peft_helper.py", "validate_legal"),
        ),
        "LoRA rank",
    ),
    (
        "huge pages",
        "VLLM",
        1,
        "OutOfMemory",
        vllm_core(
            "RuntimeError: CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
            Frame("torch/cuda/memory.py", "mem_get_info"),
        ),
        "out of memory",
    ),
    (
        "pinned memory",
        "SGLang",
        137,
        "OutOfMemory",
        sglang_rank(
            "ValueError: Not enough host memory available. Requesting 120.00 GB but only have 60.12 GB free. Please reduce the size of the hierarchical cache.",
            Frame("sglang/srt/mem_cache/memory_pool_host.py", "__init__"),
        ),
        "host memory",
    ),
    (
        "dp attention bare",
        "SGLang",
        1,
        "InvalidArguments",
        sglang_main(
            "AssertionError",
            Frame("sglang/srt/server_args.py", "_handle_data_parallelism", "assert self.tp_size % self.dp_size == 0"),
        ),
        "dp_size",
    ),
    (
        "terminated in order",
        "VLLM",
        143,
        "EngineCrashed",
        "(APIServer pid=1) INFO 11-20 10:00:00 [launcher.py:110] Shutting down FastAPI HTTP server.\n(APIServer pid=1) INFO:     Application shutdown complete.\n",
        "shutdown complete",
    ),
]

THIRD = [
    (
        "weights unknown name sglang",
        "SGLang",
        137,
        "ModelNotReady",
        sglang_rank(
            "KeyError: 'model.layers.0.self_attn.q_norm.weight'",
            Frame("sglang/srt/models/llama.py", "load_weights", "param = params_dict[name]"),
        ),
        "q_norm",
    ),
    (
        "corrupt tokenizer.json",
        "SGLang",
        1,
        "ModelNotReady",
        sglang_main(
            "json.decoder.JSONDecodeError: Expecting ',' delimiter: line 3 column 5 (char 40)",
            _SGL_CONFIG,
            Frame("transformers/tokenization_utils_base.py", "from_pretrained", "json.load(f)"),
            Frame("/usr/lib/python3.12/json/decoder.py", "raw_decode", "raise"),
        ),
        "JSONDecodeError",
    ),
    (
        "flag JSON bad",
        "SGLang",
        1,
        "InvalidArguments",
        sglang_main(
            "json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
            Frame("sglang/srt/server_args.py", "__post_init__", "json.loads(self.model_loader_extra_config)"),
            Frame("/usr/lib/python3.12/json/decoder.py", "raw_decode", "raise"),
        ),
        "property name",
    ),
    (
        "yaml config missing",
        "VLLM",
        1,
        "InvalidArguments",
        trace(
            (Frame("vllm/utils/argparse_utils.py", "load_config_file", "with open(file_path) as f"),),
            "FileNotFoundError: [Errno 2] No such file or directory: '/etc/vllm/none.yaml'",
        ),
        "none.yaml",
    ),
    (
        "template missing sglang",
        "SGLang",
        1,
        "InvalidArguments",
        sglang_main(
            "RuntimeError: Chat template /mnt/none.jinja is not a built-in template name or a valid chat template file path.",
            Frame("sglang/srt/managers/template_manager.py", "load_chat_template"),
        ),
        "none.jinja",
    ),
    (
        "parser unknown sglang",
        "SGLang",
        2,
        "InvalidArguments",
        "usage: launch_server.py [-h]\nlaunch_server.py: error: argument --tool-call-parser: invalid choice: 'x' (choose from 'qwen')",
        "invalid choice",
    ),
    (
        "data parallel ports",
        "VLLM",
        1,
        "EngineCrashed",
        vllm_core(
            "zmq.error.ZMQError: Address already in use (addr='tcp://127.0.0.1:5557')",
            Frame("zmq/sugar/socket.py", "bind"),
        ),
        "Address already in use",
    ),
    (
        "hip error",
        "SGLang",
        137,
        "EngineCrashed",
        sglang_rank("RuntimeError: HIP error: invalid device function", Frame("aiter/ops.py", "x")),
        "HIP error",
    ),
    (
        "hip oom",
        "SGLang",
        137,
        "OutOfMemory",
        sglang_rank("torch.OutOfMemoryError: HIP out of memory. Tried to allocate 3 GiB.", Frame("torch/nn.py", "x")),
        "HIP out of memory",
    ),
    (
        "too many ranks vllm",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_worker(
            "torch.AcceleratorError: CUDA error: invalid device ordinal\nCUDA kernel errors might be asynchronously reported",
            Frame("torch/cuda/__init__.py", "set_device"),
        ),
        "invalid device ordinal",
    ),
    (
        "placement group",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_core(
            "ValueError: Current node has no GPU available. current_node_resource={'CPU': 8.0}. vLLM engine cannot start without GPU.",
            Frame("vllm/v1/executor/ray_utils.py", "_wait"),
        ),
        "no GPU available",
    ),
    (
        "max model len env",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_front(
            _validation(
                "ModelConfig",
                "User-specified max_model_len (200000) is greater than the derived max_model_len (131072).",
            ),
            _PYDANTIC,
        ),
        "200000",
    ),
    (
        "sglang context too long",
        "SGLang",
        137,
        "InvalidArguments",
        sglang_rank(
            "ValueError: Warning: User-specified context_length (200000) is greater than the derived context_length (131072). This may lead to incorrect model outputs or CUDA errors. To allow overriding this maximum, set the env var SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN=1",
            Frame("sglang/srt/configs/model_config.py", "_derive_context_length"),
        ),
        "context_length",
    ),
    (
        "page size mla",
        "SGLang",
        137,
        "InvalidArguments",
        sglang_rank(
            "AssertionError",
            Frame("sglang/srt/layers/attention/flashmla_backend.py", "__init__", "assert model_runner.page_size == 64"),
        ),
        "page_size",
    ),
    (
        "awq kernel cap",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_front(
            _validation(
                "VllmConfig",
                "The quantization method awq_marlin is not supported for the current GPU. Minimum capability: 80. Current capability: 75.",
            ),
            _PYDANTIC,
        ),
        "awq_marlin",
    ),
    (
        "dtype awq",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_front(
            _validation(
                "VllmConfig",
                "torch.bfloat16 is not supported for quantization method awq. Supported dtypes: [torch.float16]",
            ),
            _PYDANTIC,
        ),
        "bfloat16",
    ),
    (
        "nvfp4 hopper vllm",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_worker(
            "ValueError: NVFP4 MoE kernels require Blackwell (SM100) GPUs",
            Frame("vllm/model_executor/layers/quantization/modelopt.py", "__init__"),
        ),
        "Blackwell",
    ),
    (
        "attr opnamespace",
        "SGLang",
        137,
        "InvalidArguments",
        sglang_rank(
            "AttributeError: '_OpNamespace' 'sgl_kernel' object has no attribute 'fp8_blockwise_scaled_mm'",
            Frame("torch/_ops.py", "__getattr__"),
        ),
        "_OpNamespace",
    ),
    (
        "dead front detokenizer",
        "SGLang",
        137,
        "EngineCrashed",
        "[2025-11-20 10:00:10] DetokenizerManager hit an exception: "
        + trace(
            (Frame("sglang/srt/managers/detokenizer_manager.py", "event_loop", "self.decode()"),),
            "OverflowError: out of range integral type conversion attempted",
        )
        + "\n\n[2025-11-20 10:00:10] Received sigquit from a child process.",
        "OverflowError",
    ),
    (
        "tok manager",
        "SGLang",
        137,
        "EngineCrashed",
        "[2025-11-20 10:00:10] TokenizerManager hit an exception: "
        + trace((Frame("sglang/srt/managers/tokenizer_manager.py", "handle_loop", "x"),), "KeyError: 'abc'")
        + "\n\n[2025-11-20 10:00:10] SIGQUIT received. signum=3",
        "abc",
    ),
    (
        "vllm request error then oom",
        "VLLM",
        0,
        "OutOfMemory",
        '(APIServer pid=1) ERROR 11-20 10:00:00 [serving.py:1] Error in preprocessing prompt inputs\n(APIServer pid=1) ERROR 11-20 10:00:00 [serving.py:1] Traceback (most recent call last):\n(APIServer pid=1) ERROR 11-20 10:00:00 [serving.py:1]   File "/x/transformers/tok.py", line 3, in apply\n(APIServer pid=1) ERROR 11-20 10:00:00 [serving.py:1] ValueError: Cannot use chat template functions because tokenizer.chat_template is not set\n'
        + vllm_served(
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1 GiB",
            Frame("vllm/v1/worker/gpu_model_runner.py", "execute_model", "x"),
        ),
        "CUDA out of memory",
    ),
    (
        "vllm request error then cuda",
        "VLLM",
        0,
        "EngineCrashed",
        '(APIServer pid=1) ERROR:    Exception in ASGI application\n(APIServer pid=1) Traceback (most recent call last):\n(APIServer pid=1)   File "/x/transformers/utils/hub.py", line 3, in f\n(APIServer pid=1) OSError: /mnt/models/m does not appear to have a file named chat_template.json\n'
        + vllm_served(
            "RuntimeError: CUDA error: device-side assert triggered",
            Frame("vllm/v1/worker/gpu_model_runner.py", "execute_model", "x"),
        ),
        "device-side",
    ),
    (
        "restart of numa",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_core(
            "AssertionError: data_parallel_size must be 1 for non-MoE models",
            Frame("vllm/v1/engine/core.py", "__init__", "assert"),
        ),
        "data_parallel_size",
    ),
    (
        "engine init timeout",
        "VLLM",
        1,
        "EngineCrashed",
        "\n".join(
            "(APIServer pid=1) " + one
            for one in trace(
                (Frame("vllm/v1/engine/utils.py", "wait", "raise"),),
                "TimeoutError: Timed out waiting for engines to send initial message on input socket.",
            ).splitlines()
        ),
        "Timed out",
    ),
    (
        "gguf arch",
        "VLLM",
        1,
        "ModelUnsupported",
        vllm_front(
            "ValueError: GGUF model with architecture qwen9moe is not supported yet.",
            Frame("transformers/modeling_gguf_pytorch_utils.py", "load_gguf_checkpoint"),
        ),
        "qwen9moe",
    ),
    (
        "sgl unsupported for multimodal",
        "SGLang",
        137,
        "ModelUnsupported",
        sglang_rank(
            "ValueError: Unsupported architectures: ['Turbo9ForConditionalGeneration']. Supported list: dict_keys([])",
            Frame("sglang/srt/managers/multimodal_processor.py", "get_mm_processor"),
        ),
        "Turbo9",
    ),
    (
        "no permission dir",
        "VLLM",
        1,
        "ModelNotReady",
        vllm_front(
            "PermissionError: [Errno 13] Permission denied: '/mnt/models/m'",
            Frame("vllm/transformers_utils/repo_utils.py", "list_files", "os.listdir"),
        ),
        "Permission denied",
    ),
    (
        "truncated bin",
        "SGLang",
        137,
        "ModelNotReady",
        sglang_rank(
            "EOFError: Ran out of input",
            Frame("sglang/srt/model_loader/weight_utils.py", "pt_weights_iterator", "state = torch.load(bin_file)"),
            Frame("torch/serialization.py", "_legacy_load", "magic = pickle.load(f)"),
        ),
        "Ran out of input",
    ),
    (
        "exit of liveness: sigterm while loading",
        "VLLM",
        137,
        "EngineCrashed",
        "(APIServer pid=1) INFO 11-20 10:00:00 [api_utils.py:273] non-default args: {}\n(EngineCore pid=7) INFO 11-20 10:00:01 [core.py:1] [shutdown] EngineCore: trigger received signal=15\n",
        "137",
    ),
    (
        "hicache host",
        "SGLang",
        137,
        "OutOfMemory",
        sglang_rank(
            "RuntimeError: CUDA error: out of memory (cudaHostRegister)",
            Frame("sglang/srt/mem_cache/memory_pool_host.py", "alloc"),
        ),
        "out of memory",
    ),
]


def _old_vllm(text):
    return "\n".join("ERROR 11-20 10:00:01 [core.py:390] " + one for one in text.splitlines())


FOURTH = [
    (
        "old V1 words, memory",
        "VLLM",
        1,
        "OutOfMemory",
        _old_vllm(
            "EngineCore hit an exception: "
            + trace(
                (Frame("vllm/v1/engine/core.py", "run_engine_core", "x"),),
                "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization`",
            )
        )
        + "\nCRITICAL 11-20 10:00:01 [core_client.py:361] Got fatal signal from worker processes, shutting down. See stack trace above for root cause issue.\nKilled",
        "No available memory",
    ),
    (
        "V0 engine process",
        "VLLM",
        1,
        "InvalidArguments",
        "ERROR 11-20 10:00:01 engine.py:366] The number of required GPUs exceeds the total number of available GPUs in the placement group.\n"
        + "\n".join(
            "ERROR 11-20 10:00:01 engine.py:366] " + one
            for one in trace(
                (Frame("vllm/executor/ray_utils.py", "initialize_ray_cluster", "raise"),),
                "ValueError: The number of required GPUs exceeds the total number of available GPUs in the placement group.",
            ).splitlines()
        )
        + "\n"
        + trace(
            (Frame("vllm/entrypoints/openai/api_server.py", "build", "raise"),),
            "RuntimeError: Engine process failed to start. See stack trace for the root cause.",
        ),
        "number of required GPUs",
    ),
    (
        "mixed rank prefix",
        "VLLM",
        1,
        "OutOfMemory",
        "\n".join(
            "[rank0]: " + one
            for one in trace(
                (Frame("vllm/worker/worker.py", "determine", "x"),),
                "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
            ).splitlines()
        ),
        "CUDA out of memory",
    ),
    (
        "ansi",
        "VLLM",
        1,
        "InvalidArguments",
        "\n".join(
            "\x1b[0;36m(APIServer pid=1)\x1b[0;0m " + one
            for one in trace(
                (Frame("vllm/engine/arg_utils.py", "create_engine_config", "x"),),
                "ValueError: Unknown speculative method",
            ).splitlines()
        ),
        "Unknown speculative",
    ),
    (
        "interleaved ranks",
        "VLLM",
        1,
        "InvalidArguments",
        "\n".join(
            x
            for a, b in zip(
                *[
                    [
                        f"(Worker_TP{r} pid={90 + r}) ERROR 11-20 10:00:01 [multiproc_executor.py:870] {one}"
                        for one in (
                            "WorkerProc failed to start.\n"
                            + trace(
                                (Frame("vllm/model_executor/layers/linear.py", "__init__", "raise"),),
                                "ValueError: 100 is not divisible by 8",
                            )
                        ).splitlines()
                    ]
                    for r in (0, 1)
                ],
                strict=False,
            )
            for x in (a, b)
        ),
        "not divisible",
    ),
    (
        "eagle arch mismatch",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_worker(
            "ValueError: draft model vocab size 32000 does not match target 128256",
            Frame("vllm/v1/spec_decode/eagle.py", "load_model", "raise"),
        ),
        "vocab size",
    ),
    (
        "mla backend block",
        "VLLM",
        1,
        "InvalidArguments",
        vllm_core(
            "ValueError: No valid attention backend found for cuda with AttentionSelectorConfig(head_size=576, dtype=torch.bfloat16, kv_cache_dtype=fp8_e5m2, block_size=16). Reasons: {FLASHMLA: [kv_cache_dtype not supported]}",
            Frame("vllm/platforms/cuda.py", "get_attn_backend_cls"),
        ),
        "No valid attention backend",
    ),
    (
        "graph capture",
        "VLLM",
        1,
        "OutOfMemory",
        vllm_worker(
            "torch.AcceleratorError: CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation' in https://docs.nvidia.com",
            Frame("torch/cuda/graphs.py", "capture_end"),
        ),
        "out of memory",
    ),
    (
        "graph capture sglang",
        "SGLang",
        137,
        "OutOfMemory",
        sglang_rank(
            "Exception: Capture cuda graph failed: CUDA error: out of memory\nPossible solutions:\n1. set --mem-fraction-static to a smaller value (e.g., 0.8 or 0.7)",
            Frame("sglang/srt/model_executor/cuda_graph_runner.py", "__init__"),
        ),
        "Capture cuda graph failed",
    ),
    (
        "graph capture bug",
        "SGLang",
        137,
        "EngineCrashed",
        sglang_rank(
            "Exception: Capture cuda graph failed: 'NoneType' object is not callable\nPossible solutions:\n1. set --mem-fraction-static to a smaller value (e.g., 0.8 or 0.7)\n2. set --cuda-graph-max-bs to a smaller value (e.g., 16)",
            Frame("sglang/srt/model_executor/cuda_graph_runner.py", "__init__"),
        ),
        "NoneType",
    ),
    (
        "mooncake",
        "SGLang",
        137,
        "EngineCrashed",
        sglang_rank(
            "RuntimeError: Mooncake Transfer Engine initialization failed.",
            Frame("sglang/srt/distributed/device_communicators/mooncake.py", "initialize"),
        ),
        "Mooncake",
    ),
    (
        "deepep buffer",
        "SGLang",
        137,
        "EngineCrashed",
        sglang_rank("RuntimeError: DeepEP error: timeout (dispatch CPU)", Frame("deep_ep/buffer.py", "dispatch")),
        "DeepEP",
    ),
    (
        "nvshmem",
        "SGLang",
        137,
        "EngineCrashed",
        "[2025-11-20 10:00:00 TP0] Load weight end.\nnvshmem_init_thread failed\nWARN: IB init failed\nFatal Python error: Aborted\n\nThread 0x00007f (most recent call first):\n",
        "Aborted",
    ),
    (
        "illegal instruction",
        "VLLM",
        132,
        "EngineCrashed",
        "(APIServer pid=1) INFO 11-20 10:00:00 [x.py:1] starting\n",
        "starting",
    ),
    (
        "abort for memory",
        "VLLM",
        134,
        "OutOfMemory",
        "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n",
        "bad_alloc",
    ),
    ("container command", "VLLM", 127, "EngineCrashed", "/bin/sh: 1: vllm: not found\n", "not found"),
    (
        "import of transformers",
        "SGLang",
        1,
        "EngineCrashed",
        sglang_main(
            "ImportError: cannot import name 'Foo' from 'transformers' (/opt/py/transformers/__init__.py)",
            Frame("sglang/srt/models/x.py", "<module>", "from transformers import Foo"),
        ),
        "cannot import name",
    ),
    (
        "hub 429",
        "VLLM",
        1,
        "ModelNotReady",
        vllm_front(
            "huggingface_hub.errors.HfHubHTTPError: 429 Client Error: Too Many Requests for url: https://huggingface.co/api/models/x/revision/main",
            _HUB,
        ),
        "429",
    ),
    (
        "weights need code",
        "SGLang",
        1,
        "InvalidArguments",
        sglang_main(
            "ValueError: The repository /mnt/models/m contains custom code which must be executed to correctly load the model. Please pass the argument `trust_remote_code=True` to allow custom code to be run.",
            Frame("transformers/dynamic_module_utils.py", "resolve_trust_remote_code"),
        ),
        "trust_remote_code",
    ),
    (
        "tokenizer class missing",
        "VLLM",
        1,
        "ModelNotReady",
        vllm_front(
            "ValueError: Tokenizer class Qwen9Tokenizer does not exist or is not currently imported.",
            Frame("transformers/models/auto/tokenization_auto.py", "from_pretrained"),
        ),
        "Qwen9Tokenizer",
    ),
    (
        "config attr",
        "SGLang",
        137,
        "EngineCrashed",
        sglang_rank(
            "AttributeError: 'LlamaConfig' object has no attribute 'foo'",
            Frame("sglang/srt/models/llama.py", "__init__"),
        ),
        "LlamaConfig",
    ),
    (
        "sgl memory lt 0",
        "SGLang",
        137,
        "OutOfMemory",
        sglang_rank(
            "RuntimeError: Not enough memory. Please try to increase --mem-fraction-static. max_total_num_tokens=-3",
            Frame("sglang/srt/model_executor/model_runner.py", "init"),
        ),
        "Not enough memory",
    ),
    (
        "sgl unbalanced memory",
        "SGLang",
        137,
        "EngineCrashed",
        sglang_rank(
            "ValueError: The memory capacity is unbalanced. Some GPUs may be occupied by other processes. pre_model_load_memory=12.1, local_gpu_memory=78.5, local_gpu_memory * 0.9=70.6",
            Frame("sglang/srt/model_executor/model_runner.py", "init_torch_distributed"),
        ),
        "unbalanced",
    ),
    (
        "worker hung",
        "VLLM",
        0,
        "EngineCrashed",
        vllm_served(
            "TimeoutError: RPC call to execute_model timed out.",
            Frame("vllm/v1/executor/multiproc_executor.py", "get_response"),
        ),
        "timed out",
    ),
    (
        "uvicorn port",
        "SGLang",
        0,
        "EngineCrashed",
        "[2025-11-20 10:00:00] ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 30000): address already in use\n[2025-11-20 10:00:00] Application shutdown\n",
        "address already in use",
    ),
]
