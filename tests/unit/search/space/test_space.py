from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from autotuner.api.common import EngineName, EnvironmentVariable, Parameter
from autotuner.api.parameters import Constraint, SearchParameter
from autotuner.engines.arguments import Value
from autotuner.search.experiment_record import Record
from autotuner.search.space.activity import INACTIVE
from autotuner.search.space.cluster_facts import Facts
from autotuner.search.space.configuration import Configuration
from autotuner.search.space.space import Space
from autotuner.validation_messages import Finding, Kind
from tests.unit.builders import make_parameters
from tests.unit.search.proposed import suggest
from tests.unit.task_builders import make_spec

SPACE = Space.over(
    make_parameters(tp_size=[1, 2, 4], mem_fraction_static=[0.8, 0.9], schedule_policy=["lpm", "fcfs"], enable_x=True),
    engine="Custom",
)
HUGE = Space.over(make_parameters(**{f"p{number}": list(range(8)) for number in range(10)}), engine="Custom")


def over(*parameters: dict[str, Any], engine: EngineName = "SGLang", rules: tuple[str, ...] = (), **more: Any) -> Space:
    return Space.over(
        [SearchParameter.model_validate(one) for one in parameters],
        [Constraint(rule=rule) for rule in rules],
        engine=engine,
        **more,
    )


def configuration(**values: Any) -> Configuration:
    return Configuration(tuple((name.replace("_", "-"), value) for name, value in values.items()))


def test_size_is_the_product_of_the_values() -> None:
    assert (SPACE.size, SPACE.numbers, SPACE.exact) == (24, 24, True)
    assert (HUGE.size, HUGE.numbers, HUGE.exact) == (8**10, 8**10, True)
    assert SPACE.removed == ()


def test_numbers_count_with_the_last_parameter_fastest() -> None:
    assert [dict(SPACE.at(index) or {}) for index in (0, 1, 2, 8)] == [
        {"tp-size": 1, "mem-fraction-static": 0.8, "schedule-policy": "lpm", "enable-x": False},
        {"tp-size": 1, "mem-fraction-static": 0.8, "schedule-policy": "lpm", "enable-x": True},
        {"tp-size": 1, "mem-fraction-static": 0.8, "schedule-policy": "fcfs", "enable-x": False},
        {"tp-size": 2, "mem-fraction-static": 0.8, "schedule-policy": "lpm", "enable-x": False},
    ]


@pytest.mark.parametrize("index", [-1, SPACE.size])
def test_numbers_outside_are_refused(index: int) -> None:
    with pytest.raises(IndexError, match="below 24"):
        SPACE.at(index)


def test_a_billion_configurations_are_numbered_but_not_listed() -> None:
    for index in (0, 123_456_789, 8**10 - 1):
        found = HUGE.at(index)
        assert found is not None
        places = HUGE.places(found)
        assert sum(place * 8 ** (9 - number) for number, place in enumerate(places)) == index


@pytest.mark.parametrize(
    "changed", [{"tp-size": 8}, {"schedule-policy": "random"}, {"unknown": 1}, {"enable-x": "yes"}]
)
def test_a_configuration_of_another_space_is_refused(changed: dict[str, int | str]) -> None:
    other = Configuration(tuple({**(SPACE.at(0) or {}), **changed}.items()))
    assert SPACE.read(other.parameters()) is None
    with pytest.raises(ValueError, match="not a configuration of this space"):
        SPACE.places(other)


def test_a_configuration_that_lacks_a_parameter_is_refused() -> None:
    assert SPACE.read([Parameter(name="tp-size", value="1")]) is None


@pytest.mark.parametrize(
    "written", [{}, {"chunk": 2}, {"mode": "b"}, {"mixed": True, "mode": "a", "chunk": 2, "depth": 1}]
)
def test_what_is_no_point_of_the_space_is_refused_and_changes_nothing(written: dict[str, Any]) -> None:
    space = over(
        {"name": "mixed", "toggle": True},
        {"name": "mode", "choices": ["a", "b"]},
        {"name": "chunk", "values": [1, 2, 3], "when": "p.mixed"},
        {"name": "depth", "values": [1, 2], "when": "has(p.chunk) && p.chunk > 2 && p.mode == 'a'"},
        engine="Custom",
    )
    before = [space.at(index) for index in range(space.numbers)]
    strange = configuration(**written)

    assert space.read([Parameter(name=name, value=str(value)) for name, value in written.items()]) is None
    with pytest.raises(ValueError, match="not a configuration"):
        space.places(strange)
    suggest("Bayesian", space, [Record(strange, "value", (1.0,))], [], 1, 0)

    assert [space.at(index) for index in range(space.numbers)] == before
    assert space.size == len(set(before)) == 9


def test_what_an_experiment_names_is_read_whatever_the_rules_say_today() -> None:
    space = over({"name": "a", "values": [1, 2]}, rules=("p.a == 1",))
    assert space.read([Parameter(name="a", value="2")]) == configuration(a=2)
    assert space.build([1]) is None
    assert space.forbidden([1]) == "constraints[0] forbids it: p.a == 1"


def test_unset_and_inactive_parameters_are_read_back() -> None:
    space = over(
        {"name": "a", "values": [1], "allowUnset": True},
        {"name": "b", "values": [1, 2], "when": "has(p.a)"},
    )
    assert space.read([]) == configuration()
    assert space.places({}) == (0, INACTIVE)
    assert space.places({"a": 1, "b": 2}) == (1, 1)
    assert space.read([Parameter(name="a", value="1")]) is None, "b is active then"
    assert space.read([Parameter(name="b", value="1")]) is None, "b is inactive then"


@pytest.mark.parametrize(
    ("places", "built"),
    [
        ([1, 1], {"a": 1, "b": 2}),
        ([1, INACTIVE], {"a": 1, "b": 1}),
        ([0, 1], {}),
        ([7, 7], {"a": 1, "b": 2}),
        ([INACTIVE, 0], {}),
    ],
)
def test_any_places_mean_the_nearest_configuration(places: list[int], built: dict[str, int]) -> None:
    space = over(
        {"name": "a", "values": [1], "allowUnset": True},
        {"name": "b", "values": [1, 2], "when": "has(p.a)"},
    )
    assert space.build(places) == configuration(**built)


def test_configurations_written_alike_are_equal() -> None:
    one, same, other = (Configuration((("a", value), ("b", "x"))) for value in (1, 1.0, 2))
    assert one == same
    assert hash(one) == hash(same)
    assert len({one, same, other}) == 2


def test_keys_do_not_run_together() -> None:
    assert Configuration((("a", "1,b=2"),)).key() != Configuration((("a", "1"), ("b", "2"))).key()


FIXED = ("--tp-size=4", "--log-level=info", "--enable-mixed-chunk", "--cuda-graph-bs", "1", "2")


@pytest.mark.parametrize(
    ("engine", "parameter", "value", "args"),
    [
        ("SGLang", {"name": "tp-size", "values": [1, 2]}, 2, ["--tp-size=2", *FIXED[1:]]),
        ("SGLang", {"name": "tp", "values": [1, 2]}, 2, ["--tp=2", *FIXED[1:]]),
        ("SGLang", {"name": "tp-size", "values": [1, 2], "allowUnset": True}, None, [*FIXED[1:]]),
        ("SGLang", {"name": "page-size", "values": [64]}, 64, [*FIXED, "--page-size=64"]),
        ("SGLang", {"name": "page-size", "values": [64], "allowUnset": True}, None, [*FIXED]),
        ("SGLang", {"name": "enable-mixed-chunk", "toggle": True}, False, [*FIXED[:2], *FIXED[3:]]),
        ("SGLang", {"name": "enable-mixed-chunk", "toggle": True}, True, [*FIXED]),
        ("SGLang", {"name": "cuda-graph-bs", "values": [8]}, 8, [*FIXED[:3], "--cuda-graph-bs=8"]),
        ("VLLM", {"name": "enable-prefix-caching", "toggle": True}, False, [*FIXED, "--no-enable-prefix-caching"]),
        ("VLLM", {"name": "enable-prefix-caching", "toggle": True}, True, [*FIXED, "--enable-prefix-caching"]),
    ],
)
def test_values_are_rendered_into_the_fixed_arguments(
    engine: EngineName, parameter: dict[str, Any], value: Any, args: list[str]
) -> None:
    space = over(parameter, engine=engine, fixed=FIXED)
    chosen = Configuration(() if value is None else ((parameter["name"], value),))
    assert list(space.render(chosen).args) == args


SPECULATION = {
    "name": "speculation",
    "variants": [
        {"name": "none", "args": []},
        {
            "name": "ngram",
            "args": ["--speculative-algorithm", "NGRAM", "--speculative-num-steps=3"],
            "env": [{"name": "A", "value": "1"}],
        },
    ],
}


def test_a_variant_brings_its_flags_and_environment_and_takes_the_others_away() -> None:
    space = over(SPECULATION, fixed=["--speculative-num-steps=5", "--x=1"])
    assert space.render(configuration(speculation="none")).args == ("--x=1",)
    ngram = space.render(configuration(speculation="ngram"))
    assert ngram.args == ("--speculative-num-steps=3", "--x=1", "--speculative-algorithm=NGRAM")
    assert ngram.env == (EnvironmentVariable(name="A", value="1"),)


def test_variants_that_share_flags_or_variables_are_looked_at_together() -> None:
    def kind(name: str, first: str, second: str) -> dict[str, Any]:
        variants = [{"name": one, "args": [], "env": [{"name": "X", "value": one}]} for one in (first, second)]
        return {"name": name, "variants": variants}

    space = over(kind("a", "one", "two"), kind("b", "two", "three"))
    # The later one's variable wins, whatever the other says.
    assert space.size == 2
    assert space.removed == (("same arguments", 2),)


def test_what_an_inactive_parameter_would_set_is_left_out() -> None:
    space = over(
        {"name": "page-size", "values": [1, 64]},
        {"name": "tp-size", "values": [1, 2], "when": "p.page_size > 1"},
        fixed=FIXED,
    )
    assert space.render(configuration(page_size=1)).args == (*FIXED[1:], "--page-size=1")


def test_values_mean_the_same_as_they_are_written() -> None:
    typed = configuration(tp_size=2, mem_fraction_static=0.8, schedule_policy="lpm", enable_x=True)
    written = configuration(tp_size="2", mem_fraction_static="0.8", schedule_policy="lpm", enable_x="true")

    assert SPACE.identity(written) == SPACE.identity(typed)
    assert SPACE.render(written) == SPACE.render(typed)


def test_identity_is_that_of_the_argument_list() -> None:
    twins = {"name": "v", "variants": [{"name": name, "args": ["--a=1"]} for name in ("one", "two")]}
    space = over(twins, {"name": "b", "values": [1, 2], "allowUnset": True})
    one, two = space.identity(configuration(v="one", b=1)), space.identity(configuration(v="two", b=1))
    assert one == two
    assert space.identity(configuration(v="one", b=2)) != one
    assert space.identity(configuration(v="one")) != one
    assert space.size == 3


START = (
    {"name": "tp-size", "values": [1, 2, 4]},
    {"name": "mem-fraction-static", "values": [0.8, 0.9]},
    {"name": "chunked-prefill-size", "values": [1024, 4096], "allowUnset": True},
    {"name": "enable-mixed-chunk", "toggle": True, "when": "has(p.chunked_prefill_size)"},
    {"name": "schedule-policy", "choices": ["lpm", "fcfs"]},
    SPECULATION,
)


@pytest.mark.parametrize(
    ("args", "found"),
    [
        (["--tp-size=2"], {"tp-size": 2}),
        (["--tp", "2"], {"tp-size": 2}),
        (["--tensor-parallel-size=2", "--mem-fraction-static=0.90"], {"mem-fraction-static": 0.9}),
        (["--chunked-prefill-size=1024"], {"chunked-prefill-size": 1024, "enable-mixed-chunk": False}),
        (
            ["--chunked-prefill-size=1024", "--enable-mixed-chunk"],
            {"chunked-prefill-size": 1024, "enable-mixed-chunk": True},
        ),
        (["--speculative-algorithm=NGRAM", "--speculative-num-steps=3"], {"speculation": "ngram"}),
        (["--speculative-num-steps=3"], {"speculation": "ngram"}),
        (["--schedule-policy=lpm", "--log-level=info"], {}),
        (["--schedule-policy=fcfs"], {"schedule-policy": "fcfs"}),
        (["--tp-size=1"], {"tp-size": 1, "schedule-policy": "fcfs"}),
    ],
)
def test_arguments_are_located(args: list[str], found: dict[str, Any]) -> None:
    # What they do not name: as in the fixed arguments, unset, off, or the first value that the rules allow.
    usual = {"tp-size": 2, "mem-fraction-static": 0.8, "schedule-policy": "lpm", "speculation": "none"}
    space = over(
        *START, fixed=["--tp-size=2", "--log-level=info"], rules=("p.schedule_policy != 'lpm' || p.tp_size == 2",)
    )
    located, problem = space.locate(args)
    assert problem is None
    assert dict(located or {}) == {**usual, **found}


def test_what_a_start_point_does_not_name_keeps_the_rules() -> None:
    space = over(*START, rules=("p.tp_size > 1 || p.mem_fraction_static > 0.85",))
    located, problem = space.locate(["--tp-size=1"])
    assert problem is None
    assert located is not None
    assert located["mem-fraction-static"] == 0.9


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (["--tp-size=3"], "--tp-size=3 is not offered: tp-size has 1, 2, 4"),
        (["--chunked-prefill-size=2048"], "is not offered: chunked-prefill-size has unset, 1024, 4096"),
        (["--speculative-num-steps=4"], "--speculative-num-steps=4 is not offered: speculation has none, ngram"),
        (["--page-size=1"], "--page-size=1 is no parameter of this search, which has --chunked-prefill-size,"),
        (["--log-level=debug"], "; it is fixed as --log-level=info; leave it out"),
        (["--enable-mixed-chunk"], "--enable-mixed-chunk is no parameter of this search"),
        (
            ["--tp-size=4", "--mem-fraction-static=0.8"],
            "this configuration is forbidden by constraints[0]: p.tp_size * 2 <= 4 || p.mem_fraction_static > 0.85",
        ),
    ],
)
def test_arguments_that_mean_no_configuration_are_told(args: list[str], problem: str) -> None:
    space = over(
        *(START[:3]),
        *(START[4:]),
        fixed=["--log-level=info"],
        rules=("p.tp_size * 2 <= 4 || p.mem_fraction_static > 0.85",),
    )
    located, told = space.locate(args)
    assert located is None
    assert told is not None
    assert problem in told


def test_an_argument_that_is_switched_off_by_another_is_told() -> None:
    space = over(
        {"name": "page-size", "values": [1, 64]},
        {"name": "tp-size", "values": [1, 2], "when": "p.page_size > 1"},
    )
    assert space.locate(["--page-size=1", "--tp-size=2"]) == (
        None,
        "--tp-size=2 does not count here: parameters[tp-size].when is false; leave it out",
    )
    located, _ = space.locate(["--tp-size=2"])
    assert dict(located or {}) == {"page-size": 64, "tp-size": 2}


def test_start_points_of_a_task_are_located_or_told() -> None:
    spec = make_spec(
        search={"startPoints": [{"args": ["--tp-size=2"]}, {"args": ["--tp-size=3"]}, {"args": ["--tp=1"]}]}
    )
    space = Space.of(spec, "SGLang")
    assert [dict(one) for one in space.start_points] == [
        {"tp-size": 2, "mem-fraction-static": 0.8},
        {"tp-size": 1, "mem-fraction-static": 0.8},
    ]
    details = {"obstacle": "--tp-size=3 is not offered: tp-size has 1, 2"}
    assert space.findings == [Finding("search.startPoints[1].args", Kind.START_POINT_WRONG, details)]


def test_a_range_that_cannot_be_searched_is_told_with_its_field() -> None:
    space = over({"name": "x", "range": {"min": 1, "max": 1000, "step": 1}}, {"name": "y", "values": [1]})
    (finding,) = space.findings
    assert (finding.field, finding.kind) == ("parameters[x].range.step", Kind.RANGE_WRONG)


def test_equal_tasks_have_one_space() -> None:
    one, same = (Space.of(make_spec(), "SGLang", fixed=["--x=1"], facts=Facts(accelerators=4)) for _ in range(2))
    assert one is same
    for other in (
        Space.of(make_spec(), "VLLM", fixed=["--x=1"], facts=Facts(accelerators=4)),
        Space.of(make_spec(), "SGLang", fixed=["--x=2"], facts=Facts(accelerators=4)),
        Space.of(make_spec(), "SGLang", fixed=["--x=1"], facts=Facts(accelerators=8)),
        Space.of(make_spec(constraints=[{"rule": "true"}]), "SGLang", fixed=["--x=1"], facts=Facts(accelerators=4)),
        Space.of(make_spec(parallelism={"data": [1]}), "SGLang", fixed=["--x=1"], facts=Facts(accelerators=4)),
    ):
        assert other is not one


def test_a_spec_s_edit_is_another_space() -> None:
    before = Space.of(make_spec(), "SGLang")
    after = Space.of(make_spec(parameters=[{"name": "tp-size", "values": [1, 2, 4]}]), "SGLang")
    assert (before.size, after.size) == (4, 3)


WISHED = (
    {"name": "tp-size", "values": [1, 2, 4]},
    {"name": "mem-fraction-static", "values": [0.7, 0.8, 0.9]},
    {"name": "chunked-prefill-size", "values": [1024, 4096], "allowUnset": True},
    {"name": "schedule-policy", "choices": ["lpm", "fcfs"]},
)


@pytest.mark.parametrize(
    ("wishes", "found"),
    [
        ({}, {}),
        ({"tp-size": 1}, {"tp-size": 1}),
        ({"tp-size": 4}, {"tp-size": 4, "mem-fraction-static": 0.8}),
        ({"tp-size": 4, "mem-fraction-static": 0.9, "unknown": 3}, {}),
        ({"chunked-prefill-size": 4096}, {"chunked-prefill-size": 4096}),
        ({"chunked-prefill-size": 9}, {}),
    ],
)
def test_wishes_are_kept_as_far_as_the_rules_allow(wishes: dict[str, Any], found: dict[str, Any]) -> None:
    space = over(*WISHED, fixed=["--schedule-policy=fcfs"], rules=("p.tp_size < 4 || p.mem_fraction_static < 0.85",))
    nearest = space.nearest(wishes)
    # The middle, what is nearest to SGLang's own 0.88, and what the runtime says.
    usual = {"tp-size": 2, "mem-fraction-static": 0.9, "schedule-policy": "fcfs"}
    assert dict(nearest or {}) == {**usual, **found}


def test_a_wish_within_a_huge_component_is_found_too() -> None:
    parameters = [{"name": f"p{number}", "values": list(range(8))} for number in range(10)]
    total = " + ".join(f"p.p{number}" for number in range(10))
    space = over(*parameters, rules=(f"{total} <= 40",))
    wish: dict[str, Any] = {f"p{number}": number % 8 for number in range(10)}
    assert dict(space.nearest(wish) or {}) == wish
    assert space.nearest({"p0": 7}) is not None


def test_nothing_is_near_in_an_empty_space() -> None:
    assert over(*WISHED, rules=("false",)).nearest({}) is None
    assert over(*WISHED, rules=("p.tp_size > 4",)).nearest({}) is None


class TestEffectiveIdentity:
    def same(self, one: Mapping[str, Value], other: Mapping[str, Value], space: Space) -> bool:
        return space.effective_identity(one) == space.effective_identity(other)

    def test_leaves_out_flags_that_are_idle_under_the_others(self) -> None:
        space = Space.over(make_parameters(chunked_prefill_size=[-1, 2048], enable_mixed_chunk=True), engine="SGLang")
        off, on = ({"chunked-prefill-size": -1, "enable-mixed-chunk": one} for one in (False, True))
        assert space.identity(off) != space.identity(on)
        assert self.same(off, on, space)
        off, on = ({"chunked-prefill-size": 2048, "enable-mixed-chunk": one} for one in (False, True))
        assert not self.same(off, on, space)

    def test_sees_what_is_fixed(self) -> None:
        parameters = make_parameters(torch_compile_max_bs=[8, 16])
        small, large = {"torch-compile-max-bs": 8}, {"torch-compile-max-bs": 16}
        assert self.same(small, large, Space.over(parameters, engine="SGLang"))
        fixed = ["--enable-torch-compile"]
        assert not self.same(small, large, Space.over(parameters, engine="SGLang", fixed=fixed))

    def test_is_the_identity_where_all_flags_tell(self) -> None:
        space = Space.over(make_parameters(page_size=[1, 16]), engine="SGLang")
        assert space.effective_identity({"page-size": 16}) == space.identity({"page-size": 16})
