"""Quill, an engine that does not exist: all that a new engine brings, in one file."""

from __future__ import annotations

import re
from typing import cast

from autotuner.api.common import EngineName
from autotuner.engines import reserved
from autotuner.engines.arguments import Value
from autotuner.engines.combination_rules import Flags, is_on, number, rule
from autotuner.engines.diagnosis import LogPatterns
from autotuner.engines.engine import Engine, Start
from autotuner.engines.flag_table import FlagDocument, Leniency
from autotuner.engines.idle_flags import idle_while
from autotuner.engines.memory import MemoryFlags
from autotuner.engines.model_rules import ModelConfig, heads_split, model_rule, whole_degree
from autotuner.engines.parallelism import ParallelismFlags, WordFlag, Words, degree
from autotuner.engines.quantization import QuantizationFlags, Said
from autotuner.engines.start_points import FP8_WORDS, Advice

NAME = cast(EngineName, "Quill")

_FLAGS: list[FlagDocument] = [
    {
        "version": "1.2.0",
        "flags": [
            {"name": "shards", "kind": "int", "aliases": ["-s"]},
            {"name": "stages", "kind": "int"},
            {"name": "copies", "kind": "int"},
            {"name": "inner-copies", "kind": "switch"},
            {"name": "batch-limit", "kind": "int", "ge": 1},
            {"name": "chunk", "kind": "int"},
            {"name": "graph-size", "kind": "int"},
            {"name": "share", "kind": "float", "gt": 0},
            {"name": "shrink", "kind": "str", "choices": ["fp8", "int4"]},
            {"name": "cache", "kind": "str", "choices": ["wide", "fp8_e4m3"]},
            {"name": "eager", "kind": "boolean"},
        ],
    },
    {"version": "1.1.0", "flags": [{"name": "shards", "kind": "int"}]},
]


def _chunks(flags: Flags) -> str | None:
    limit, chunk = number(flags, "batch-limit"), number(flags, "chunk")
    if limit is not None and chunk is not None and chunk < limit:
        return f"chunk ({chunk:g}) must not be below batch-limit ({limit:g})"
    return None


def _heads(flags: Flags, model: ModelConfig) -> str | None:
    return heads_split(model, whole_degree(flags, "shards"), "shards")


def _refuse_parallelism(said: Words) -> str | None:
    shards, stages = degree(said, "tensor"), degree(said, "pipeline")
    return f"Quill cannot have more stages ({stages}) than shards ({shards})" if stages > shards else None


def _write_quantization(said: Said) -> dict[str, Value]:
    found: dict[str, Value] = {}
    if said.get("weights") == "fp8":
        found["shrink"] = "fp8"
    if "kvCache" in said:
        found["cache"] = said["kvCache"]
    return found


def _refuse_quantization(said: Said) -> str | None:
    cache = said.get("kvCache", "fp8_e4m3")
    return f"kvCache {cache}: Quill takes fp8_e4m3" if cache != "fp8_e4m3" else None


QUILL = Engine(
    name=NAME,
    version="",
    earlier=(),
    label="Quill",
    package="quill",
    start=Start((("quill", "up"),), by_image=False, key_variable="", port=7000),
    client_backend="openai",
    cache_flush="/forget",
    version_calls=("/about",),
    ignores_end_of_text=False,
    text_sensitive=("draft",),
    prefix_sensitive=(),
    flag_documents=lambda: _FLAGS,
    json_keys=dict,
    flag_bounds={"share": {"gt": 0, "lt": 1}},
    leniency=Leniency(underscores=True, json_parts=False, one_word=re.compile(r"-Q[0-9]")),
    negatable=True,
    aliases={"width": "shards"},
    degrees=("shards", "stages", "copies"),
    folded={"inner-copies": "copies"},
    reserved={"listen": reserved.OPERATORS_OWN, "weights": reserved.MODEL},
    defaults={"shards": 1},
    typical=lambda _: {"batch-limit": 32},
    rules=(rule("chunks", _chunks, "batch-limit", "chunk"),),
    model_rules=(model_rule("heads", _heads, "shards"),),
    context="",
    idle=(idle_while(lambda flags: is_on(flags, "eager"), ["eager"], "graph-size"),),
    advice=Advice(
        wanted={
            "throughput": {**FP8_WORDS, "batch-limit": 128.0},
            "latency": {"batch-limit": 16.0},
            "slo": {"batch-limit": 64.0},
        },
        tensor=("shards",),
        at_least={"graph-size": "batch-limit"},
    ),
    worth_tuning=(),
    memory=MemoryFlags(
        fraction="share", default_fraction=0.9, dtype="", quantization="shrink", splits=("shards", "stages")
    ),
    parallelism=ParallelismFlags(
        words={"tensor": WordFlag("shards"), "pipeline": WordFlag("stages"), "data": WordFlag("copies")},
        not_offered={"expert": "Quill does not offer expert"},
        exchanged={},
        refuse=_refuse_parallelism,
    ),
    quantization=QuantizationFlags(
        touches={"weights": ("shrink",), "kvCache": ("cache",)},
        write=_write_quantization,
        refuse=_refuse_quantization,
        numerics=frozenset({"shrink", "cache"}),
    ),
    log_patterns=LogPatterns(
        decorations=(re.compile(r"<quill> "),),
        argument_modules=(re.compile(r"quill/desk\.py"),),
        fatal=(),
        echo=(re.compile(r"as told above"),),
        peer=(),
        out_of_memory=(re.compile(r"inkwell is empty"),),
        broken_model=(re.compile(r"no feather in"),),
        unsupported_model=(re.compile(r"feathers of \w+ are not cut here"),),
        crash=(re.compile(r"the nib broke"),),
        kills_itself=(re.compile(r"Quill lays itself down"),),
        draft_modules=(),
        notes=(re.compile(r"writing with the left hand"),),
        version=(re.compile(r"^quill no. (\d+)"),),
    ),
)
