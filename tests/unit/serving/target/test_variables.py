"""References to variables, as a kubelet expands them."""

from __future__ import annotations

import pytest

from autotuner.serving.target.variables import expanded, literal, read, written_out

KNOWN = {"A": "1", "DOLLAR": "$(B)"}


@pytest.mark.parametrize(
    ("text", "given", "written"),
    [
        ("plain", "plain", "plain"),
        ("x$(A)y", "x1y", "x1y"),
        ("$(OTHER)", "$(OTHER)", "$(OTHER)"),
        ("$$(A)", "$(A)", "$$(A)"),
        ("$A ${A} $", "$A ${A} $", "$A ${A} $"),
        ("$(DOLLAR)", "$(B)", "$$(B)"),
        ("$(cat x)", "$(cat x)", "$(cat x)"),
    ],
)
def test_references_are_put_in(text: str, given: str, written: str) -> None:
    assert read(text, KNOWN) == given
    assert expanded(text, KNOWN) == written
    assert read(expanded(text, KNOWN), {}) == given


@pytest.mark.parametrize("text", ["x", "$(A)", "$$(A)", "$$", "$", "${A} $(", "a$$$b$(A)"])
def test_a_literal_text_arrives_as_it_is(text: str) -> None:
    assert read(literal(text), KNOWN) == text


def test_variables_see_those_before_them() -> None:
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(C)"}, {"name": "C", "valueFrom": {}}]
    assert written_out(env) == {"A": "1", "B": "1$(C)"}
