"""The engines' flags as data: which version is meant, and what each flag takes."""

from __future__ import annotations

import pytest

from autotuner.api.common import EngineName
from autotuner.engines import flag_table, get
from autotuner.engines.flag_table import STRICT, Flag, FlagTable, nearest

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


def known(engine: EngineName, version: str = "") -> FlagTable:
    found = get(engine).at(version).table
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("engine", "name"), [(engine, name) for engine, names in FACTS.items() for name in names.split()]
)
def test_every_flag_worth_tuning_is_known(engine: EngineName, name: str) -> None:
    assert any(table.find(name) for table in get(engine).tables)


@pytest.mark.parametrize("name", ["enable-chunked-prefill", "enable-mixed-chunking"])
def test_what_sglang_never_had_is_unknown(name: str) -> None:
    assert known("SGLang").find(name) is None


@pytest.mark.parametrize(
    ("version", "want"),
    [
        ("", "0.10.0"),
        ("0.5.0", "0.5.5"),
        ("0.5.5", "0.5.5"),
        ("0.5.5.post3", "0.5.5.post3"),
        ("0.5.9", "0.5.5.post3"),
        ("0.10.1rc1", "0.10.0"),
        ("9.9.9", "0.10.0"),
    ],
)
def test_the_newest_known_version_that_is_not_newer_is_meant(version: str, want: str) -> None:
    versions = [FlagTable("SGLang", one, (), STRICT) for one in ("0.5.5", "0.5.5.post3", "0.10.0")]
    found = nearest(versions, version)

    assert found is not None
    assert found.version == want


def test_of_another_engine_nothing_is_known() -> None:
    assert get("Custom").table is None


VALUES: list[tuple[Flag, str, str | None]] = [
    (Flag("x", "int"), "-1", None),
    (Flag("x", "int"), "1.5", "1.5 is not a whole number"),
    (Flag("x", "float"), "0.85", None),
    (Flag("x", "float"), "1e-3", None),
    (Flag("x", "float"), "much", "much is not a number"),
    (Flag("x", "size", units=("k", "K")), "4k", None),
    (Flag("x", "size", units=("k", "K")), "1.5m", None),
    (Flag("x", "size", units=("k", "K")), "4M", None),
    (Flag("x", "size", units=("k", "K")), "4Ki", "4Ki is not a size; write a number, 4k, 4K"),
    (Flag("x", "size", units=("k", "Ki")), "4Ki", None),
    (Flag("x", "size", units=("k", "Ki")), "1.5M", None),
    (Flag("x", "size", units=("k", "Ki")), "4m", "4m is not a size; write a number, 4k, 4Ki"),
    (Flag("x", "size", units=("k", "Ki")), "4K", "4K is not a size; write a number, 4k, 4Ki"),
    (Flag("x", "size", auto=True), "auto", None),
    (Flag("x", "size", auto=True), "-1", None),
    (Flag("x", "size"), "auto", "auto is not a size; write a number"),
    (Flag("x", "size"), "some", "some is not a size; write a number"),
    (Flag("x", "size", units=("k",), bounds={"ge": 1}), "4k", None),
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


# What each release had when it was added, by its own parser.
COUNTS = {
    "SGLang": {
        "0.5.5.post3": 279,
        "0.5.9": 331,
        "0.5.12": 387,
        "0.5.15": 437,
        "0.5.18": 488,
        "0.5.20": 494,
        "0.5.23": 531,
    },
    "VLLM": {
        "0.11.2": 200,
        "0.15.1": 207,
        "0.20.1": 239,
        "0.24.0": 266,
        "0.28.0": 284,
        "0.32.0": 316,
        "0.33.0": 320,
    },
}


@pytest.mark.parametrize(("engine", "counts"), COUNTS.items())
def test_every_known_release_is_whole(engine: EngineName, counts: dict[str, int]) -> None:
    assert {table.version: len(table.flags) for table in get(engine).tables} == counts


def test_a_release_tells_what_differs_from_the_one_before() -> None:
    first = {"version": "1.0", "flags": [{"name": "a", "kind": "int"}, {"name": "b", "kind": "int"}]}
    second = {"version": "1.1rc1", "follows": "1.0", "gone": ["a"], "flags": [{"name": "c", "kind": "str"}]}
    third = {"version": "1.1", "follows": "1.1rc1", "gone": [], "flags": [{"name": "b", "kind": "float"}]}

    tables = flag_table.read([third, first, second], "Made up", {}, STRICT)

    assert [(one.version, {flag.name: flag.kind for flag in one.flags}) for one in tables] == [
        ("1.0", {"a": "int", "b": "int"}),
        ("1.1rc1", {"b": "int", "c": "str"}),
        ("1.1", {"b": "float", "c": "str"}),
    ]


def test_versions_are_ordered_as_python_orders_them() -> None:
    versions = ["0.5.5", "0.5.5.post1", "0.5.5.post3", "0.5.6.dev2", "0.5.6a1", "0.5.6rc1", "0.5.6", "0.5.10", "0.10.0"]
    assert sorted(versions, key=flag_table.order) == versions


def test_what_says_the_opposite_is_no_synonym() -> None:
    newest = known("VLLM", "0.33.0")

    assert newest.takes("--disable-prefix-caching")
    assert newest.find("disable-prefix-caching") == newest.find("enable-prefix-caching")
    assert newest.negates("disable-prefix-caching")
    assert not newest.negates("enable-prefix-caching")
    assert "disable-prefix-caching" not in newest.aliases
    assert not known("VLLM", "0.20.1").takes("--disable-prefix-caching")
