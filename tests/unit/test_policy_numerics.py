"""Which of the winner's flags may have changed the answers."""

from __future__ import annotations

import pytest

from autotuner import engines
from autotuner.policy import numerics

CASES = [
    ("nothing differs", ["--dtype=bfloat16"], ["--dtype=bfloat16"], []),
    ("only speed", ["--tp-size=2", "--schedule-policy=lpm"], ["--tp-size=1"], []),
    ("a smaller cache", ["--kv-cache-dtype=fp8_e5m2"], [], ["kv-cache-dtype"]),
    ("said otherwise", ["--dtype=float16"], ["--dtype", "bfloat16"], ["dtype"]),
    ("said in another form", ["--dtype=float16"], ["--dtype", "float16"], []),
    ("auto is what nothing means", ["--kv-cache-dtype=auto"], [], []),
    ("taken away", [], ["--quantization=fp8"], ["quantization"]),
    ("several", ["--quantization=fp8", "--kv-cache-dtype=fp8_e4m3"], [], ["kv-cache-dtype", "quantization"]),
]


@pytest.mark.parametrize(("args", "baseline", "changed"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_flags_that_change_answers_are_named(args: list[str], baseline: list[str], changed: list[str]) -> None:
    assert numerics.changed(engines.get("SGLang"), args, baseline) == changed
