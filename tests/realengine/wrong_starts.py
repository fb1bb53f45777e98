"""Starts of vLLM 0.32.0 that go wrong, and the reasons that the operator is to give for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

VERSION = "0.32.0"
PORT_IN_USE = 8400
# Weights are read from files, not made up.
_FROM_FILES = ("--load-format=auto",)


@dataclass(frozen=True)
class WrongStart:
    """One start.

    Attributes:
        name: of the case; in names of objects too.
        reason: of the experiment that makes this start.
        arguments: those that come after the runtime's own, so that they win.
        fault: of the model's folder, one of `testbed.vllm_cpu.model.FAULTS`; empty for a good one.
        variables: of the container, in place of those of the runtime; None where one is to be absent.
    """

    name: str
    reason: str
    arguments: tuple[str, ...] = ()
    fault: str = ""
    variables: Mapping[str, str | None] = field(default_factory=dict)


def _refused(name: str, *arguments: str) -> WrongStart:
    return WrongStart(name, "InvalidArguments", arguments)


def _model(name: str, fault: str, reason: str = "ModelNotReady", *arguments: str) -> WrongStart:
    return WrongStart(name, reason, arguments, fault)


WRONG_STARTS = (
    _refused("attn-bogus", "--attention-backend=FANCY"),
    _refused("batch-lt-seqs", "--max-num-batched-tokens=8", "--max-num-seqs=256"),
    _refused("block-7", "--block-size=7"),
    _refused("chat-template-missing", "--chat-template=/mnt/none.jinja"),
    _refused("comp-config-bogus", '--compilation-config={"mode": 9}'),
    _refused("dcp2", "--decode-context-parallel-size=2"),
    _refused("dtype-bogus", "--dtype=fp7"),
    _refused("ep-dense", "--enable-expert-parallel"),
    _refused("gguf-quant", "--quantization=gguf"),
    _refused("kv-fp8", "--kv-cache-dtype=fp8"),
    _refused("load-gguf", "--load-format=gguf"),
    _refused("lora-missing", "--enable-lora", "--lora-modules", "a=/mnt/none"),
    _refused("no-chunk-small-batch", "--max-num-batched-tokens=512", "--no-enable-chunked-prefill"),
    _refused("not-int", "--max-num-seqs=many"),
    _refused("pp2", "--pipeline-parallel-size=2"),
    _refused("prefix-hash", "--prefix-caching-hash-algo=md5"),
    _refused("quant-awq-unquantized", "--quantization=awq"),
    _refused("quant-fp8", "--quantization=fp8"),
    _refused("ray", "--distributed-executor-backend=ray"),
    _refused("seqs-0", "--max-num-seqs=0"),
    _refused("spec-bad-json", "--speculative-config={method: ngram"),
    _refused("spec-no-model", '--speculative-config={"model": "/mnt/models/draft", "num_speculative_tokens": 3}'),
    _refused("swap-space", "--swap-space=4"),
    _refused("too-long", "--max-model-len=100000"),
    _refused("tool-parser-bogus", "--enable-auto-tool-choice", "--tool-call-parser=bogus"),
    _refused("tp2-one-device", "--tensor-parallel-size=2"),
    _refused("tp3-heads", "--tensor-parallel-size=3"),
    _refused("unknown-flag", "--enable-turbo=3"),
    _refused("util-1.5", "--gpu-memory-utilization=1.5"),
    _refused("wrong-choice", "--kv-cache-dtype=int4"),
    WrongStart("port-in-use", "EngineCrashed", (f"--port={PORT_IN_USE}",)),
    WrongStart("kv-space-huge", "OutOfMemory", variables={"VLLM_CPU_KVCACHE_SPACE": "100000"}),
    WrongStart(
        "util-tiny", "OutOfMemory", ("--gpu-memory-utilization=0.001",), variables={"VLLM_CPU_KVCACHE_SPACE": None}
    ),
    _model("bad-arch", "unknown architecture", "ModelUnsupported"),
    _model("bad-type", "unknown model type", "ModelUnsupported"),
    _model("bad-json", "config cut short"),
    _model("empty-folder", "empty folder"),
    _model("no-folder", "no folder"),
    _model("no-tokenizer", "no tokenizer"),
    _model("no-weights", "", "ModelNotReady", *_FROM_FILES),
    _model("html-weights", "a web page as weights", "ModelNotReady", *_FROM_FILES),
    _model("pointer-weights", "pointers as weights", "ModelNotReady", *_FROM_FILES),
    _model("truncated-weights", "weights cut short", "ModelNotReady", *_FROM_FILES),
    _model("wrong-shape-weights", "weights of another shape", "ModelNotReady", *_FROM_FILES),
)
# Its worker is killed while it serves, as the kernel does where memory ends; vLLM itself then ends with exit code 0.
WORKER_KILLED = WrongStart("worker-killed", "OutOfMemory")
