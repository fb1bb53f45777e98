"""Checks of flags: each finding names its field, its flag, and what to write instead."""

from __future__ import annotations

import pytest

from autotuner.api.parameters import SearchParameter
from autotuner.engines import Engine, get
from autotuner.validation_messages import Finding, Kind
from tests.unit.builders import make_parameters

SGLANG, VLLM, CUSTOM = get("SGLang"), get("VLLM"), get("Custom")

Details = dict[str, object]


def parameter(name: str, **how: object) -> SearchParameter:
    return SearchParameter.model_validate({"name": name, **how})


def of_arguments(engine: Engine, args: list[str], *, allow_unknown: bool = False) -> list[Finding]:
    return list(engine.checker(allow_unknown=allow_unknown).arguments(args, "extra"))


def of_parameters(
    engine: Engine, parameters: list[SearchParameter], fixed: list[str] | None = None, *, allow_unknown: bool = False
) -> list[Finding]:
    return list(engine.checker(allow_unknown=allow_unknown).parameters(parameters, fixed or []))


@pytest.mark.parametrize(
    ("engine", "args"),
    [
        (SGLANG, []),
        (SGLANG, ["--tp-size=2", "--enable-metrics"]),
        (SGLANG, ["--tp", "2", "--lora-paths", "a", "b"]),
        (SGLANG, ["--chunked-prefill-size", "-1"]),
        (SGLANG, ["--chat-template=$(MODEL_PATH)/x"]),
        (VLLM, ["-tp", "2", "--no-enable-prefix-caching"]),
        (VLLM, ["--max-num-batched-tokens=4k", "--max-model-len=auto", "--num-gpu-blocks-override=None"]),
        (VLLM, ["--compilation-config.mode=3", "-cc.backend", "eager", "-O3", "--api-server-count=2"]),
        (VLLM, ["-O", "2", "--max_num_seqs=8", "--no-enable_chunked_prefill"]),
        (VLLM, ['--compilation-config={"pass_config": {"b": 1}}', "--tensor_parallel_size=2"]),
        (CUSTOM, ["--anything=1", "-x", "y z"]),
    ],
)
def test_good_arguments_have_no_problems(engine: Engine, args: list[str]) -> None:
    assert of_arguments(engine, args) == []


BAD: list[tuple[Engine, list[str], str, str | None, Kind, Details]] = [
    (SGLANG, ["--tp-size="], "extra[0]", "--tp-size=", Kind.VALUE_MISSING, {}),
    (SGLANG, ["--tp-size"], "extra[0]", "--tp-size", Kind.VALUE_MISSING, {}),
    (SGLANG, ["--tp-size=1", "word"], "extra[1]", "word", Kind.NOT_A_FLAG, {}),
    (SGLANG, ["--"], "extra[0]", "--", Kind.NOT_A_FLAG, {}),
    (SGLANG, [""], "extra[0]", "", Kind.NOT_A_FLAG, {}),
    (
        SGLANG,
        ["--tp-size 2"],
        "extra[0]",
        "--tp-size 2",
        Kind.FLAG_MIXED_WITH_VALUE,
        {"meant": "--tp-size=2"},
    ),
    (SGLANG, ["--chat-template={{ messages }}"], "extra[0]", None, Kind.TEMPLATE_IN_VALUE, {}),
    (SGLANG, ["--chat-template", "{{ messages }}"], "extra[1]", None, Kind.TEMPLATE_IN_VALUE, {}),
    (SGLANG, ["--port=80"], "extra[0]", "--port", Kind.FLAG_RESERVED, {}),
    (SGLANG, ["--port="], "extra[0]", "--port=", Kind.FLAG_RESERVED, {}),
    (SGLANG, ["--model-path=x"], "extra[0]", "--model-path", Kind.FLAG_RESERVED, {}),
    (SGLANG, ["--model", "x"], "extra[0]", "--model", Kind.FLAG_RESERVED, {}),
    (SGLANG, ["--served_model_name=x"], "extra[0]", "--served_model_name", Kind.FLAG_RESERVED, {}),
    (SGLANG, ["--api-key=x"], "extra[0]", "--api-key", Kind.FLAG_RESERVED, {}),
    (VLLM, ["--model=x"], "extra[0]", "--model", Kind.FLAG_RESERVED, {}),
    (CUSTOM, ["--model-path=x"], "extra[0]", "--model-path", Kind.FLAG_RESERVED, {}),
    (
        SGLANG,
        ["--enable-mixed-chunking"],
        "extra[0]",
        "--enable-mixed-chunking",
        Kind.FLAG_MISSPELT,
        {"meant": "--enable-mixed-chunk"},
    ),
    (
        SGLANG,
        ["--enable-chunked-prefill"],
        "extra[0]",
        "--enable-chunked-prefill",
        Kind.FLAG_UNKNOWN,
        {},
    ),
    (
        VLLM,
        ["--schedule-policy=lpm"],
        "extra[0]",
        "--schedule-policy",
        Kind.FLAG_MISSPELT,
        {"meant": "--scheduling-policy"},
    ),
    (SGLANG, ["--tp-size=two"], "extra[0]", "--tp-size", Kind.VALUE_REFUSED, {"value": "two"}),
    (SGLANG, ["--tp-size=0"], "extra[0]", "--tp-size", Kind.VALUE_REFUSED, {"value": "0"}),
    (
        SGLANG,
        ["--mem-fraction-static=1"],
        "extra[0]",
        "--mem-fraction-static",
        Kind.VALUE_REFUSED,
        {"value": "1"},
    ),
    (
        SGLANG,
        ["--kv-cache-dtype=int4"],
        "extra[0]",
        "--kv-cache-dtype",
        Kind.VALUE_REFUSED,
        {"value": "int4"},
    ),
    (
        VLLM,
        ["--gpu-memory-utilization", "1.5"],
        "extra[0]",
        "--gpu-memory-utilization",
        Kind.VALUE_REFUSED,
        {"value": "1.5"},
    ),
    (SGLANG, ["--enable-mixed-chunk=true"], "extra[0]", "--enable-mixed-chunk", Kind.SWITCH_WITH_VALUE, {}),
    (
        SGLANG,
        ["--mem_fraction_static=0.8"],
        "extra[0]",
        "--mem_fraction_static",
        Kind.SPELLING_UNKNOWN,
        {"meant": "--mem-fraction-static"},
    ),
    (
        VLLM,
        ["--tp=2"],
        "extra[0]",
        "--tp",
        Kind.SPELLING_UNKNOWN,
        {"meant": "--tensor-parallel-size"},
    ),
    (SGLANG, ["-tp", "2"], "extra[0]", "-tp", Kind.SPELLING_UNKNOWN, {"meant": "--tp-size"}),
    (
        SGLANG,
        ["--mem-frac=0.8"],
        "extra[0]",
        "--mem-frac",
        Kind.FLAG_MISSPELT,
        {"meant": "--mem-fraction-static"},
    ),
    (
        VLLM,
        ["--no-disable-log-stats"],
        "extra[0]",
        "--no-disable-log-stats",
        Kind.FLAG_UNKNOWN,  # --disable-log-stats is the opposite
        {},
    ),
    (
        VLLM,
        ["--max-num-batched-tokens=auto"],
        "extra[0]",
        "--max-num-batched-tokens",
        Kind.VALUE_REFUSED,
        {"value": "auto"},
    ),
    (VLLM, ["--compilation-config.mode"], "extra[0]", "--compilation-config.mode", Kind.VALUE_MISSING, {}),
    (VLLM, ["--max-num-seqs.x=1"], "extra[0]", "--max-num-seqs.x", Kind.FLAG_MISSPELT, {"meant": "--max-num-seqs"}),
    (SGLANG, ["--tp-size", "1", "2"], "extra[0]", "--tp-size", Kind.VALUES_TOO_MANY, {"count": 2}),
]


@pytest.mark.parametrize(("engine", "args", "field", "argument", "kind", "details"), BAD)
def test_a_bad_argument_is_named(
    engine: Engine, args: list[str], field: str, argument: str | None, kind: Kind, details: Details
) -> None:
    [finding] = of_arguments(engine, args)

    assert (finding.field, finding.argument, finding.kind) == (field, argument, kind)
    assert finding.details.items() >= details.items()


@pytest.mark.parametrize(
    ("engine", "flag", "instead"),
    [
        (SGLANG, "--port", "the flag is set by the operator; remove it"),
        (CUSTOM, "--model-path", "the flag is set by the operator; choose the model in spec.model"),
        (VLLM, "--api-key", "a key among the arguments is readable by everyone who may see the pod; remove it"),
    ],
)
def test_a_reserved_flag_says_what_to_do_instead(engine: Engine, flag: str, instead: str) -> None:
    [finding] = of_arguments(engine, [f"{flag}=1"])

    assert finding.details == {"instead": instead}


def test_a_refused_value_says_why_and_by_which_version() -> None:
    [refused] = of_arguments(SGLANG, ["--mem-fraction-static=1"])
    [unknown] = of_arguments(VLLM, ["--schedule-policy=lpm"])

    assert refused.details["refusal"] == "1 is out of range; it must be above 0 and below 1"
    assert unknown.details["engine"] == "vLLM 0.33.0"


BAD_PARAMETERS: list[tuple[Engine, list[SearchParameter], list[str], str, Kind, Details]] = [
    (SGLANG, make_parameters(port=[1, 2]), [], "parameters[port]", Kind.FLAG_RESERVED, {}),
    (SGLANG, make_parameters(model=["a"]), [], "parameters[model]", Kind.FLAG_RESERVED, {}),
    (
        SGLANG,
        make_parameters(tp=[1, 2], tp_size=[1, 2]),
        [],
        "parameters[tp-size]",
        Kind.FLAG_SEARCHED_TWICE,
        {"other": "tp"},
    ),
    (
        VLLM,
        make_parameters(enable_prefix_caching=True, no_enable_prefix_caching=True),
        [],
        "parameters[no-enable-prefix-caching]",
        Kind.FLAG_SEARCHED_TWICE,
        {"other": "enable-prefix-caching"},
    ),
    (
        SGLANG,
        make_parameters(tp_size=[1, 2]),
        ["--page-size", "1", "--tensor-parallel-size", "2"],
        "parameters[tp-size]",
        Kind.FLAG_FIXED_TOO,
        {"index": 2},
    ),
    (
        VLLM,
        make_parameters(tp=[1, 2]),
        [],
        "parameters[tp]",
        Kind.SPELLING_UNKNOWN,
        {"meant": "tensor-parallel-size"},
    ),
    (
        SGLANG,
        make_parameters(chat_template=["{{x}}"]),
        [],
        "parameters[chat-template]",
        Kind.TEMPLATE_IN_VALUE,
        {},
    ),
    (
        SGLANG,
        make_parameters(enable_mixed_chunking=True),
        [],
        "parameters[enable-mixed-chunking]",
        Kind.FLAG_MISSPELT,
        {"meant": "enable-mixed-chunk"},
    ),
    (
        SGLANG,
        make_parameters(schedule_policy=["lpm", "lifo"]),
        [],
        "parameters[schedule-policy]",
        Kind.OFFER_REFUSED,
        {"part": "choices", "value": "lifo"},
    ),
    (
        SGLANG,
        make_parameters(mem_fraction_static=[0.5, 1]),
        [],
        "parameters[mem-fraction-static]",
        Kind.OFFER_REFUSED,
        {"part": "values", "value": 1},
    ),
    (
        SGLANG,
        make_parameters(tp_size=True),
        [],
        "parameters[tp-size]",
        Kind.TOGGLE_OF_VALUE,
        {},
    ),
    (
        SGLANG,
        make_parameters(enable_mixed_chunk=["true", "false"]),
        [],
        "parameters[enable-mixed-chunk]",
        Kind.VALUES_OF_SWITCH,
        {},
    ),
    (
        SGLANG,
        [parameter("page-size", range={"min": 1, "max": 64})],
        [],
        "parameters[page-size]",
        Kind.RANGE_NOT_WHOLE,
        {},
    ),
    (
        VLLM,
        [parameter("gpu-memory-utilization", range={"min": 0.5, "max": 1.5})],
        [],
        "parameters[gpu-memory-utilization]",
        Kind.OFFER_REFUSED,
        {"part": "range.max", "value": 1.5},
    ),
    (
        SGLANG,
        [parameter("drafts", variants=[{"name": "ngram", "args": ["--schedule-policy=ngram"]}])],
        [],
        "parameters[drafts].variants[ngram].args[0]",
        Kind.VALUE_REFUSED,
        {"value": "ngram"},
    ),
]


@pytest.mark.parametrize(("engine", "parameters", "fixed", "field", "kind", "details"), BAD_PARAMETERS)
def test_a_bad_parameter_is_named(
    engine: Engine, parameters: list[SearchParameter], fixed: list[str], field: str, kind: Kind, details: Details
) -> None:
    [finding] = of_parameters(engine, parameters, fixed)

    assert (finding.field, finding.kind) == (field, kind)
    assert finding.details.items() >= details.items()


@pytest.mark.parametrize(
    ("engine", "parameters"),
    [
        (SGLANG, make_parameters(tensor_parallel_size=[1, 2], schedule_policy=["lpm", "fcfs"])),
        (VLLM, make_parameters(tensor_parallel_size=[1, 2], enable_prefix_caching=True, block_size=[16, 32])),
        (CUSTOM, make_parameters(anything=[1, 2], whatever=True)),
    ],
)
def test_good_parameters_have_no_problems(engine: Engine, parameters: list[SearchParameter]) -> None:
    assert of_parameters(engine, parameters, ["--nnodes=1"]) == []


def test_what_is_unknown_passes_where_it_may() -> None:
    assert of_arguments(SGLANG, ["--brand-new=1"], allow_unknown=True) == []
    assert of_parameters(SGLANG, make_parameters(brand_new=[1, 2]), allow_unknown=True) == []
    assert of_arguments(SGLANG, ["--kv-cache-dtype=int4"], allow_unknown=True) == []
    assert of_parameters(SGLANG, make_parameters(page_size=["a"]), allow_unknown=True) == []
    assert len(of_arguments(SGLANG, ["--port=1"], allow_unknown=True)) == 1


def test_every_problem_is_told_at_once() -> None:
    assert len(of_parameters(SGLANG, make_parameters(port=[1], host=["a"], tp=[1]), ["--tp=1"])) == 3
    assert len(of_arguments(SGLANG, ["--port=1", "--page-size=", "--chat-template={{"])) == 3


def test_a_variant_must_not_set_what_is_fixed() -> None:
    drafts = parameter("drafts", variants=[{"name": "big", "args": ["--enable-mixed-chunk", "--tp=2"]}])

    assert of_parameters(SGLANG, [drafts], ["--page-size=1", "--tp-size=4"]) == [
        Finding("parameters[drafts].variants[big].args[1]", Kind.FLAG_FIXED_TOO, {"index": 1})
    ]


COMMANDS: list[tuple[Engine, list[str], SearchParameter, str]] = [
    (SGLANG, ["--tp-size=1"], parameter("tp-size", values=[1, 2]), ""),
    (SGLANG, ["--tp=1"], parameter("tp-size", values=[1, 2], allowUnset=True), "--tp-size"),
    (SGLANG, ["--page-size=1"], parameter("page-size", values=[1, 16], when="true"), "--page-size"),
    (SGLANG, ["--enable-mixed-chunk"], parameter("enable-mixed-chunk", toggle=True), "--enable-mixed-chunk"),
    (VLLM, ["--enable-prefix-caching"], parameter("enable-prefix-caching", toggle=True), ""),
    (
        SGLANG,
        ["--speculative-algorithm=NGRAM"],
        parameter("drafts", variants=[{"name": "none"}, {"name": "ngram", "args": ["--speculative-algorithm=NGRAM"]}]),
        "--speculative-algorithm",
    ),
    (
        SGLANG,
        ["--page-size=1"],
        parameter(
            "pages", variants=[{"name": "a", "args": ["--page-size=1"]}, {"name": "b", "args": ["--page-size=2"]}]
        ),
        "",
    ),
    (
        SGLANG,
        ["--page-size=1"],
        parameter("pages", variants=[{"name": "a", "args": ["--page-size=1"]}], when="true"),
        "--page-size",
    ),
    (
        VLLM,
        ["--enforce-eager"],
        parameter(
            "eager",
            variants=[{"name": "on", "args": ["--enforce-eager"]}, {"name": "off", "args": ["--no-enforce-eager"]}],
        ),
        "",
    ),
    (VLLM, ["--disable-log-stats"], parameter("disable-log-stats", toggle=True), "--disable-log-stats"),
]


@pytest.mark.parametrize(("engine", "command", "one", "flag"), COMMANDS)
def test_what_is_in_a_command_cannot_be_left_out(
    engine: Engine, command: list[str], one: SearchParameter, flag: str
) -> None:
    found = list(engine.in_command(["python3", "-m", "engine", *command], [one]))

    details = {"flag": flag.removeprefix("--")}
    assert found == ([Finding(f"parameters[{one.name}]", Kind.FLAG_IN_COMMAND, details)] if flag else [])


def test_words_may_leave_flags_out_too() -> None:
    left_out = {"parallelism": {"enable-dp-attention"}, "quantization": {"kv-cache-dtype"}}

    found = list(SGLANG.in_command(["engine", "--kv-cache-dtype=auto", "--tp=2"], [], left_out))

    assert found == [Finding("quantization", Kind.FLAG_IN_COMMAND, {"flag": "kv-cache-dtype"})]


def test_a_degree_in_the_command_counts_unless_it_is_overruled() -> None:
    assert SGLANG.accelerators([], ["--tp=4"]) == 4
    assert SGLANG.accelerators(["--tp-size=2"], ["--tp=4"]) == 2


def test_a_short_form_is_taken_where_it_begins_one_flag_only() -> None:
    assert of_arguments(SGLANG, ["--tp=2", "--dp=2", "--ep=2"]) == []
    [ambiguous] = of_arguments(SGLANG, ["--pp=2"])
    assert (ambiguous.kind, ambiguous.details["meant"]) == (Kind.SPELLING_UNKNOWN, "--pp-size")
