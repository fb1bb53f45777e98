"""Containers as people write them: which one runs an engine, and how it is started with other flags."""

from __future__ import annotations

from typing import Any

import pytest

from autotuner.serving.target.engine_container import NoEngineError, find

VLLM_IMAGE = "vllm/vllm-openai:v0.33.0"
SGLANG_IMAGE = "lmsysorg/sglang:v0.5.23"
MODEL = "org/model"


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "main", "image": VLLM_IMAGE, **fields}


SECRET = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
SIZE = {"name": "SIZE", "value": "4"}

# what is written -> head, flags, and what is written with --a=1 in the flags' place
FORMS: dict[str, tuple[dict[str, Any], list[str], list[str], dict[str, list[str]]]] = {
    "all in command": (
        {"command": ["vllm", "serve", MODEL, "--port", "8000", "--max-num-seqs", "64"]},
        ["vllm", "serve", MODEL, "--port", "8000"],
        ["--max-num-seqs", "64"],
        {"command": ["vllm", "serve", MODEL, "--port", "8000", "--a=1"]},
    ),
    "flags in args": (
        {"command": ["vllm", "serve"], "args": [MODEL, "--max-num-seqs=64", "--port=8000", "--enforce-eager"]},
        ["vllm", "serve", MODEL, "--port=8000"],
        ["--max-num-seqs=64", "--enforce-eager"],
        {"command": ["vllm", "serve"], "args": [MODEL, "--port=8000", "--a=1"]},
    ),
    "the image starts it": (
        {"args": ["--model", MODEL, "--max-num-seqs=64"]},
        ["--model", MODEL],
        ["--max-num-seqs=64"],
        {"args": ["--model", MODEL, "--a=1"]},
    ),
    "the image starts it, with the model alone": (
        {"args": [MODEL]},
        [MODEL],
        [],
        {"args": [MODEL, "--a=1"]},
    ),
    "nothing but the program": (
        {"command": ["vllm", "serve"]},
        ["vllm", "serve"],
        [],
        {"command": ["vllm", "serve", "--a=1"]},
    ),
    "a module": (
        {
            "image": "registry/mine:1",
            "command": ["python3", "-m", "vllm.entrypoints.openai.api_server"],
            "args": ["--model", MODEL, "-tp", "2"],
        },
        ["python3", "-m", "vllm.entrypoints.openai.api_server", "--model", MODEL],
        ["-tp", "2"],
        {"command": ["python3", "-m", "vllm.entrypoints.openai.api_server"], "args": ["--model", MODEL, "--a=1"]},
    ),
    "SGLang, all in args": (
        {
            "image": SGLANG_IMAGE,
            "args": ["python3", "-m", "sglang.launch_server", "--model-path", MODEL, "--host", "0.0.0.0", "--tp", "2"],
        },
        ["python3", "-m", "sglang.launch_server", "--model-path", MODEL, "--host", "0.0.0.0"],
        ["--tp", "2"],
        {"args": ["python3", "-m", "sglang.launch_server", "--model-path", MODEL, "--host", "0.0.0.0", "--a=1"]},
    ),
    "behind a wrapper": (
        {"command": ["numactl", "--cpunodebind=0", "/opt/bin/vllm", "serve", MODEL, "--enforce-eager"]},
        ["numactl", "--cpunodebind=0", "/opt/bin/vllm", "serve", MODEL],
        ["--enforce-eager"],
        {"command": ["numactl", "--cpunodebind=0", "/opt/bin/vllm", "serve", MODEL, "--a=1"]},
    ),
    "flags in both": (
        {"command": ["vllm", "serve", MODEL, "--enforce-eager", "--port=1"], "args": ["--max-num-seqs=64", "--host=x"]},
        ["vllm", "serve", MODEL, "--port=1", "--host=x"],
        ["--enforce-eager", "--max-num-seqs=64"],
        {"command": ["vllm", "serve", MODEL, "--port=1"], "args": ["--host=x", "--a=1"]},
    ),
    "variables": (
        {
            "env": [SIZE, SECRET],
            "command": ["vllm", "serve", MODEL],
            "args": ["--tensor-parallel-size=$(SIZE)", "--api-key=$(KEY)", "--ssl-keyfile=$(KEY)", "--x=$$(SIZE)"],
        },
        ["vllm", "serve", MODEL, "--api-key=$(KEY)", "--ssl-keyfile=$(KEY)"],
        ["--tensor-parallel-size=4", "--x=$(SIZE)"],
        {"command": ["vllm", "serve", MODEL], "args": ["--api-key=$(KEY)", "--ssl-keyfile=$(KEY)", "--a=1"]},
    ),
    "a script in args": (
        {"command": ["/bin/sh", "-c"], "args": ["set -e; exec vllm serve org/model --max-num-seqs 64 --port 80"]},
        ["vllm", "serve", MODEL, "--port", "80"],
        ["--max-num-seqs", "64"],
        {"command": ["/bin/sh", "-c"], "args": ["set -e; exec vllm serve org/model --port 80 --a=1"]},
    ),
    "a script in command": (
        {"env": [SIZE], "command": ["bash", "-c", "vllm serve org/model -tp $SIZE --dtype=$(SIZE)"]},
        ["vllm", "serve", MODEL],
        ["-tp", "4", "--dtype=4"],
        {"command": ["bash", "-c", "vllm serve org/model --a=1"]},
    ),
    "a script that takes arguments": (
        {"command": ["bash", "-c", 'vllm serve org/model "$@"', "--"], "args": ["--enforce-eager"]},
        ["vllm", "serve", MODEL],
        ["--enforce-eager"],
        {"command": ["bash", "-c", "vllm serve org/model --a=1"]},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_flags_are_read_and_replaced_where_they_stand(form: str) -> None:
    fields, head, flags, written = FORMS[form]
    found = find([container(**fields)])
    assert (list(found.head), list(found.flags)) == (head, flags)
    assert found.started_with(["--a=1"]) == written


@pytest.mark.parametrize("form", FORMS)
def test_the_same_flags_are_read_again(form: str) -> None:
    fields, *_ = FORMS[form]
    found = find([container(**fields)])
    kept = {key: value for key, value in fields.items() if key not in ("command", "args")}
    again = find([container(**kept, **found.started_with(['--json={"a": "$(SIZE) $x"}', "--b=x y"]))])
    assert list(again.flags) == ['--json={"a": "$(SIZE) $x"}', "--b=x y"]
    assert sorted(again.head) == sorted(found.head)


@pytest.mark.parametrize(
    ("fields", "engine"),
    [
        ({"command": ["vllm", "serve", MODEL]}, "VLLM"),
        ({"image": "x/y:1", "command": ["sglang", "serve", "--model-path", MODEL]}, "SGLang"),
        ({"image": "mirror.corp/vllm/vllm-openai:v0.11.2", "args": ["--model=x"]}, "VLLM"),
    ],
)
def test_the_engine_is_known_by_command_and_image(fields: dict[str, Any], engine: str) -> None:
    assert find([container(**fields)]).engine == engine


@pytest.mark.parametrize(
    ("kept", "head", "flags"),
    [
        (0, ["vllm", "serve"], ["--enforce-eager", "--max-num-seqs=64"]),
        (3, ["vllm", "serve", "--enforce-eager"], ["--max-num-seqs=64"]),
        (4, ["vllm", "serve", "--enforce-eager", "--max-num-seqs=64"], []),
    ],
)
def test_words_that_nobody_can_change_are_no_flags_to_tune(kept: int, head: list[str], flags: list[str]) -> None:
    fields = container(command=["vllm", "serve"], args=["--enforce-eager", "--max-num-seqs=64"])
    found = find([fields], kept=kept)

    assert (list(found.head), list(found.flags)) == (head, flags)
    assert found.started_with(["--a=1"])["args"] == [*head[2:], "--a=1"]


def test_a_value_is_the_last_that_was_given() -> None:
    found = find([container(args=["--port=1", "--model", MODEL, "--port", "2", "-tp=4"])])
    assert (found.value("port"), found.value("tensor-parallel-size"), found.value("dtype")) == ("2", "4", "")


def test_a_sidecar_is_no_engine() -> None:
    sidecar = {"name": "proxy", "image": "envoy:1", "args": ["--port=1"]}
    assert find([sidecar, container(args=["--model=x"])]).name == "main"


WEB = {"name": "web", "image": "nginx"}


@pytest.mark.parametrize(
    ("containers", "name", "why"),
    [
        (
            [WEB],
            "",
            r"no container starts an engine that is known \(web: what nginx starts",
        ),
        ([WEB], "main", "there is no container 'main'; there are web"),
        (
            [{**WEB, "args": ["-x"]}],
            "web",
            "container 'web' starts no engine that is known: -x",
        ),
        (
            [container(args=["--model=x"]), container(name="b", args=["--model=y"])],
            "",
            "more than one container .* main, b",
        ),
        ([container(command=["sh", "-c", "vllm serve x | tee y"])], "", r"container 'main': .* cannot be read: .*'\|'"),
        (
            [container(command=["sh", "-c", "vllm serve x --api-key $(KEY)"], env=[SECRET])],
            "",
            r"the value of \$\(KEY\) is not written",
        ),
        ([container(image=SGLANG_IMAGE, args=["--tp=2"])], "", "no container starts an engine"),
    ],
)
def test_what_cannot_be_told_is_refused(containers: list[dict[str, Any]], name: str, why: str) -> None:
    with pytest.raises(NoEngineError, match=why):
        find(containers, name)
