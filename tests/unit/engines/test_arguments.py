from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.api.common import EngineName
from autotuner.engines import Engine, get
from autotuner.engines.arguments import Value, text

SGLANG, VLLM, CUSTOM = get("SGLang"), get("VLLM"), get("Custom")

NAMES = ["tp", "tp-size", "tensor-parallel-size", "tensor_parallel_size", "enable-x", "no-enable-x", "a", "b-c"]
VALUES = st.sampled_from(["1", "-1", "-0.5", "lpm", '{"a": "b=c"}', "a b", "1e-5"])
ARGUMENT = st.builds(
    lambda name, values, joined: [f"--{name}={values[0]}"] if joined and len(values) == 1 else [f"--{name}", *values],
    st.sampled_from(NAMES),
    st.lists(VALUES, max_size=3),
    st.booleans(),
)
ARGUMENTS = st.lists(ARGUMENT, max_size=6).map(lambda lists: [token for tokens in lists for token in tokens])
ENGINES = st.sampled_from([SGLANG, VLLM, CUSTOM])


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (0.9, "0.9"),
        (4096, "4096"),
        (4096.0, "4096"),
        (1e-05, "0.00001"),
        (1e16, "10000000000000000"),
        (-1, "-1"),
        (100, "100"),
        (0.30000000000000004, "0.30000000000000004"),
        (True, "true"),
        ("lpm", "lpm"),
    ],
)
def test_values_are_written_as_people_write_them(value: Value, want: str) -> None:
    assert text(value) == want


@pytest.mark.parametrize(
    ("engine", "configuration", "want"),
    [
        (SGLANG, {"tp-size": 2, "mem-fraction-static": 0.9}, ["--tp-size=2", "--mem-fraction-static=0.9"]),
        (SGLANG, {"schedule-policy": "lpm", "tp-size": 1}, ["--schedule-policy=lpm", "--tp-size=1"]),
        (SGLANG, {"chunked-prefill-size": -1}, ["--chunked-prefill-size=-1"]),
        (SGLANG, {"enable-mixed-chunk": True}, ["--enable-mixed-chunk"]),
        (SGLANG, {"enable-mixed-chunk": False}, []),
        (CUSTOM, {"fast": False, "slow": True}, ["--slow"]),
        (VLLM, {"enable-prefix-caching": True}, ["--enable-prefix-caching"]),
        (VLLM, {"enable-prefix-caching": False}, ["--no-enable-prefix-caching"]),
        (VLLM, {"no-enable-prefix-caching": False}, ["--enable-prefix-caching"]),
        (VLLM, {"compilation-config": '{"level": 3}'}, ['--compilation-config={"level": 3}']),
        (SGLANG, {"name": ""}, ["--name"]),
        (SGLANG, {}, []),
    ],
)
def test_render(engine: Engine, configuration: dict[str, Value], want: list[str]) -> None:
    assert engine.render(configuration) == want


@pytest.mark.parametrize(
    ("engine", "lists", "want"),
    [
        pytest.param(SGLANG, [["--a", "1"], ["--a=2"]], ["--a=2"], id="later wins"),
        pytest.param(SGLANG, [["--a=1", "--b"], ["--c"]], ["--a=1", "--b", "--c"], id="new ones follow"),
        pytest.param(SGLANG, [["--a=1", "--b"], ["--a=2"]], ["--a=2", "--b"], id="a replaced one keeps its place"),
        pytest.param(SGLANG, [["--tp", "1"], ["--tp-size=2"]], ["--tp-size=2"], id="alias"),
        pytest.param(SGLANG, [["--tensor-parallel-size", "1"], ["--tp", "4"]], ["--tp=4"], id="long alias"),
        pytest.param(VLLM, [["-tp", "1"], ["--tensor-parallel-size=2"]], ["--tensor-parallel-size=2"], id="short"),
        pytest.param(VLLM, [["--tensor-parallel-size=2"], ["-tp", "1"]], ["-tp", "1"], id="short stays separate"),
        pytest.param(VLLM, [["--max_num_seqs=2"], ["--max-num-seqs", "1"]], ["--max-num-seqs=1"], id="underscores"),
        pytest.param(CUSTOM, [["--tp_size=2"], ["--tp-size", "1"]], ["--tp-size=1"], id="custom underscores"),
        pytest.param(VLLM, [["--enable-x"], ["--no-enable-x"]], ["--no-enable-x"], id="negation"),
        pytest.param(VLLM, [["--no-enable-x"], ["--enable-x"]], ["--enable-x"], id="negation undone"),
        pytest.param(SGLANG, [["--x"], ["--no-x"]], ["--x", "--no-x"], id="no negation for others"),
        pytest.param(SGLANG, [["--a", "-1"], ["--b", "-0.5"]], ["--a=-1", "--b=-0.5"], id="negative numbers"),
        pytest.param(SGLANG, [["--a", "1", "2"], ["--b"]], ["--a", "1", "2", "--b"], id="several values"),
        pytest.param(SGLANG, [["--a", "1", "2"], ["--a", "3"]], ["--a=3"], id="several values replaced by one"),
        pytest.param(
            SGLANG, [["--a=1", "--b", "--a=2"], ["--c"]], ["--a=1", "--b", "--a=2", "--c"], id="repeated stays"
        ),
        pytest.param(SGLANG, [["--a=1", "--b", "--a=2"], ["--a=3"]], ["--a=3", "--b"], id="all repeated replaced"),
        pytest.param(SGLANG, [["--a=0"], ["--a=1", "--a=2"]], ["--a=1", "--a=2"], id="replaced by repeated"),
        pytest.param(SGLANG, [["--a", ""]], ["--a", ""], id="an empty value is not joined"),
        pytest.param(CUSTOM, [["--a"], ["serve", "model"]], ["serve", "model", "--a"], id="words go to the front"),
        pytest.param(SGLANG, [["--a=1"], ["--a=2"], ["--a=3"]], ["--a=3"], id="three lists"),
        pytest.param(SGLANG, [], [], id="nothing"),
    ],
)
def test_merge(engine: Engine, lists: Sequence[Sequence[str]], want: list[str]) -> None:
    assert engine.merge(*lists) == want


@given(ENGINES, ARGUMENTS, ARGUMENTS)
def test_merging_again_changes_nothing(engine: Engine, one: list[str], other: list[str]) -> None:
    merged = engine.merge(one, other)
    assert engine.merge(merged) == merged
    assert engine.merge([], merged) == merged
    assert engine.merge(merged, []) == merged


@given(ENGINES, ARGUMENTS, ARGUMENTS)
def test_the_later_list_comes_through_whole(engine: Engine, one: list[str], other: list[str]) -> None:
    later = engine.merge(other)
    flags = {engine.flag_of(token) for token in later} - {None}
    merged = engine.merge(one, other)
    values: list[str] = []
    taken = False
    for token in merged:
        if (flag := engine.flag_of(token)) is not None:
            taken = flag in flags
        values += [token] if taken else []
    assert sorted(values) == sorted(later)


@given(ENGINES, st.lists(ARGUMENTS, max_size=3))
def test_no_flag_is_lost(engine: Engine, lists: list[list[str]]) -> None:
    given_flags = {engine.flag_of(token) for args in lists for token in args}
    assert {engine.flag_of(token) for token in engine.merge(*lists)} - {None} == given_flags - {None}


@pytest.mark.parametrize(
    ("engine", "fixed", "configuration", "want"),
    [
        (SGLANG, ["--enable-x", "--a", "1"], {"enable-x": False}, ["--a=1"]),
        (SGLANG, ["--enable_x", "--a", "1"], {"enable-x": False, "b": 2}, ["--a=1", "--b=2"]),
        (SGLANG, ["--enable-x"], {"enable-x": True}, ["--enable-x"]),
        (VLLM, ["--enable-x", "--a=1"], {"enable-x": False}, ["--a=1", "--no-enable-x"]),
        (SGLANG, ["--tp", "4"], {"tp-size": 2}, ["--tp-size=2"]),
    ],
)
def test_compose_turns_switches_off(
    engine: Engine, fixed: list[str], configuration: dict[str, Value], want: list[str]
) -> None:
    assert engine.compose(fixed, configuration) == want


@pytest.mark.parametrize(
    ("engine", "token", "want"),
    [
        (SGLANG, "--tp=2", "tp-size"),
        (SGLANG, "--mem_fraction_static", "mem-fraction-static"),
        (SGLANG, "2", None),
        (SGLANG, "-1", None),
        (SGLANG, "-0.5", None),
        (SGLANG, "--", None),
        (SGLANG, "", None),
        (VLLM, "-tp", "tensor-parallel-size"),
        (VLLM, "--no-enable-x", "enable-x"),
        (SGLANG, "--no-enable-x", "no-enable-x"),
        (VLLM, "--compilation-config.level=3", "compilation-config.level"),
    ],
)
def test_flag_of(engine: Engine, token: str, want: str | None) -> None:
    assert engine.flag_of(token) == want


@pytest.mark.parametrize(
    ("engine", "args", "want"),
    [
        (SGLANG, [], 1),
        (SGLANG, ["--tp-size=4"], 4),
        (SGLANG, ["--tp", "2", "--pp-size=2", "--dp=3"], 12),
        (SGLANG, ["--tp-size=4", "--dp-size=2", "--enable-dp-attention"], 4),
        (SGLANG, ["--tp-size=4", "--pp-size=2", "--dp-size=4", "--enable-dp-attention"], 8),
        (SGLANG, ["--tp-size=4", "--ep-size=4"], 4),
        (SGLANG, ["--tp-size=4", "--tp-size=2"], 2),
        (SGLANG, ["--tp-size=0"], 1),
        (SGLANG, ["--tp-size=-2", "--dp-size=two", "--pp-size"], 1),
        (SGLANG, ["--tp-size=2.0"], 1),
        (VLLM, ["-tp", "2", "--data-parallel-size=2", "--pipeline_parallel_size", "2"], 8),
        (VLLM, ["--tensor-parallel-size=4", "--decode-context-parallel-size=4"], 4),
        (VLLM, ["--tensor-parallel-size=4", "--enable-expert-parallel"], 4),
        (CUSTOM, ["--tp_size", "2", "--pp_size=2"], 4),
        (CUSTOM, ["--tensor-parallel-size=2"], 2),
    ],
)
def test_accelerators(engine: Engine, args: list[str], want: int) -> None:
    assert engine.accelerators(args) == want


@pytest.mark.parametrize("name", ["SGLang", "VLLM", "Custom"])
def test_get(name: EngineName) -> None:
    assert get(name).name == name
