"""A degree that a runtime's command says by the variable for its accelerators is the runtime's own number."""

from __future__ import annotations

import pytest

from autotuner.kubernetes_object import Object
from autotuner.serving.accelerator_count_variable import spelled_out

SIZE = "$(PARALLELISM_SIZE)"
FOUR = {"limits": {"nvidia.com/gpu": 4, "cpu": "8"}}


@pytest.mark.parametrize(
    ("runner", "command", "args"),
    [
        ({"command": ["serve", "--tp-size", SIZE, "--x"]}, ["serve", "--tp-size", "4", "--x"], ["--tp-size=4"]),
        ({"command": ["serve", f"--tp={SIZE}"], "args": ["--y"]}, ["serve", "--tp=4"], ["--tp=4", "--y"]),
        ({"command": ["serve"], "args": [f"--tp={SIZE}"]}, ["serve"], ["--tp=4"]),
        ({"command": ["serve"], "args": ["--tp", SIZE]}, ["serve"], ["--tp", "4"]),
    ],
)
def test_the_number_takes_the_place_of_the_variable(runner: Object, command: list[str], args: list[str]) -> None:
    found = spelled_out({**runner, "resources": FOUR})
    assert (found["command"], found["args"]) == (command, args)


@pytest.mark.parametrize(
    "runner",
    [
        {"command": ["serve", f"--tp={SIZE}"]},
        {"command": ["serve", "--tp=2"], "resources": FOUR},
        {"command": ["sh", "-c", "serve --tp ${PARALLELISM_SIZE}"], "resources": FOUR},
    ],
    ids=["nobody says how many", "it is not asked for", "a shell is asked for it"],
)
def test_what_cannot_be_told_stays(runner: Object) -> None:
    assert spelled_out(runner) == runner
