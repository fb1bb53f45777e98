"""`autotuner flags`: a Job that asks an image, and what it printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.test_validate import autotuner
from tests.unit.engines.probed import FLAGS, logged


def test_the_job_of_an_image() -> None:
    code, printed = autotuner("flags", "docker.io/vllm/vllm-openai:v0.33.0")
    job = yaml.safe_load(printed)
    (container,) = job["spec"]["template"]["spec"]["containers"]

    assert code == 0
    assert job["kind"] == "Job"
    assert job["metadata"]["name"].startswith("vllm-flags-")
    assert "namespace" not in job["metadata"]
    assert (container["image"], container["command"][0]) == ("docker.io/vllm/vllm-openai:v0.33.0", "python3")
    assert container["command"][-1] == "vllm"


def test_what_is_said_of_the_job() -> None:
    options = ["--engine=SGLang", "-nteam", "--pull-secret=a", "--pull-secret=b", "--python=/opt/python"]
    code, printed = autotuner("flags", "registry.example/engine:1", *options)
    job = yaml.safe_load(printed)
    spec = job["spec"]["template"]["spec"]

    assert code == 0
    assert job["metadata"]["namespace"] == "team"
    assert spec["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]
    assert (spec["containers"][0]["command"][0], spec["containers"][0]["command"][-1]) == ("/opt/python", "sglang")


WRONG = [
    ((), "give either an IMAGE or --read FILE"),
    (("vllm:1", "--read=x"), "give either an IMAGE or --read FILE"),
    (("registry.example/engine:1",), "registry.example/engine:1 names no engine that is known"),
    (("vllm:1", "--engine=Custom"), "Custom names no engine that is known; say --engine SGLang or VLLM"),
    (("--read=missing.log",), "missing.log"),
]


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_wrong_usage_is_told(words: tuple[str, ...], said: str) -> None:
    code, printed = autotuner("flags", *words)

    assert code == 2
    assert said in " ".join(printed.split())


@pytest.mark.parametrize("stdin", [True, False])
def test_the_flags_in_a_log(tmp_path: Path, stdin: bool) -> None:
    log = tmp_path / "probe.log"
    log.write_text(logged())
    code, printed = autotuner("flags", "--read", "-" if stdin else str(log), stdin=logged())

    assert code == 0
    assert json.loads(printed) == {"engine": "vllm", "version": "0.33.1+cpu", "flags": FLAGS}
    assert len(printed.splitlines()) == 6 + len(FLAGS)


def test_a_log_without_flags_is_told() -> None:
    code, printed = autotuner("flags", "--read=-", stdin="No module named 'vllm'\n")

    assert code == 2
    assert printed == "autotuner: <stdin>: the log has no line that begins with autotuner-flags\n"
