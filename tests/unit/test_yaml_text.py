"""What is written for kubectl means to it what was meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from autotuner import yaml_text
from autotuner.cli import kubectl_yaml

WORDS: list[list[Any]] = json.loads((Path(__file__).parents[1] / "data" / "kubectl-yaml.json").read_text())
TEXTS = [
    *(row[0] for row in WORDS),
    "",
    "y",
    "n",
    "1e-5",
    "0o10",
    "08",
    "12:30",
    "2024-01-01",
    "=",
    "a\nb: c",
    "{{ x }}",
]


@pytest.mark.parametrize("dumper", [yaml_text.Dumper, yaml_text.BlockDumper])
@pytest.mark.parametrize("text", dict.fromkeys(TEXTS))
def test_a_text_stays_a_text_for_every_reader(text: str, dumper: type[yaml_text.Dumper]) -> None:
    meant = {"value": text, text: "value", "list": [text]}
    written = yaml_text.dump(meant, dumper)
    (reading,) = kubectl_yaml.read(written)
    assert reading.value == meant
    assert yaml.safe_load(written) == meant
    assert yaml_text.read(written) == meant


def test_numbers_and_booleans_stay_what_they_are() -> None:
    meant = {"a": 1, "b": 0.5, "c": True, "d": None, "e": 1e-5, "f": [], "g": 10**12}
    (reading,) = kubectl_yaml.read(yaml_text.dump(meant))
    assert reading.value == meant


@pytest.mark.parametrize(
    "value", [["a", 1, 0.5, True, None], {"load": "N(1,2)/(3,4)", "max": "1%", "word": "yes"}, "plain", "12:30", 7]
)
def test_a_value_in_one_line_is_read_again(value: object) -> None:
    written = yaml_text.in_one_line(value)
    assert "\n" not in written
    (reading,) = kubectl_yaml.read(f"a: {written}")
    assert reading.value == {"a": value}
