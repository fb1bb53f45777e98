"""What is recognised of an engine that runs: its flags, accelerators, tokenizer and keys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autotuner.kubernetes_object import Object
from autotuner.policy.proposal.recognised import NotRecognisedError
from tests.unit.policy.proposal.running import running

FOLDER: Object = {"displayName": "/models/llama", "storage": {"storageUri": "local:///models/llama"}}


def secret(name: str, **more: Any) -> Object:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token", **more}}}


@pytest.mark.parametrize(
    ("args", "today"),
    [
        (["--max-num-seqs=8", "--max_num_seqs", "16"], "16"),
        (["--max-num-seqs", "8"], "8"),
        ([], ""),
    ],
)
def test_the_last_value_of_a_flag_runs(args: list[str], today: str) -> None:
    assert running(*args).today("max-num-seqs") == today


def test_degrees_and_accelerators_follow_the_arguments() -> None:
    found = running("-tp=4", "-pp", "2")
    assert (found.degree("tensor-parallel-size"), found.accelerators) == (4, 8)
    assert running().degree("tensor-parallel-size") == 1


@pytest.mark.parametrize(
    ("limits", "resource"),
    [
        ({"nvidia.com/gpu": "2", "cpu": "8"}, "nvidia.com/gpu"),
        ({"amd.com/gpu": 1}, "amd.com/gpu"),
        ({"nvidia.com/mig-1g.10gb": 1, "rdma/hca": 1}, "nvidia.com/mig-1g.10gb"),
        ({"cpu": "8"}, ""),
    ],
)
def test_the_resource_of_its_accelerators(limits: Object, resource: str) -> None:
    assert running(resources={"limits": limits}).resource == resource


def test_of_several_resources_people_say_which() -> None:
    with pytest.raises(NotRecognisedError, match=r"asks for nvidia.com/gpu and amd.com/gpu: .* --gpu-resource"):
        _ = running(resources={"limits": {"nvidia.com/gpu": 1, "amd.com/gpu": 1}}).resource


@pytest.mark.parametrize(
    ("args", "model", "tokenizer"),
    [
        ([], None, "org/model"),
        (["--tokenizer=org/words"], None, "org/words"),
        (["--served-model-name", "org/llama", "other"], FOLDER, "org/llama"),
        (["--served-model-name=llama"], FOLDER, ""),
        (["--tokenizer=/models/llama"], FOLDER, ""),
    ],
)
def test_whose_tokenizer_counts(args: list[str], model: Object | None, tokenizer: str) -> None:
    assert running(*args, model=model).tokenizer_id == tokenizer


def test_files_that_can_be_read_are_better_than_a_name() -> None:
    assert replace(running("--served-model-name=org/llama", model=FOLDER), has_files=True).tokenizer_id == ""


@pytest.mark.parametrize(
    ("env", "token"),
    [
        ([secret("HF_TOKEN")], {"name": "keys", "key": "token"}),
        ([secret("HUGGING_FACE_HUB_TOKEN")], {"name": "keys", "key": "token"}),
        ([secret("HF_TOKEN", optional=True)], None),
        ([{"name": "HF_TOKEN", "value": "hf_x"}], None),
    ],
)
def test_the_token_of_the_hub(env: list[Object], token: Object | None) -> None:
    assert running(env=env).hub_token == token


@pytest.mark.parametrize(
    ("command", "env", "key"),
    [
        ([], [secret("VLLM_API_KEY")], {"name": "keys", "key": "token"}),
        (["--api-key=$(KEY)"], [secret("KEY")], {"name": "keys", "key": "token"}),
        ([], [], None),
    ],
)
def test_the_key_that_clients_need(command: list[str], env: list[Object], key: Object | None) -> None:
    assert running(command=tuple(command), env=env).api_key == key


@pytest.mark.parametrize(
    ("command", "env"), [(["--api-key=abc"], []), ([], [{"name": "VLLM_API_KEY", "value": "abc"}])]
)
def test_a_key_outside_of_secrets_is_for_people_to_move(command: list[str], env: list[Object]) -> None:
    with pytest.raises(NotRecognisedError, match=r"stands in no Secret: .* --api-key-secret NAME/KEY"):
        _ = running(command=tuple(command), env=env).api_key


def test_how_long_it_may_start() -> None:
    probe = {"initialDelaySeconds": 15, "periodSeconds": 30, "failureThreshold": 120}
    assert running(startupProbe=probe).startup_seconds == 3615
    assert running().startup_seconds == 0


def test_names_where_it_lists_several() -> None:
    assert running("--served-model-name", "a", "b").listed_names == ["a", "b"]
    assert running("--lora-modules=x=/x").listed_names == ["org/model", "an adapter"]
    assert running("--served-model-name=a").listed_names == []
