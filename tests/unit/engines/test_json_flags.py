"""JSON flags: JSON and parts of it become one value, and keys are checked before an engine does."""

from __future__ import annotations

import pytest

from autotuner.engines import get
from autotuner.engines.json_flags import keys_of, shipped
from autotuner.validation_messages import Kind
from tests.unit.builders import make_parameters

VLLM = get("VLLM")

JOINED: list[tuple[str, list[list[str]], list[str]]] = [
    (
        "a searched part and the runtime's JSON",
        [['--compilation-config={"mode":3}', "--max-num-seqs=8"], ["--compilation-config.cudagraph_mode=NONE"]],
        ['--compilation-config={"mode":3,"cudagraph_mode":"NONE"}', "--max-num-seqs=8"],
    ),
    (
        "searched JSON and the runtime's part",
        [["--compilation-config.cudagraph_mode=NONE"], ["--compilation-config", '{"mode": 0}']],
        ['--compilation-config={"mode":0,"cudagraph_mode":"NONE"}'],
    ),
    (
        "the later one wins: a part",
        [['--compilation-config={"mode":3}'], ["--compilation-config.mode=0"]],
        ['--compilation-config={"mode":0}'],
    ),
    (
        "the later one wins: JSON",
        [["--compilation-config.mode=0", "--seed=1"], ['--compilation-config={"mode":3}']],
        ["--seed=1", '--compilation-config={"mode":3}'],
    ),
    (
        "within one list, where the engine would take the part",
        [["--compilation-config.mode=0", '--compilation-config={"mode":3,"backend":"eager"}']],
        ['--compilation-config={"mode":0,"backend":"eager"}'],
    ),
    (
        "other spellings of both",
        [['-cc={"mode":3}'], ["--compilation_config.cudagraph_mode", "FULL"]],
        ['--compilation-config={"mode":3,"cudagraph_mode":"FULL"}'],
    ),
    (
        "a part of a part, and a part that adds to a list",
        [
            ['--compilation-config={"pass_config":{"fuse_norm_quant":true},"custom_ops":["all"]}'],
            ["--compilation-config.pass_config.eliminate_noops=false", "--compilation-config.custom_ops+=-rms_norm"],
        ],
        [
            '--compilation-config={"pass_config":{"fuse_norm_quant":true,"eliminate_noops":false},'
            '"custom_ops":["all","-rms_norm"]}'
        ],
    ),
    (
        "a number with a unit, which only parts may have",
        [['--kv-transfer-config={"kv_role":"kv_both"}'], ["--kv-transfer-config.kv_buffer_size=2k"]],
        ['--kv-transfer-config={"kv_role":"kv_both","kv_buffer_size":2000}'],
    ),
    (
        "parts alone stay as they are",
        [["--compilation-config.mode=3"], ["--compilation-config.cudagraph_mode=NONE"]],
        ["--compilation-config.mode=3", "--compilation-config.cudagraph_mode=NONE"],
    ),
    (
        "parts under two names, of which the engine would take those of one",
        [["-cc.mode=3"], ["--compilation_config.cudagraph_mode=NONE"]],
        ["--compilation-config.mode=3", "--compilation-config.cudagraph_mode=NONE"],
    ),
    (
        "what is no JSON object stays as it is",
        [["--compilation-config=3"], ["--compilation-config.mode=1"]],
        ["--compilation-config=3", "--compilation-config.mode=1"],
    ),
    (
        "a part of another flag",
        [['--compilation-config={"mode":3}'], ["--attention-config.backend=FLASHINFER"]],
        ['--compilation-config={"mode":3}', "--attention-config.backend=FLASHINFER"],
    ),
]


@pytest.mark.parametrize(("lists", "want"), [row[1:] for row in JOINED], ids=[row[0] for row in JOINED])
def test_json_and_its_parts_become_one_value(lists: list[list[str]], want: list[str]) -> None:
    assert VLLM.merge(*lists) == want


def test_an_engine_without_parts_keeps_names_with_dots() -> None:
    assert get("SGLang").merge(['--a={"b":1}'], ["--a.c=2"]) == ['--a={"b":1}', "--a.c=2"]


REFUSED: list[tuple[str, list[str], Kind, dict[str, object]]] = [
    (
        "a key that is misspelt",
        ['--compilation-config={"cudagraph_modes":"NONE"}'],
        Kind.JSON_KEY_MISSPELT,
        {"key": "cudagraph_modes", "meant": "cudagraph_mode", "flag": "compilation-config"},
    ),
    ("a key like no other", ['--kv-transfer-config={"zzz":1}'], Kind.JSON_KEY_UNKNOWN, {"key": "zzz"}),
    (
        "a part that is misspelt",
        ["--compilation-config.cudagraf_mode=NONE"],
        Kind.JSON_KEY_MISSPELT,
        {"key": "cudagraf_mode"},
    ),
    (
        "JSON that is none",
        ["--speculative-config={method: ngram"],
        Kind.VALUE_REFUSED,
        {"refusal": ("{method: ngram is not JSON: Expecting property name enclosed in double quotes at character 2")},
    ),
]


@pytest.mark.parametrize(("args", "kind", "details"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_an_engine_would_refuse_is_found(args: list[str], kind: Kind, details: dict[str, object]) -> None:
    (finding,) = VLLM.checker().arguments(args, "extra")

    assert (finding.field, finding.kind) == ("extra[0]", kind)
    assert details.items() <= finding.details.items()


def test_keys_of_searched_values_are_checked_too() -> None:
    searched = make_parameters(**{"speculative-config": ['{"method":"ngram"}', '{"methods":"ngram"}']})

    (finding,) = VLLM.checker().parameters(searched, [])

    assert (finding.field, finding.kind) == ("parameters[speculative-config]", Kind.JSON_KEY_MISSPELT)


@pytest.mark.parametrize("key", ["pass_config.anything", "custom_ops+", "mode"])
def test_keys_that_the_engine_takes_pass(key: str) -> None:
    assert list(VLLM.checker().arguments([f"--compilation-config.{key}=1"], "extra")) == []


def test_unknown_keys_may_be_allowed() -> None:
    args = ['--compilation-config={"cudagraph_modes":"NONE"}']

    assert list(VLLM.checker(allow_unknown=True).arguments(args, "extra")) == []


def test_keys_of_a_version_that_nobody_has_read_are_those_of_all_others() -> None:
    known = shipped("vllm")

    assert keys_of("0.33.0", known) == known["0.33.0"]
    assert keys_of("9.9", known)["compilation-config"] == (
        known["0.20.1"]["compilation-config"] | known["0.33.0"]["compilation-config"]
    )


SIZES = "--compilation-config.cudagraph_capture_sizes"


@pytest.mark.parametrize(
    ("command", "args", "found"),
    [
        (
            ['--compilation-config={"mode":3}'],
            ["--compilation-config.cudagraph_mode=NONE"],
            [("extra[0]", Kind.JSON_IN_COMMAND)],
        ),
        (["--compilation-config.mode=3"], ["--seed=1", '-cc={"mode":0}'], [("extra[1]", Kind.JSON_IN_COMMAND)]),
        ([f"{SIZES}=[1,2]"], [f"{SIZES}=[8]"], [("extra[0]", Kind.LIST_IN_COMMAND)]),
        ([f"{SIZES}=[1,2]"], ["--compilation-config.mode=3"], []),
        (["--compilation-config.mode=0"], ["--compilation-config.mode=3"], []),
        (['--compilation-config={"mode":3}'], ['--compilation-config={"mode":0}'], []),
        (["--compilation-config.mode=3"], ["--compilation-config.cudagraph_mode=NONE"], []),
        (["--seed=1"], ['--compilation-config={"mode":0}'], []),
        (["--compilation-config", "3"], ["--compilation-config.mode=0"], []),
    ],
)
def test_a_flag_split_over_command_and_arguments_is_found(
    command: list[str], args: list[str], found: list[tuple[str, Kind]]
) -> None:
    assert [(one.field, one.kind) for one in VLLM.split_json(command, args, "extra")] == found
