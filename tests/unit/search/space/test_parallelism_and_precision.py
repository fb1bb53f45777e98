"""Words of parallelism and quantization as dimensions, and what engine and hardware rule out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from autotuner.api.common import EngineName
from autotuner.api.parameters import Constraint, Parallelism, Quantization, SearchParameter
from autotuner.search.space.assembly import Offer, assemble
from autotuner.search.space.cluster_facts import Facts
from autotuner.search.space.space import Space
from autotuner.validation_messages import Finding, Kind

LLAMA_70B = {"modelParameterSize": "70.6B", "modelArchitecture": "LlamaForCausalLM"}
H100_MIB = 81559.0


def space(
    *,
    engine: EngineName = "SGLang",
    parameters: Sequence[dict[str, Any]] = (),
    rules: Sequence[str] = (),
    parallelism: dict[str, Any] | None = None,
    quantization: dict[str, Any] | None = None,
    fixed: Sequence[str] = (),
    extra_args: Sequence[str] = (),
    **facts: Any,
) -> Space:
    offer = Offer(
        tuple(SearchParameter.model_validate(one) for one in parameters),
        tuple(Constraint(rule=rule) for rule in rules),
        None if parallelism is None else Parallelism.model_validate(parallelism),
        None if quantization is None else Quantization.model_validate(quantization),
        extra_args=tuple(extra_args),
    )
    return Space(assemble(offer, engine, fixed, Facts(**facts)), offer)


def rendered(found: Space) -> list[list[str]]:
    configurations = [found.at(number) for number in range(found.numbers)]
    return [list(found.render(one).args) for one in configurations if one is not None]


def test_each_word_is_a_dimension_over_its_list() -> None:
    found = space(parallelism={"tensor": [1, 2], "decodeContext": [1], "dataParallelAttention": [False]})
    assert [(one.name, one.values, one.ordered) for one in found.dimensions] == [
        ("parallelism.tensor", (1, 2), True),
        ("parallelism.decodeContext", (1,), True),
        ("parallelism.dataParallelAttention", (False,), False),
    ]
    assert rendered(found) == [[], ["--tp-size=2"]]


def test_presets_are_offered_besides_the_lists_and_nothing_else() -> None:
    found = space(parallelism={"tensor": [1, 2], "data": [1], "presets": ["balanced", "single-gpu"]})
    assert rendered(found) == [[], ["--tp-size=2"], ["--tp-size=2", "--dp-size=4"]]
    assert found.removed == (("parallelism.presets", 1),)


def test_presets_alone_offer_only_themselves() -> None:
    found = space(engine="VLLM", quantization={"presets": ["default", "kv-cache-fp8", "bf16-stable"]})
    assert rendered(found) == [
        [],
        ["--kv-cache-dtype=fp8_e5m2"],
        ["--dtype=bfloat16", "--kv-cache-dtype=fp8_e5m2"],
    ]


def test_a_preset_of_all_accelerators_follows_the_node() -> None:
    assert rendered(space(parallelism={"presets": ["high-throughput"]}, accelerators=4)) == [["--dp-size=4"]]


@pytest.mark.parametrize(
    ("fixed", "args"),
    [
        ([], [[], ["--tp-size=2"]]),
        (["--tp-size=4", "--x=1"], [["--tp-size=1", "--x=1"], ["--tp-size=2", "--x=1"]]),
        (["--tensor-parallel-size=4"], [["--tp-size=1"], ["--tp-size=2"]]),
    ],
)
def test_a_degree_of_one_is_said_where_the_runtime_says_another(fixed: list[str], args: list[list[str]]) -> None:
    assert rendered(space(parallelism={"tensor": [1, 2]}, fixed=fixed)) == args


def test_a_degree_of_one_is_said_where_the_container_s_command_says_another() -> None:
    found = space(parallelism={"tensor": [1]}, command=("python3", "-m", "engine", "--tp", "4"))
    assert rendered(found) == [["--tp-size=1"]]


def test_words_that_are_searched_own_their_flags() -> None:
    found = space(
        quantization={"kvCache": ["auto", "fp8_e4m3"]}, fixed=["--kv-cache-dtype=fp8_e5m2", "--dtype=bfloat16"]
    )
    assert rendered(found) == [["--dtype=bfloat16"], ["--kv-cache-dtype=fp8_e4m3", "--dtype=bfloat16"]]


def test_combinations_that_make_no_sense_are_pruned_and_doubles_are_one() -> None:
    found = space(quantization={"weights": ["auto", "fp8"], "kvCache": ["auto", "fp8", "fp8_e5m2", "int8"]})
    # fp8 is fp8_e5m2 for SGLang, and int8 is nothing.
    assert found.removed == (("quantization", 2), ("same arguments", 2))
    assert found.size == 4


def test_a_dense_model_has_no_experts() -> None:
    offered = {"tensor": [2], "expert": [1, 2]}
    assert space(parallelism=offered).size == 2
    dense = space(parallelism=offered, model=LLAMA_70B)
    assert dense.removed == (("parallelism", 1),)


def test_a_quantized_checkpoint_is_not_quantized_again() -> None:
    found = space(quantization={"weights": ["auto", "fp8"]}, model={"quantization": "awq"})
    assert found.removed == (("quantization", 1),)


def test_rules_may_be_about_words() -> None:
    found = space(
        parallelism={"tensor": [1, 2, 4], "data": [1, 2]},
        quantization={"kvCache": ["auto", "fp8_e5m2"]},
        parameters=[{"name": "page-size", "values": [1, 64], "when": "p.quantization_kvCache == 'auto'"}],
        rules=["p.parallelism_tensor * p.parallelism_data <= 4"],
    )
    assert found.findings == []
    assert found.size == 5 * 3
    assert all("page-size" not in one or one["quantization.kvCache"] == "auto" for one in all_of(found))


def all_of(found: Space) -> list[Any]:
    return [one for one in map(found.at, range(found.numbers)) if one is not None]


def test_a_mistyped_word_in_a_rule_is_told() -> None:
    details = {"complaint": "p.parallelism_tensors is no parameter; did you mean p.parallelism_tensor?"}
    found = space(parallelism={"tensor": [1]}, rules=["p.parallelism_tensors > 1"])
    assert found.findings == [Finding("constraints[0].rule", Kind.RULE_WRONG, details)]


NO_FLAGS = "engine Custom has no flags for parallelism that are known; write them as parameters"


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        (
            {"parameters": [{"name": "tensor-parallel-size", "values": [1, 2]}], "parallelism": {"tensor": [1, 2]}},
            Finding(
                "parameters[tensor-parallel-size]", Kind.FLAG_OF_WORDS, {"flag": "tp-size", "section": "parallelism"}
            ),
        ),
        (
            {
                "parameters": [{"name": "kind", "variants": [{"name": "half", "args": ["--dtype=float16"]}]}],
                "quantization": {"weights": ["auto"]},
            },
            Finding("parameters[kind]", Kind.FLAG_OF_WORDS, {"flag": "dtype", "section": "quantization"}),
        ),
        (
            {"extra_args": ["--x=1", "--tp=2"], "parallelism": {"tensor": [1, 2]}},
            Finding("runtime.extraArgs[1]", Kind.ARGUMENT_OF_WORDS, {"argument": "--tp=2", "section": "parallelism"}),
        ),
        (
            {"parameters": [{"name": "parallelism.tensor", "values": [1]}], "parallelism": {"tensor": [1, 2]}},
            Finding("parameters[parallelism.tensor]", Kind.WORD_AND_PARAMETER, {"section": "parallelism"}),
        ),
        (
            {"parallelism": {}, "quantization": {"presets": []}},
            Finding("parameters", Kind.NOTHING_TO_SEARCH),
        ),
        (
            {"engine": "Custom", "parallelism": {"tensor": [1, 2]}, "parameters": [{"name": "x", "values": [1]}]},
            Finding(
                "parallelism",
                Kind.WORDS_WITHOUT_FLAGS,
                {"explanation": NO_FLAGS},
            ),
        ),
    ],
)
def test_words_that_do_not_go_with_the_rest_are_told(changes: dict[str, Any], finding: Finding) -> None:
    assert space(**changes).findings == [finding]


def test_a_huge_section_is_estimated_and_its_points_are_checked() -> None:
    degrees = list(range(1, 9))
    found = space(
        engine="VLLM",
        parallelism={
            "tensor": degrees,
            "data": degrees,
            "pipeline": degrees,
            "decodeContext": degrees,
            "expert": [1, 4],
        },
    )
    assert not found.exact
    assert found.numbers == 8**4 * 2
    for one in all_of(found):
        assert int(one["parallelism.tensor"]) % int(one["parallelism.decodeContext"]) == 0
    assert abs(found.size - len(all_of(found))) < len(all_of(found)) / 5


def test_weights_that_do_not_fit_are_ruled_out() -> None:
    found = space(
        parallelism={"tensor": [1, 2, 4]},
        quantization={"weights": ["auto", "fp8"]},
        parameters=[{"name": "mem-fraction-static", "values": [0.5, 0.9]}],
        model=LLAMA_70B,
        memory_mib=H100_MIB,
    )
    # In 16 bits: 141, 71 and 35 GB for each GPU; in 8 bits half of it. There are 40.8 and 75.0 GB.
    assert {
        (one["parallelism.tensor"], one["quantization.weights"], one["mem-fraction-static"]) for one in all_of(found)
    } == {
        (2, "auto", 0.9),
        (4, "auto", 0.5),
        (4, "auto", 0.9),
        (1, "fp8", 0.9),
        (2, "fp8", 0.5),
        (2, "fp8", 0.9),
        (4, "fp8", 0.5),
        (4, "fp8", 0.9),
    }
    assert found.removed == (("weights fit", 4),)


def test_weights_that_fit_nowhere_say_what_to_do() -> None:
    found = space(parallelism={"tensor": [1]}, model=LLAMA_70B, memory_mib=H100_MIB)
    assert found.emptiness == (
        "weights fit removes the only configuration: 141 GB of weights per GPU do not fit into 78 GB (0.93 of 80 GiB"
        " less 2 GB); use more tensor or pipeline parallelism, or fewer bits, or set allowLargeWeights if they are"
        " smaller than that; offer other values"
    )


def test_a_task_may_say_that_large_weights_fit() -> None:
    assert space(parallelism={"tensor": [1]}, model=LLAMA_70B, memory_mib=H100_MIB, allow_large_weights=True).size == 1


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({"parallelism": {"tensor": [1, 2, 4, 8], "data": [1, 2]}}, 5),
        ({"parameters": [{"name": "tp-size", "values": [1, 2, 4, 8]}]}, 3),
        ({"parameters": [{"name": "tp-size", "values": [1, 2, 4, 8]}], "fixed": ["--dp-size=2"]}, 2),
        ({"parameters": [{"name": "tp-size", "values": [1, 2, 4, 8]}], "command": ("engine", "--dp-size=2")}, 2),
        ({"parallelism": {"tensor": [4], "data": [1, 2, 4], "dataParallelAttention": [True]}}, 2),
    ],
)
def test_more_accelerators_than_a_node_has_are_ruled_out(changes: dict[str, Any], size: int) -> None:
    found = space(accelerators=4, **changes)
    assert found.size == size


def test_what_the_engine_itself_refuses_is_ruled_out() -> None:
    found = space(
        engine="VLLM",
        parameters=[
            {"name": "max-num-seqs", "values": [256, 1024]},
            {"name": "max-num-batched-tokens", "values": [512, 2048], "allowUnset": True},
        ],
    )
    assert found.removed == (("batch size", 1),)
    fixed = space(
        engine="VLLM",
        parameters=[{"name": "max-num-seqs", "values": [256, 1024]}],
        fixed=["--max-num-batched-tokens=512"],
    )
    assert fixed.removed == (("batch size", 1),)


def test_what_is_fixed_and_refused_anyway_empties_the_space() -> None:
    found = space(parameters=[{"name": "page-size", "values": [1, 2]}], fixed=["--moe-dense-tp-size=2"])
    assert (found.size, found.numbers, found.exact) == (0, 0, True)
    assert found.emptiness == (
        "dense layers of a mixture removes all 2 configurations: moe-dense-tp-size (2) may only be 1 or tp-size;"
        " offer other values"
    )
    assert found.build([0]) is None


def test_words_come_back_from_an_experiment_and_from_arguments() -> None:
    found = space(
        parallelism={"tensor": [1, 2, 4], "presets": ["balanced"]}, quantization={"kvCache": ["auto", "fp8_e5m2"]}
    )
    for one in all_of(found):
        assert found.read(one.parameters()) == one
        assert found.build(found.places(one)) == one
        assert found.locate(found.render(one).args) == (one, None)
    assert found.locate(["--tp=1"]) == (found.at(0), None)
