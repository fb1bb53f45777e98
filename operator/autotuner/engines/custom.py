"""Any other engine: its flags are passed on as they are; only parallelism and the reserved flags are understood."""

from __future__ import annotations

from autotuner.engines import flag_table, reserved
from autotuner.engines.arguments import Value
from autotuner.engines.engine import Engine, Start
from autotuner.engines.memory import MemoryFlags
from autotuner.engines.parallelism import ParallelismFlags, Words
from autotuner.engines.quantization import QuantizationFlags, Said
from autotuner.engines.sglang import SGLANG
from autotuner.engines.start_points import Advice
from autotuner.engines.vllm import VLLM


def _refuse_parallelism(_: Words) -> str | None:
    return "engine Custom has no flags for parallelism that are known; write them as parameters"


def _refuse_quantization(_: Said) -> str | None:
    return "engine Custom has no flags for quantization that are known; write them as parameters"


def _write_quantization(_: Said) -> dict[str, Value]:
    return {}


CUSTOM = Engine(
    name="Custom",
    version="",
    earlier=(),
    label="Custom",
    package="",
    start=Start((), by_image=False, key_variable="", port=8000),
    client_backend="openai",
    cache_flush="",
    version_calls=(),
    ignores_end_of_text=False,
    text_sensitive=("speculative",),
    prefix_sensitive=("radix-cache", "prefix-caching"),
    flag_documents=tuple,
    json_keys=dict,
    flag_bounds={},
    leniency=flag_table.STRICT,
    negatable=False,
    aliases={
        "tp": "tp-size",
        "tensor-parallel-size": "tp-size",
        "pp": "pp-size",
        "pipeline-parallel-size": "pp-size",
        "dp": "dp-size",
        "data-parallel-size": "dp-size",
    },
    degrees=("tp-size", "pp-size", "dp-size"),
    folded={},
    reserved={
        "host": reserved.OPERATORS_OWN,
        "port": reserved.OPERATORS_OWN,
        "model": reserved.MODEL,
        "model-path": reserved.MODEL,
        "served-model-name": reserved.OPERATORS_OWN,
        "api-key": reserved.SECRET,
    },
    defaults={},
    typical=lambda _: {},
    rules=(),
    model_rules=(),
    context="",
    idle=(),
    advice=Advice(
        wanted={"throughput": {}, "latency": {}, "slo": {}},
        tensor=("tp-size", "tensor-parallel-size", "tp"),
        at_least={},
    ),
    worth_tuning=(),
    memory=MemoryFlags(fraction="", default_fraction=None, dtype="dtype", quantization="quantization", splits=()),
    parallelism=ParallelismFlags(words={}, not_offered={}, exchanged={}, refuse=_refuse_parallelism),
    quantization=QuantizationFlags(
        touches={},
        write=_write_quantization,
        refuse=_refuse_quantization,
        numerics=SGLANG.quantization.numerics | VLLM.quantization.numerics,
    ),
    # Many are forks or wrappers of the two.
    log_patterns=VLLM.log_patterns | SGLANG.log_patterns,
)
