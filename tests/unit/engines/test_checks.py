"""What is told wrong about flags: each finding names its field, its flag, and what to write instead."""

from __future__ import annotations

import pytest

from autotuner.api.parameters import SearchParameter
from autotuner.engines import Engine, get
from tests.unit.builders import make_parameters

SGLANG, VLLM, CUSTOM = get("SGLang"), get("VLLM"), get("Custom")
SET_BY_OPERATOR = "the flag is set by the operator"
UNKNOWN = " (if your image's engine has it, set runtime.allowUnknownFlags: true)"


def parameter(name: str, **how: object) -> SearchParameter:
    return SearchParameter.model_validate({"name": name, **how})


def argument_findings(engine: Engine, args: list[str], *, allow_unknown: bool = False) -> list[tuple[str, str]]:
    found = engine.checker(allow_unknown=allow_unknown).arguments(args, "extra")
    return [(finding.reason, finding.message) for finding in found]


def parameter_findings(
    engine: Engine, parameters: list[SearchParameter], fixed: list[str] | None = None, *, allow_unknown: bool = False
) -> list[tuple[str, str]]:
    found = engine.checker(allow_unknown=allow_unknown).parameters(parameters, fixed or [])
    return [(finding.reason, finding.message) for finding in found]


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
        (VLLM, ["--compilation-config.mode=3", "-cc.level", "3", "-O3", "--api-server-count=2"]),
        (VLLM, ["-O", "2", "--max_num_seqs=8", "--no-enable_chunked_prefill"]),
        (VLLM, ['--compilation-config={"a": {"b": 1}}', "--tensor_parallel_size=2"]),
        (CUSTOM, ["--anything=1", "-x", "y z"]),
    ],
)
def test_good_arguments_have_no_problems(engine: Engine, args: list[str]) -> None:
    assert argument_findings(engine, args) == []


BAD: list[tuple[Engine, list[str], str, str]] = [
    (SGLANG, ["--tp-size="], "InvalidSpec", 'extra[0]: "--tp-size=": a value is missing'),
    (SGLANG, ["--tp-size"], "InvalidSpec", 'extra[0]: "--tp-size": a value is missing'),
    (SGLANG, ["--tp-size=1", "word"], "InvalidSpec", 'extra[1]: "word": not a flag: an argument begins with a dash'),
    (SGLANG, ["--"], "InvalidSpec", 'extra[0]: "--": not a flag'),
    (SGLANG, [""], "InvalidSpec", 'extra[0]: "": not a flag'),
    (
        SGLANG,
        ["--tp-size 2"],
        "InvalidSpec",
        'extra[0]: "--tp-size 2": flag and value are one argument: write --tp-size=2',
    ),
    (SGLANG, ["--chat-template={{ messages }}"], "InvalidSpec", 'extra[0]: OME would expand "{{"'),
    (SGLANG, ["--chat-template", "{{ messages }}"], "InvalidSpec", 'extra[1]: OME would expand "{{"'),
    (SGLANG, ["--port=80"], "ReservedFlag", f'extra[0]: "--port": {SET_BY_OPERATOR}; remove it'),
    (SGLANG, ["--port="], "ReservedFlag", f'extra[0]: "--port=": {SET_BY_OPERATOR}; remove it'),
    (SGLANG, ["--model-path=x"], "ReservedFlag", 'extra[0]: "--model-path": the flag is set by the operator; choose'),
    (SGLANG, ["--model", "x"], "ReservedFlag", 'extra[0]: "--model": the flag is set by the operator; choose'),
    (SGLANG, ["--served_model_name=x"], "ReservedFlag", f'extra[0]: "--served_model_name": {SET_BY_OPERATOR}'),
    (SGLANG, ["--api-key=x"], "ReservedFlag", 'extra[0]: "--api-key": a key among the arguments is readable'),
    (VLLM, ["--model=x"], "ReservedFlag", 'extra[0]: "--model": the flag is set by the operator; choose'),
    (CUSTOM, ["--model-path=x"], "ReservedFlag", 'extra[0]: "--model-path": the flag is set by the operator; choose'),
    (
        SGLANG,
        ["--enable-mixed-chunking"],
        "UnknownFlag",
        'extra[0]: "--enable-mixed-chunking": SGLang 0.5.5.post3 has no such flag; did you mean --enable-mixed-chunk?'
        + UNKNOWN,
    ),
    (
        SGLANG,
        ["--enable-chunked-prefill"],
        "UnknownFlag",
        'extra[0]: "--enable-chunked-prefill": SGLang 0.5.5.post3 has no such flag',
    ),
    (
        VLLM,
        ["--schedule-policy=lpm"],
        "UnknownFlag",
        'extra[0]: "--schedule-policy": vLLM 0.20.1 has no such flag; did you mean --scheduling-policy?' + UNKNOWN,
    ),
    (SGLANG, ["--tp-size=two"], "InvalidSpec", 'extra[0]: "--tp-size": two is not a whole number'),
    (SGLANG, ["--tp-size=0"], "InvalidSpec", 'extra[0]: "--tp-size": 0 is out of range; it must be at least 1'),
    (
        SGLANG,
        ["--mem-fraction-static=1"],
        "InvalidSpec",
        'extra[0]: "--mem-fraction-static": 1 is out of range; it must be above 0 and below 1',
    ),
    (
        SGLANG,
        ["--kv-cache-dtype=int4"],
        "InvalidSpec",
        'extra[0]: "--kv-cache-dtype": int4 is none of its values; choose one of auto, fp8_e5m2, fp8_e4m3',
    ),
    (
        VLLM,
        ["--gpu-memory-utilization", "1.5"],
        "InvalidSpec",
        'extra[0]: "--gpu-memory-utilization": 1.5 is out of range; it must be above 0 and at most 1',
    ),
    (SGLANG, ["--enable-mixed-chunk=true"], "InvalidSpec", 'extra[0]: "--enable-mixed-chunk": it is a switch'),
    (
        SGLANG,
        ["--mem_fraction_static=0.8"],
        "InvalidSpec",
        'extra[0]: "--mem_fraction_static": SGLang 0.5.5.post3 does not know this spelling; write --mem',
    ),
    (
        VLLM,
        ["--tp=2"],
        "InvalidSpec",
        'extra[0]: "--tp": vLLM 0.20.1 does not know this spelling; write --tensor-parallel-size',
    ),
    (SGLANG, ["-tp", "2"], "InvalidSpec", 'extra[0]: "-tp": SGLang 0.5.5.post3 does not know this spelling'),
    (
        SGLANG,
        ["--mem-frac=0.8"],
        "UnknownFlag",
        'extra[0]: "--mem-frac": SGLang 0.5.5.post3 has no such flag; did you mean --mem-fraction-static?',
    ),
    (
        VLLM,
        ["--no-disable-log-stats"],
        "UnknownFlag",
        'extra[0]: "--no-disable-log-stats": vLLM 0.20.1 has no such flag; did you mean --disable-log-stats?',
    ),
    (
        VLLM,
        ["--max-num-batched-tokens=auto"],
        "InvalidSpec",
        'extra[0]: "--max-num-batched-tokens": auto is out of range; it must be at least 1',
    ),
    (VLLM, ["--compilation-config.mode"], "InvalidSpec", 'extra[0]: "--compilation-config.mode": a value is missing'),
    (VLLM, ["--max-num-seqs.x=1"], "UnknownFlag", 'extra[0]: "--max-num-seqs.x": vLLM 0.20.1 has no such flag'),
    (SGLANG, ["--tp-size", "1", "2"], "InvalidSpec", 'extra[0]: "--tp-size": it takes one value, not 2'),
]


@pytest.mark.parametrize(("engine", "args", "reason", "message"), BAD)
def test_a_bad_argument_is_named(engine: Engine, args: list[str], reason: str, message: str) -> None:
    [finding] = argument_findings(engine, args)

    assert finding[0] == reason
    assert finding[1].startswith(message)


BAD_PARAMETERS: list[tuple[Engine, list[SearchParameter], list[str], str, str]] = [
    (SGLANG, make_parameters(port=[1, 2]), [], "ReservedFlag", f"parameters[port]: {SET_BY_OPERATOR}; remove it"),
    (SGLANG, make_parameters(model=["a"]), [], "ReservedFlag", f"parameters[model]: {SET_BY_OPERATOR}; choose"),
    (
        SGLANG,
        make_parameters(tp=[1, 2], tp_size=[1, 2]),
        [],
        "InvalidSpec",
        "parameters[tp-size]: is the same flag as parameters[tp]; remove one of them",
    ),
    (
        VLLM,
        make_parameters(enable_prefix_caching=True, no_enable_prefix_caching=True),
        [],
        "InvalidSpec",
        "parameters[no-enable-prefix-caching]: is the same flag as parameters[enable-prefix-caching]; remove one",
    ),
    (
        SGLANG,
        make_parameters(tp_size=[1, 2]),
        ["--page-size", "1", "--tensor-parallel-size", "2"],
        "InvalidSpec",
        "parameters[tp-size]: the flag is also in runtime.extraArgs[2]; remove one of them",
    ),
    (
        VLLM,
        make_parameters(tp=[1, 2]),
        [],
        "InvalidSpec",
        "parameters[tp]: vLLM 0.20.1 does not know this spelling; write tensor-parallel-size",
    ),
    (
        SGLANG,
        make_parameters(chat_template=["{{x}}"]),
        [],
        "InvalidSpec",
        'parameters[chat-template]: OME would expand "{{"',
    ),
    (
        SGLANG,
        make_parameters(enable_mixed_chunking=True),
        [],
        "UnknownFlag",
        "parameters[enable-mixed-chunking]: SGLang 0.5.5.post3 has no such flag; did you mean enable-mixed-chunk?",
    ),
    (
        SGLANG,
        make_parameters(schedule_policy=["lpm", "lifo"]),
        [],
        "InvalidSpec",
        "parameters[schedule-policy]: choices: lifo is none of its values; choose one of lpm, random, fcfs",
    ),
    (
        SGLANG,
        make_parameters(mem_fraction_static=[0.5, 1]),
        [],
        "InvalidSpec",
        "parameters[mem-fraction-static]: values: 1 is out of range; it must be above 0 and below 1",
    ),
    (
        SGLANG,
        make_parameters(tp_size=True),
        [],
        "InvalidSpec",
        "parameters[tp-size]: the flag takes a value and cannot be toggled; use values or choices",
    ),
    (
        SGLANG,
        make_parameters(enable_mixed_chunk=["true", "false"]),
        [],
        "InvalidSpec",
        "parameters[enable-mixed-chunk]: the flag is a switch and takes no value; use toggle: true",
    ),
    (
        SGLANG,
        [parameter("page-size", range={"min": 1, "max": 64})],
        [],
        "InvalidSpec",
        "parameters[page-size]: the flag takes whole numbers; write range.type: Integer",
    ),
    (
        VLLM,
        [parameter("gpu-memory-utilization", range={"min": 0.5, "max": 1.5})],
        [],
        "InvalidSpec",
        "parameters[gpu-memory-utilization]: range.max: 1.5 is out of range; it must be above 0 and at most 1",
    ),
    (
        SGLANG,
        [parameter("drafts", variants=[{"name": "ngram", "args": ["--speculative-algorithm=NGRAMS"]}])],
        [],
        "InvalidSpec",
        'parameters[drafts].variants[ngram].args[0]: "--speculative-algorithm": NGRAMS is none of its values',
    ),
]


@pytest.mark.parametrize(("engine", "parameters", "fixed", "reason", "message"), BAD_PARAMETERS)
def test_a_bad_parameter_is_named(
    engine: Engine, parameters: list[SearchParameter], fixed: list[str], reason: str, message: str
) -> None:
    [finding] = parameter_findings(engine, parameters, fixed)

    assert finding[0] == reason
    assert finding[1].startswith(message)


@pytest.mark.parametrize(
    ("engine", "parameters"),
    [
        (SGLANG, make_parameters(tensor_parallel_size=[1, 2], schedule_policy=["lpm", "fcfs"])),
        (VLLM, make_parameters(tensor_parallel_size=[1, 2], enable_prefix_caching=True, block_size=[16, 32])),
        (CUSTOM, make_parameters(anything=[1, 2], whatever=True)),
    ],
)
def test_good_parameters_have_no_problems(engine: Engine, parameters: list[SearchParameter]) -> None:
    assert parameter_findings(engine, parameters, ["--nnodes=1"]) == []


def test_what_is_unknown_passes_where_it_may() -> None:
    assert argument_findings(SGLANG, ["--brand-new=1"], allow_unknown=True) == []
    assert parameter_findings(SGLANG, make_parameters(brand_new=[1, 2]), allow_unknown=True) == []
    assert len(argument_findings(SGLANG, ["--kv-cache-dtype=int4"], allow_unknown=True)) == 1


def test_every_problem_is_told_at_once() -> None:
    assert len(parameter_findings(SGLANG, make_parameters(port=[1], host=["a"], tp=[1]), ["--tp=1"])) == 3
    assert len(argument_findings(SGLANG, ["--port=1", "--page-size=", "--chat-template={{"])) == 3


def test_a_variant_must_not_set_what_is_fixed() -> None:
    drafts = parameter("drafts", variants=[{"name": "big", "args": ["--enable-mixed-chunk", "--tp=2"]}])

    assert parameter_findings(SGLANG, [drafts], ["--page-size=1", "--tp-size=4"]) == [
        (
            "InvalidSpec",
            "parameters[drafts].variants[big].args[1]: the flag is also in runtime.extraArgs[1]; remove one of them",
        )
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

    assert len(found) == bool(flag)
    assert all(message.startswith(f"parameters[{one.name}]: some configurations") for message in found)
    assert all(f"leave out {flag}, but the runtime's command sets it" in message for message in found)


def test_words_may_leave_flags_out_too() -> None:
    left_out = {"parallelism": {"enable-dp-attention"}, "quantization": {"kv-cache-dtype"}}

    [message] = SGLANG.in_command(["engine", "--kv-cache-dtype=auto", "--tp=2"], [], left_out)

    assert message.startswith("quantization: some configurations leave out --kv-cache-dtype")


def test_a_degree_in_the_command_counts_unless_it_is_overruled() -> None:
    assert SGLANG.accelerators([], ["--tp=4"]) == 4
    assert SGLANG.accelerators(["--tp-size=2"], ["--tp=4"]) == 2
