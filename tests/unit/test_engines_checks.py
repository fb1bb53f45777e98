from __future__ import annotations

import pytest

from autotuner.api.parameters import SearchParameter
from autotuner.engines import Engine, get
from tests.unit.builders import make_parameters

SGLANG, VLLM, CUSTOM = get("SGLang"), get("VLLM"), get("Custom")
SET_BY_OPERATOR = "the flag is set by the operator"


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--tp-size=2", "--enable-metrics"],
        ["--tp-size", "2", "--lora-paths", "a", "b"],
        ["--chunked-prefill-size", "-1"],
        ["-tp", "2"],
        ['--json={"a": {"b": 1}}'],
        ["--path=$(MODEL_PATH)"],
    ],
)
@pytest.mark.parametrize("engine", [SGLANG, VLLM, CUSTOM])
def test_good_arguments_have_no_problems(engine: Engine, args: list[str]) -> None:
    assert engine.problems(args, "runtime.extraArgs") == []


@pytest.mark.parametrize(
    ("engine", "args", "want"),
    [
        (SGLANG, ["--a", "--b=1", "--tp-size="], 'extra[2]: "--tp-size=": a value is missing'),
        (SGLANG, ["--a=1", "word"], 'extra[1]: "word": not a flag: an argument begins with a dash'),
        (SGLANG, ["--"], 'extra[0]: "--": not a flag'),
        (SGLANG, [""], 'extra[0]: "": not a flag'),
        (SGLANG, ["--tp-size 2"], 'extra[0]: "--tp-size 2": flag and value are one argument: write --tp-size=2'),
        (SGLANG, ["--a={{ messages }}"], 'extra[0]: OME would expand "{{"'),
        (SGLANG, ["--a", "{{ messages }}"], 'extra[1]: OME would expand "{{"'),
        (SGLANG, ["--port=80"], f'extra[0]: "--port": {SET_BY_OPERATOR}; remove it'),
        (SGLANG, ["--port="], f'extra[0]: "--port=": {SET_BY_OPERATOR}; remove it'),
        (SGLANG, ["--host", "0.0.0.0"], f'extra[0]: "--host": {SET_BY_OPERATOR}; remove it'),
        (SGLANG, ["--model-path=x"], 'extra[0]: "--model-path": the flag is set by the operator; choose the model in'),
        (SGLANG, ["--model", "x"], 'extra[0]: "--model": the flag is set by the operator; choose the model in'),
        (SGLANG, ["--served_model_name=x"], f'extra[0]: "--served_model_name": {SET_BY_OPERATOR}'),
        (SGLANG, ["--api-key=x"], 'extra[0]: "--api-key": a key among the arguments is readable'),
        (VLLM, ["--model=x"], 'extra[0]: "--model": the flag is set by the operator; choose the model in'),
        (CUSTOM, ["--model-path=x"], 'extra[0]: "--model-path": the flag is set by the operator; choose the model in'),
        (CUSTOM, ["--model=x"], 'extra[0]: "--model": the flag is set by the operator; choose the model in'),
    ],
)
def test_a_bad_argument_is_named(engine: Engine, args: list[str], want: str) -> None:
    [problem] = engine.problems(args, "extra")
    assert problem.startswith(want)


@pytest.mark.parametrize(
    ("engine", "parameters", "fixed", "want"),
    [
        (SGLANG, make_parameters(port=[1, 2]), [], f"parameters[port]: {SET_BY_OPERATOR}; remove it"),
        (SGLANG, make_parameters(model=["a"]), [], f"parameters[model]: {SET_BY_OPERATOR}; choose the model in spec"),
        (
            SGLANG,
            make_parameters(tp=[1, 2], tp_size=[1, 2]),
            [],
            "parameters[tp-size]: is the same flag as parameters[tp]; remove one of them",
        ),
        (
            VLLM,
            make_parameters(enable_x=True, no_enable_x=True),
            [],
            "parameters[no-enable-x]: is the same flag as parameters[enable-x]; remove one of them",
        ),
        (
            SGLANG,
            make_parameters(tp_size=[1, 2]),
            ["--a", "1", "--tensor-parallel-size", "2"],
            "parameters[tp-size]: the flag is also in runtime.extraArgs[2]; remove one of them",
        ),
        (
            VLLM,
            make_parameters(tp=[1, 2]),
            [],
            "parameters[tp]: the engine knows this as -tp only; write tensor-parallel-size",
        ),
        (SGLANG, make_parameters(chat_template=["{{x}}"]), [], 'parameters[chat-template]: OME would expand "{{"'),
    ],
)
def test_a_bad_parameter_is_named(
    engine: Engine, parameters: list[SearchParameter], fixed: list[str], want: str
) -> None:
    [problem] = engine.parameter_problems(parameters, fixed)
    assert problem.startswith(want)


@pytest.mark.parametrize("engine", [SGLANG, VLLM, CUSTOM])
def test_good_parameters_have_no_problems(engine: Engine) -> None:
    parameters = make_parameters(tensor_parallel_size=[1, 2], schedule_policy=["lpm", "fcfs"], enable_x=True)
    assert engine.parameter_problems(parameters, ["--pp-size=1", "word"]) == []


def test_every_problem_is_told_at_once() -> None:
    assert len(SGLANG.parameter_problems(make_parameters(port=[1], host=["a"], tp=[1]), ["--tp=1"])) == 3
    assert len(SGLANG.problems(["--port=1", "--a=", "--b={{"], "extra")) == 3
