"""Conditions and constraints: what they leave, and what is said about those that make no sense."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.api.parameters import Constraint, SearchParameter
from autotuner.search.space.expressions import RuleError, compiled
from autotuner.search.space.space import Space
from autotuner.validation_messages import Finding, Kind

PARAMETERS: list[dict[str, Any]] = [
    {"name": "tp-size", "values": [1, 2, 4]},
    {"name": "mem", "values": [0.8, 0.9], "allowUnset": True},
    {"name": "policy", "choices": ["lpm", "fcfs"]},
    {"name": "mixed.chunk", "toggle": True},
]


def parameters(*, when: dict[str, str] | None = None) -> list[SearchParameter]:
    conditions = when or {}
    return [
        SearchParameter.model_validate(
            {**one, **({"when": conditions[one["name"]]} if one["name"] in conditions else {})}
        )
        for one in PARAMETERS
    ]


def space(*rules: str, when: dict[str, str] | None = None) -> Space:
    return Space.over(parameters(when=when), [Constraint(rule=rule) for rule in rules], engine="Custom")


@pytest.mark.parametrize(
    ("rule", "size"),
    [
        ("true", 36),
        ("p.tp_size <= 2", 24),
        ("p.tp_size * 2 <= 4", 24),
        ("!has(p.mem) || p.mem > 0.85", 24),
        ("has(p.mem)", 24),
        ("p.policy == 'lpm' || p.mixed_chunk", 27),
        ("double(p.tp_size) / 4.0 < 0.6", 24),
        ("p.policy in ['lpm', 'random']", 18),
        ("p['policy'] == 'lpm'", 18),
        ("size(p) == 4", 24),
        ("p.all(name, name != 'mem')", 12),
    ],
)
def test_constraints_are_about_typed_parameters(rule: str, size: int) -> None:
    found = space(rule)
    assert found.findings == []
    assert (found.size, found.exact) == (size, True)
    assert sum(count for _, count in found.removed) == 36 - size


def test_each_rule_counts_what_the_earlier_ones_left() -> None:
    found = space("p.tp_size < 4", "p.policy == 'lpm'", "p.tp_size < 3")
    assert found.removed == (("constraints[0]", 12), ("constraints[1]", 12))
    assert found.size == 12


def test_an_inactive_parameter_is_left_out_and_counts_once() -> None:
    found = space(when={"mixed.chunk": "p.tp_size > 1", "policy": "has(p.mixed_chunk) && p.mixed_chunk"})
    # tp 1: neither; tp 2 and 4: off, or on with two policies.
    assert found.size == 3 * (1 + 2 * 3)
    assert {frozenset(found.at(index) or {}) for index in range(found.size)} == {
        frozenset(names)
        for mem in ([], ["mem"])
        for names in (
            ["tp-size", *mem],
            ["tp-size", "mixed.chunk", *mem],
            ["tp-size", "mixed.chunk", "policy", *mem],
        )
    }


def test_inactive_and_off_are_one_where_the_engine_cannot_tell() -> None:
    found = Space.over(
        [
            SearchParameter(name="a", choices=["x", "y"], allow_unset=True, when="!has(p.b) || p.b == 1"),
            SearchParameter(name="b", variants=None, values=[1, 2]),
            SearchParameter.model_validate(
                {"name": "c", "variants": [{"name": "one", "args": []}, {"name": "two", "args": []}]}
            ),
        ],
        engine="Custom",
    )
    assert found.size == 3 + 1
    assert found.removed == (("same arguments", 4),)


PROBLEMS: list[tuple[str, str]] = [
    ("p.tp_sizes > 1", "p.tp_sizes is no parameter; did you mean p.tp_size?"),
    ("p.zzz > 1", "p.zzz is no parameter; there are p.mem, p.mixed_chunk, p.policy, p.tp_size"),
    ("tp_size > 1", "tp_size is neither a function of CEL nor p; a parameter is written p.tp_size"),
    ("p.tp_size", "gives 1, which is neither true nor false (p.tp_size is 1 (an int))"),
    ("p.tp_size >", "is no CEL: line 1, column 12: mismatched input '<EOF>'"),
    (
        "p.tp_size > 'a'",
        "types are never mixed, so convert: double(p.x), int(p.x) or string(p.x) (p.tp_size is 1 (an int))",
    ),
    (
        "has(p.mem) && p.mem * p.tp_size > 1",
        "Unsupported operation: float * int: types are never mixed, so convert: double(p.x), int(p.x) or string(p.x)"
        " (p.mem is 0.8 (a double), p.tp_size is 1 (an int))",
    ),
    ("p.mem > 0.8", "p.mem is absent where that parameter is unset or inactive; ask first: has(p.mem) && ..."),
    ("4 / (p.tp_size - 2) > 1", "division by zero in CEL expression (p.tp_size is 2 (an int))"),
    ("foo(p.tp_size)", "foo is neither a function of CEL nor p"),
    (
        "[1, 2].all(x, [1, 2].all(y, x + y > p.tp_size))",
        "has several of all, exists, exists_one, map and filter; use one in a rule, or several rules",
    ),
]


@pytest.mark.parametrize(("rule", "problem"), PROBLEMS)
def test_a_constraint_without_an_answer_is_told(rule: str, problem: str) -> None:
    (finding,) = space("true", rule).findings
    assert (finding.field, finding.kind) == ("constraints[1].rule", Kind.RULE_WRONG)
    assert problem in str(finding.details["complaint"])


@pytest.mark.parametrize(("rule", "problem"), [one for one in PROBLEMS if "mixed" not in one[0]])
def test_a_condition_without_an_answer_is_told(rule: str, problem: str) -> None:
    (finding,) = space(when={"mixed.chunk": rule}).findings
    assert (finding.field, finding.kind) == ("parameters[mixed.chunk].when", Kind.RULE_WRONG)
    assert problem in str(finding.details["complaint"])


@pytest.mark.parametrize(
    ("when", "field", "kind"),
    [
        ({"policy": "p.policy == 'lpm'"}, "parameters[policy].when", Kind.CONDITION_ON_ITSELF),
        ({"policy": "size(p) > 1"}, "parameters[policy].when", Kind.CONDITION_ON_ALL),
        (
            {"policy": "has(p.mem)", "mem": "has(p.tp_size)", "tp-size": "has(p.policy)"},
            "parameters[tp-size].when",
            Kind.CONDITIONS_IN_CIRCLE,
        ),
    ],
)
def test_a_condition_that_waits_for_itself_is_told(when: dict[str, str], field: str, kind: Kind) -> None:
    found = space(when=when)
    assert (field, kind) in [(finding.field, finding.kind) for finding in found.findings]
    assert found.size > 0


def test_an_error_in_a_rule_over_a_huge_component_is_told_too() -> None:
    many = [SearchParameter(name=f"p{number}", values=list(range(8))) for number in range(10)]
    total = " + ".join(f"p.p{number}" for number in range(10))
    found = Space.over(many, [Constraint(rule=f"{total} <= 2.5 * p.p0")], engine="Custom")
    assert [finding.field for finding in found.findings] == ["constraints[0].rule"]


def test_an_error_that_is_met_later_forbids_that_configuration_only() -> None:
    many = [SearchParameter(name=f"p{number}", values=list(range(8))) for number in range(10)]
    total = " + ".join(f"p.p{number}" for number in range(10))
    found = Space.over(many, [Constraint(rule=f"1 / ({total}) >= 0")], engine="Custom")
    assert found.findings == []
    assert found.at(0) is None
    assert found.at(12345) is not None


def test_names_that_rules_cannot_tell_apart_are_told() -> None:
    alike = [SearchParameter(name=name, values=[1, 2]) for name in ("a.b", "a-b")]
    details = {"other": "a.b", "name": "a_b"}
    found = Space.over(alike, [Constraint(rule="p.a_b == 1")], engine="Custom")
    assert found.findings == [Finding("parameters[a-b]", Kind.NAMES_ALIKE, details)]
    assert Space.over(alike, engine="Custom").findings == []


@pytest.mark.parametrize(
    ("rule", "names", "whole"),
    [
        ("p.a == 1 && has(p.b_c)", {"a", "b_c"}, False),
        ("p.a == 'p.b' // p.c", {"a"}, False),
        ("p.a.startsWith('x')", {"a"}, False),
        ("p . a == 1", {"a"}, False),
        ("p == {'a': 1}", set(), True),
        ("p['a'] == 1 || p.b", {"b"}, True),
        ("p.exists(x, x == 'a')", set(), True),
        (r"p.a == r'\' || p.b == 1", {"a", "b"}, False),
        ("x.p == 1", set(), False),
    ],
)
def test_a_rule_is_known_to_read_what_it_reads(rule: str, names: set[str], whole: bool) -> None:
    condition = compiled(rule)
    assert (set(condition.names), condition.whole) == (names, whole)


def test_no_answer_is_an_error_of_ours_only() -> None:
    with pytest.raises(RuleError, match="has no key 'b'"):
        compiled("{'a': 1}['b'] == 1").holds({})


@pytest.mark.parametrize(
    ("rules", "emptiness"),
    [
        (
            ["p.tp_size > 4"],
            "constraints[0] removes all 36 configurations: p.tp_size > 4; loosen it, or offer other values",
        ),
        (
            ["p.tp_size > 2", "p.policy == 'none'"],
            "constraints[1] removes the last 12 of 36 configurations: p.policy == 'none'; loosen it, or offer other"
            " values",
        ),
        (["false"], "constraints[0] removes all 36 configurations: false; loosen it, or offer other values"),
        (["p.tp_size < 8"], ""),
    ],
)
def test_emptiness_names_the_rule_that_removes_the_last(rules: list[str], emptiness: str) -> None:
    found = space(*rules)
    assert found.emptiness == emptiness
    assert (found.size == 0, found.numbers == 0) == (bool(emptiness), bool(emptiness))
    assert found.exact
    if emptiness:
        assert found.build([0, 0, 0, 0]) is None


def test_the_message_of_a_constraint_is_told_with_its_rule() -> None:
    found = Space.over(
        parameters(), [Constraint(rule="p.tp_size > 4", message="we have no single GPUs")], engine="Custom"
    )
    assert "we have no single GPUs (p.tp_size > 4)" in found.emptiness


def many() -> list[SearchParameter]:
    return [SearchParameter(name=f"p{number}", values=list(range(8))) for number in range(10)]


TOTAL = " + ".join(f"p.p{number}" for number in range(10))


def test_a_huge_component_is_estimated() -> None:
    found = Space.over(many(), [Constraint(rule=f"{TOTAL} <= 35")], engine="Custom")
    assert not found.exact
    # By symmetry of the sum around 35, a little more than half of 8^10.
    assert 0.5 * 8**10 < found.size < 0.6 * 8**10
    assert found.removed[0][0] == "constraints[0]"
    assert abs(found.removed[0][1] + found.size - 8**10) < 8**10 / 100
    configurations = [found.at(index) for index in range(0, found.numbers, found.numbers // 97)]
    kept = [one for one in configurations if one is not None]
    assert 0 < len(kept) < len(configurations)
    assert all(sum(int(value) for value in one.values()) <= 35 for one in kept)


def test_a_needle_in_a_huge_component_is_found_before_it_is_called_empty() -> None:
    found = Space.over(
        many(), [Constraint(rule="p.p0 + p.p1 == 14"), Constraint(rule=f"{TOTAL} == 14")], engine="Custom"
    )
    assert (found.size, found.exact, found.emptiness) == (1, False, "")


def test_a_huge_component_without_any_point_is_known_to_be_empty() -> None:
    found = Space.over(many(), [Constraint(rule="p.p0 > 7"), Constraint(rule=f"{TOTAL} <= 35")], engine="Custom")
    assert (found.size, found.exact) == (0, True)
    assert found.emptiness.startswith("constraints[0] removes all")


def test_a_huge_component_in_which_nothing_is_found_says_so() -> None:
    found = Space.over(many(), [Constraint(rule=f"{TOTAL} == 71")], engine="Custom")
    assert (found.size, found.exact) == (0, False)
    assert found.emptiness.startswith("no configuration was found among many that were looked at; constraints[0]")
