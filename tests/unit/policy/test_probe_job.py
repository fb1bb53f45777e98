"""The Job that asks an image's own parser: its pod is as restricted as a benchmark's and holds no accelerator."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autotuner.engines import probed_flags
from autotuner.kubernetes_object import Object
from autotuner.policy.probe_job import CONTAINER, Place, deadline_seconds, probe_job, python_of


def made(**more: object) -> Object:
    return probe_job(Place("chat-flags", "team", **more), "vllm:1", "vllm", pull_seconds=1800)  # type: ignore[arg-type]


def test_its_pod_is_restricted_and_holds_no_accelerator() -> None:
    spec = made()["spec"]["template"]["spec"]
    (container,) = spec["containers"]

    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"].keys() == {"requests", "limits"}
    assert {name for part in container["resources"].values() for name in part} == {"cpu", "memory"}
    (mount,) = container["volumeMounts"]
    home = next(one["value"] for one in container["env"] if one["name"] == "HOME")
    assert mount["mountPath"] == home


def test_it_ends() -> None:
    spec = made()["spec"]

    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 2100)
    assert spec["podFailurePolicy"]["rules"][0]["action"] == "Ignore"
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["ttlSecondsAfterFinished"] == 3600
    assert deadline_seconds(10) == 310


def test_what_is_not_said_is_not_there() -> None:
    bare, spec = made(), made()["spec"]["template"]["spec"]

    assert bare["metadata"] == {"name": "chat-flags", "namespace": "team"}
    assert not {"nodeSelector", "tolerations", "imagePullSecrets"} & spec.keys()
    assert "namespace" not in probe_job(Place("x"), "vllm:1", "vllm")["metadata"]


def test_what_is_said_is_there() -> None:
    body = made(labels={"a": "b"}, pull_secrets=[{"name": "key"}], node_selector={"pool": "x"})

    assert body["metadata"]["labels"] == body["spec"]["template"]["metadata"]["labels"] == {"a": "b"}
    assert body["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "key"}]
    assert body["spec"]["template"]["spec"]["nodeSelector"] == {"pool": "x"}


PYTHONS = [
    (["python3", "-m", "sglang.launch_server"], "python3"),
    (["/opt/venv/bin/python3.12", "-m", "vllm"], "/opt/venv/bin/python3.12"),
    (["vllm", "serve"], "python3"),
    (["sh", "-c", "python -m x"], "python3"),
    ([], "python3"),
]


@pytest.mark.parametrize(("command", "python"), PYTHONS)
def test_the_python_is_the_runtimes_own(command: list[str], python: str) -> None:
    assert python_of(command) == python


def test_its_command_asks_a_parser(tmp_path: Path) -> None:
    """The words of the container, as the kubelet expands them, run by a Python that has a package of that name."""
    folder = tmp_path / "sglang" / "srt"
    folder.mkdir(parents=True)
    (tmp_path / "sglang" / "__init__.py").write_text("__version__ = '9.9.9'\n")
    (folder / "__init__.py").write_text("")
    (folder / "server_args.py").write_text(
        "class ServerArgs:\n"
        "    def add_cli_args(parser):\n"
        "        parser.add_argument('--tp-size', type=int, default=1)\n"
    )
    (container,) = probe_job(Place("x"), "sglang:1", "sglang")["spec"]["template"]["spec"]["containers"]
    assert container["name"] == CONTAINER
    words = [re.sub(r"\$\$", "$", word) for word in container["command"]]
    ended = subprocess.run(
        [sys.executable, *words[1:]], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )

    assert ended.returncode == 0, ended.stderr
    told = json.loads(probed_flags.in_log(ended.stdout + ended.stderr).text)
    assert told == {
        "engine": "sglang",
        "version": "9.9.9",
        "flags": [{"name": "tp-size", "kind": "int", "default": 1}],
    }
