"""The simulated vLLM refuses what the real one refused, with the real one's words."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from autotuner import engines
from autotuner.api.common import EngineName
from autotuner.simulator.config import Dialect, StartupError
from autotuner.simulator.faults import model_missing
from autotuner.simulator.flags import parse
from tests.realengine import corpus
from tests.realengine.wrong_starts import WRONG_STARTS, WrongStart

MODEL = "/models/mistral-7b-instruct"
LOGS = {one.name: one.log for one in corpus.read()}
# What only a real engine does: it opens a port and files, asks for adapters, templates and parsers, and has a CPU.
_BEYOND = {
    *("chat-template-missing", "kv-fp8", "lora-missing", "pp2", "port-in-use", "quant-fp8", "ray", "spec-no-model"),
    *("tool-parser-bogus", "tp2-one-device", "comp-config-bogus"),
}
_CASES = [case for case in WRONG_STARTS if case.reason == "InvalidArguments" and case.name not in _BEYOND]


def kind_of(words: str) -> str:
    """Words without what differs between two models and devices: numbers, addresses, whose kernels."""
    words = re.sub(r"0x[0-9a-f]+", "N", words)
    words = re.sub(r"\b[A-Z]+_ATTN: ", "ATTN: ", words)
    return re.sub(r"\d+", "N", words).replace("validation errors", "validation error").strip()


def refusal(case: WrongStart, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that say what is wrong, details of the parser's internals cut off."""
    try:
        parse(["--dialect", "vllm", "--model", MODEL, *case.arguments])
    except StartupError as refused:
        lines = list(refused.lines)
    except SystemExit as refused:
        assert refused.code == 2
        lines = capsys.readouterr().err.splitlines()[-1:]
    else:
        raise AssertionError("it starts")
    said = [
        line.partition(" [type=")[0] for line in lines if re.search(r"error: |Error: |Value error|Input should", line)
    ]
    return [kind_of(line) for line in said if "initialization failed" not in line and line]


@pytest.mark.parametrize("case", _CASES, ids=[case.name for case in _CASES])
def test_the_words_are_the_real_ones(case: WrongStart, capsys: pytest.CaptureFixture[str]) -> None:
    real = kind_of(LOGS[case.name])
    said = refusal(case, capsys)
    assert said
    assert [line for line in said if line.rstrip(".") not in real] == []


def test_a_missing_model_is_told_in_the_real_words() -> None:
    path = "/mnt/models/empty-folder-1"
    real = LOGS["empty-folder"]
    said = model_missing("vllm", path).lines

    assert [line for line in said if line.partition("input_value")[0] not in real] == []
    assert path in said[2]


@pytest.mark.parametrize("dialect", get_args(Dialect))
def test_a_missing_model_is_diagnosed_as_that(dialect: Dialect) -> None:
    name: EngineName = "SGLang" if dialect == "sglang" else "VLLM"
    found = engines.get(name).diagnose("\n".join(model_missing(dialect, "/models/x").lines), 1)

    assert found is not None
    assert found.reason == "ModelNotReady"
    assert "/models/x" in found.line
