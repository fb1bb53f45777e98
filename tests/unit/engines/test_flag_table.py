"""The engines' flags as data: which version is meant, and what each flag takes."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path
from typing import Any

import pytest

from autotuner.api.common import EngineName
from autotuner.engines import get
from autotuner.engines.flag_table import STRICT, Flag, FlagTable, of_image

FACTS = {  # flags worth tuning, of facts that do not come from the engines' packages
    "SGLang": (
        "tp-size dp-size mem-fraction-static schedule-policy chunked-prefill-size max-running-requests"
        " max-prefill-tokens schedule-conservativeness cuda-graph-max-bs enable-mixed-chunk enable-torch-compile"
        " page-size attention-backend disable-radix-cache kv-cache-dtype speculative-algorithm"
    ),
    "VLLM": (
        "tensor-parallel-size pipeline-parallel-size data-parallel-size gpu-memory-utilization max-num-seqs"
        " max-num-batched-tokens enable-chunked-prefill no-enable-chunked-prefill enable-prefix-caching block-size"
        " kv-cache-dtype max-model-len scheduling-policy async-scheduling compilation-config"
    ),
}


def known(engine: EngineName, image: str = "") -> FlagTable:
    found = get(engine).table(image)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("engine", "name"), [(engine, name) for engine, names in FACTS.items() for name in names.split()]
)
def test_every_flag_worth_tuning_is_known(engine: EngineName, name: str) -> None:
    assert known(engine).find(name) is not None


@pytest.mark.parametrize("name", ["enable-chunked-prefill", "enable-mixed-chunking"])
def test_what_sglang_never_had_is_unknown(name: str) -> None:
    assert known("SGLang").find(name) is None


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("mirror/sglang:v0.5.0", "0.5.5"),
        ("mirror/sglang:v0.5.5", "0.5.5"),
        ("mirror/sglang:v0.5.5.post3-cu129", "0.5.5.post3"),
        ("mirror/sglang:v0.5.9", "0.5.5.post3"),
        ("mirror/sglang:0.10.1@sha256:0a1b", "0.10.0"),
        ("mirror/sglang:latest", "0.10.0"),
        ("autotuner/benchmark:0.1.0", "0.10.0"),
    ],
)
def test_the_newest_known_version_that_is_not_newer_is_meant(image: str, version: str) -> None:
    versions = [FlagTable("SGLang", one, (), STRICT) for one in ("0.5.5", "0.5.5.post3", "0.10.0")]
    found = of_image(versions, "sglang", image)

    assert found is not None
    assert found.version == version


def test_of_another_engine_nothing_is_known() -> None:
    assert get("Custom").table() is None


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("docker.io/lmsysorg/sglang:v0.5.5.post3-cu129-amd64", "0.5.5.post3"),
        ("docker.io/lmsysorg/sglang:latest", "0.5.5.post3"),
        ("registry:5000/sglang", "0.5.5.post3"),
        ("docker.io/lmsysorg/sglang:v0.1.0", "0.5.5.post3"),
        ("docker.io/lmsysorg/sglang:v9.9.9", "0.5.5.post3"),
        ("docker.io/lmsysorg/sglang@sha256:0123456789abcdef", "0.5.5.post3"),
    ],
)
def test_an_images_tag_tells_the_version(image: str, version: str) -> None:
    assert known("SGLang", image).version == version


VALUES: list[tuple[Flag, str, str | None]] = [
    (Flag("x", "int"), "-1", None),
    (Flag("x", "int"), "1.5", "1.5 is not a whole number"),
    (Flag("x", "float"), "0.85", None),
    (Flag("x", "float"), "1e-3", None),
    (Flag("x", "float"), "much", "much is not a number"),
    (Flag("x", "size"), "4k", None),
    (Flag("x", "size"), "1.5M", None),
    (Flag("x", "size"), "-1", None),
    (Flag("x", "size"), "some", "some is not a size; write a number, 4k or auto"),
    (Flag("x", "size", bounds={"ge": 1}), "4k", None),
    (Flag("x", "size", bounds={"ge": 1}), "0", "0 is out of range; it must be at least 1"),
    (Flag("x", "int", nullable=True, bounds={"ge": 1}), "None", None),
    (Flag("x", "int"), "None", "None is not a whole number"),
    (Flag("x", "str"), "anything", None),
    (Flag("x", "str", choices=("a", "b")), "b", None),
    (Flag("x", "str", choices=("a", "b")), "c", "c is none of its values; choose one of a, b"),
    (Flag("x", "int", bounds={"ge": 1}), "1", None),
    (Flag("x", "int", bounds={"ge": 1}), "0", "0 is out of range; it must be at least 1"),
    (Flag("x", "float", bounds={"gt": 0, "lt": 1}), "1", "1 is out of range; it must be above 0 and below 1"),
    (Flag("x", "float", bounds={"gt": 0, "le": 1}), "1", None),
]


@pytest.mark.parametrize(("flag", "text", "want"), VALUES)
def test_values(flag: Flag, text: str, want: str | None) -> None:
    assert flag.refuses(text) == want


def test_a_flag_is_found_by_any_spelling() -> None:
    vllm, sglang = known("VLLM"), known("SGLang")

    assert vllm.find("tp") == vllm.find("tensor_parallel_size") == vllm.find("tensor-parallel-size")
    assert vllm.find("no-enforce-eager") == vllm.find("enforce-eager")
    assert vllm.find("no-max-num-seqs") is None
    assert sglang.find("tp-size") == sglang.find("tensor-parallel-size")


def test_the_name_that_was_meant() -> None:
    assert known("SGLang").closest("enable-mixed-chunking") == "enable-mixed-chunk"
    assert known("SGLang").closest("mem-frac") == "mem-fraction-static"
    assert known("VLLM").closest("tpp") == "tensor-parallel-size"
    assert known("SGLang").closest("zzz") is None


@pytest.mark.parametrize(
    ("engine", "spelling", "want"),
    [
        ("SGLang", "--tp-size", True),
        ("SGLang", "--tp_size", False),
        ("SGLang", "-tp-size", False),
        ("SGLang", "--no-enable-mixed-chunk", False),
        ("SGLang", "-O3", False),
        ("VLLM", "-tp", True),
        ("VLLM", "--tp", False),
        ("VLLM", "--max_num_seqs", True),
        ("VLLM", "--no-enable-prefix-caching", True),
        ("VLLM", "--no-max-num-seqs", False),
        ("VLLM", "-cc.mode", True),
        ("VLLM", "-O3", True),
        ("VLLM", "-O9", False),
    ],
)
def test_spellings_are_those_of_the_engines_parser(engine: EngineName, spelling: str, want: bool) -> None:
    assert known(engine).takes(spelling) is want


def read(reader: str, *sources: str) -> dict[str, dict[str, Any]]:
    script = runpy.run_path(str(Path(__file__).parents[3] / "packaging" / "engine_flags.py"))
    return {flag.pop("name"): flag for flag in script[reader]([ast.parse(source) for source in sources])}


def test_sglangs_flags_are_read_out_of_its_parser() -> None:
    source = """
POLICIES = ["lpm", "fcfs"]
class ServerArgs:
    def add_cli_args(parser):
        parser.add_argument("--tensor-parallel-size", "--tp-size", type=int)
        parser.add_argument("--schedule-policy", type=str, choices=POLICIES)
        parser.add_argument("--grammar-backend", choices=computed())
        parser.add_argument("--enable-metrics", action="store_true")
        parser.add_argument("--cuda-graph-bs", type=int, nargs="+")
"""
    assert read("read_sglang", source) == {
        "tensor-parallel-size": {"kind": "int", "aliases": ["--tp-size"]},
        "schedule-policy": {"kind": "str", "choices": ["lpm", "fcfs"]},
        "grammar-backend": {"kind": "str"},
        "enable-metrics": {"kind": "switch"},
        "cuda-graph-bs": {"kind": "list"},
    }


def test_vllms_flags_are_read_out_of_its_configuration() -> None:
    arguments = """
class EngineArgs:
    def add_cli_args(parser):
        kwargs = get_kwargs(SomeConfig)
        parser.add_argument("--dtype", **kwargs["dtype"])
        parser.add_argument("--max-num-seqs", "-mns", **kwargs["max_num_seqs"])
        parser.add_argument("--max-model-len", **kwargs["max_model_len"])
        parser.add_argument("--enforce-eager", **kwargs["enforce_eager"])
        parser.add_argument("--backend", **kwargs["backend"])
        parser.add_argument("--inner", **kwargs["inner"])
        parser.add_argument("--disable-log-stats", action="store_true")
"""
    configuration = """
DType = Literal["auto", "half"]
class BaseFrontendArgs:
    chat_template: str | None = None
class FrontendArgs(BaseFrontendArgs):
    port: int = 8000
class SomeConfig:
    dtype: DType | None = None
    max_num_seqs: int = Field(default=8, ge=1)
    max_model_len: int = Field(default=None, ge=-1)
    enforce_eager: bool = False
    backend: DType | str = "auto"
    inner: OtherConfig = Field(default_factory=OtherConfig)
"""
    assert read("read_vllm", arguments, configuration) == {
        "chat-template": {"kind": "str", "nullable": True},
        "port": {"kind": "int"},
        "dtype": {"kind": "str", "choices": ["auto", "half"], "nullable": True},
        "max-num-seqs": {"kind": "int", "aliases": ["-mns"], "ge": 1},
        "max-model-len": {"kind": "size", "ge": -1},
        "enforce-eager": {"kind": "boolean"},
        "backend": {"kind": "str"},
        "inner": {"kind": "json"},
        "disable-log-stats": {"kind": "switch"},
    }
