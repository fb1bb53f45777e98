"""Values that a rule takes away altogether are told, with the rule; all others are not."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.api.parameters import Constraint, SearchParameter
from autotuner.search.space.space import Space

SPECULATION: Any = {
    "name": "speculation",
    "variants": [{"name": "none"}, {"name": "ngram", "args": ["--speculative-algorithm=NGRAM"]}],
}
DEGREES: Any = {"name": "tp-size", "values": [1, 2, 4]}
CASES: list[tuple[str, list[Any], list[tuple[str, str, str]]]] = [
    ("p.tp_size < 4", [DEGREES, SPECULATION], [("constraints[0]", "tp-size", "4")]),
    ("p.speculation != 'ngram'", [DEGREES, SPECULATION], [("constraints[0]", "speculation", "ngram")]),
    ("p.speculation == 'none' || p.tp_size > 8", [DEGREES, SPECULATION], [("constraints[0]", "speculation", "ngram")]),
    ("p.speculation == 'none' || p.tp_size > 2", [DEGREES, SPECULATION], []),
    ("p.tp_size > 0", [DEGREES], []),
    ("has(p.tp_size)", [{**DEGREES, "allowUnset": True}], [("constraints[0]", "tp-size", "unset")]),
    ("p.tp_size > 8", [DEGREES], []),  # an empty space says so itself
]


@pytest.mark.parametrize(("rule", "parameters", "lost"), CASES)
def test_values_that_are_in_no_configuration(rule: str, parameters: list[Any], lost: list[Any]) -> None:
    given = [SearchParameter.model_validate(one) for one in parameters]
    space = Space.over(given, [Constraint(rule=rule)], engine="SGLang")
    assert [(one.rule, one.dimension, one.value) for one in space.lost] == lost
