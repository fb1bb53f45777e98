"""What runs here for a pod's container: program, port, cores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autotuner.local.machine import Machine, simulated
from autotuner.local.pod_workload import Surroundings, workload
from autotuner.local.podspec import ConfigError
from autotuner.local.programs import Programs, program_length
from autotuner.local.template_ports import with_port

BENCHMARK = "docker.io/autotuner/benchmark:0.1.0"


@pytest.mark.parametrize(
    ("command", "length"),
    [
        ([], 0),
        (["vllm", "serve", "$(MODEL_PATH)", "--port", "8080"], 2),
        (["python3", "-m", "sglang.launch_server", "--model-path", "x"], 3),
        (["vllm", "serve", "/models/x"], 2),
        (["server"], 1),
    ],
)
def test_the_words_that_start_the_program(command: list[str], length: int) -> None:
    assert program_length(command) == length


def test_which_program_stands_for_an_image(tmp_path: Path) -> None:
    (tmp_path / "vllm").touch()
    plain = Programs(Path("/b/python"))
    installed = Programs(Path("/b/python"), tmp_path / "python")
    own = Programs(Path("/b/python"), engine_command=["/opt/vllm", "serve"])
    engine = {"image": "vllm:1", "command": ["vllm", "serve", "--port=1"]}

    assert plain.command({"image": BENCHMARK, "command": ["python", "-m", "x"]}) == ["/b/python", "-m", "x"]
    assert (plain.runs(BENCHMARK), plain.runs("vllm:1"), installed.runs("vllm:1")) == (True, False, True)
    assert not plain.is_benchmark("docker.io/other/benchmark:1")
    assert installed.command(engine) == [str(tmp_path / "vllm"), "serve", "--port=1"]
    assert own.command(engine) == ["/opt/vllm", "serve", "--port=1"]


def template(*words: str) -> dict[str, Any]:
    probe = {"httpGet": {"path": "/health", "port": 8080}}
    container = {"command": list(words), "ports": [{"containerPort": 8080}], "readinessProbe": probe}
    return {"spec": {"containers": [container]}}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["e", "--host", "0.0.0.0", "--port", "8080"], ["e", "--host", "127.0.0.1", "--port", "41"]),
        (["e", "--host=$(POD_IP)", "--port=8080"], ["e", "--host=127.0.0.1", "--port=41"]),
    ],
)
def test_each_engine_has_a_port_of_its_own(words: list[str], expected: list[str]) -> None:
    (container,) = with_port(template(*words), 41)["spec"]["containers"]

    assert container["command"] == expected
    assert container["ports"] == [{"containerPort": 41}]
    assert container["readinessProbe"]["httpGet"]["port"] == 41


def test_a_port_that_no_flag_tells_stays() -> None:
    assert with_port(template("e"), 41) == template("e")


def test_a_container_as_a_process() -> None:
    pod: dict[str, Any] = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": {}}
    container = {
        "name": "c",
        "image": BENCHMARK,
        "command": ["python", "--out=/dev/termination-log", "/scratch/x"],
        "env": [{"name": "PLACE", "value": "/scratch"}],
        "volumeMounts": [{"name": "w", "mountPath": "/scratch"}],
    }
    programs = Programs(Path("/b/bin/python"))
    around = Surroundings("run", {"PYTHONPATH": "/x", "A": "1"}, programs, {"w": "/here"}, "/end")

    found = workload(pod, container, "u.c.0", "p.c.0", around)

    assert list(found.command) == ["/b/bin/python", "--out=/end", "/here/x"]
    assert (found.env["PLACE"], found.env["A"], "PYTHONPATH" in found.env) == ("/here", "1", False)
    assert found.env["PATH"].startswith("/b/bin:")
    assert "127.0.0.1" in found.env["no_proxy"]
    with pytest.raises(ConfigError, match=r"runtime\.local\.command"):
        workload(pod, {"name": "c", "image": BENCHMARK}, "u", "p", around)


def test_cores_are_parted_where_there_are_enough() -> None:
    few, many = Machine(range(2), 1), Machine(range(16), 1)

    assert (few.cores(benchmark=True), few.cores(benchmark=False)) == ((), ())
    assert (list(many.cores(benchmark=True)), list(many.cores(benchmark=False))) == ([14, 15], list(range(14)))
    assert simulated(few).node()["status"]["allocatable"]["nvidia.com/gpu"] == "8"
