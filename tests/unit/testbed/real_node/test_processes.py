"""Which processes of the node are alive, how it is entered, and what a machine must have for one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbed import container_engines, system
from testbed.real_node import requirements
from testbed.real_node.configuration import commands
from testbed.real_node.namespaces import alive, end, inside
from testbed.real_node.place import Place
from testbed.real_node.programs import Programs

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)", "a-marker"]
PROGRAMS = Programs(*(Path("/bin") / name for name in ("plane", "node", "kubectl", "coredns", "pause", "relay")))


def test_a_process_is_alive_while_it_is_the_one_that_was_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    assert not alive(pid, "a-marker")
    process = subprocess.Popen(SLEEP)
    try:
        pid.write_text(f"{process.pid}\n")
        deadline = time.monotonic() + 30
        while not alive(pid, "a-marker"):  # its command line is empty for an instant
            assert time.monotonic() < deadline
        assert not alive(pid, "another-program")
        end(pid, "another-program")
        assert process.poll() is None, "nobody else's process is ended"
        end(pid, "a-marker")
        assert not alive(pid, "a-marker"), "a zombie is not alive"
    finally:
        process.kill()
        process.wait()


def test_a_command_enters_the_node_with_its_words_as_they_are(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.run.mkdir()
    (place.run / "node.pid").write_text("42\n")

    words = inside(place, "echo", "two words", "$HOME")

    assert words[4:] == [tmp_path.name, "42", "echo", "two words", "$HOME"]


def test_another_process_finds_the_same_place() -> None:
    place = Place(Path("/tmp/other"), 7444)

    assert Place.of(place.environment) == place


def test_every_daemon_is_of_this_node() -> None:
    place = Place(Path("/tmp/other"), 7444, "node1")

    started = commands(place, PROGRAMS)

    assert list(started) == [
        *("containerd", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
    ]
    assert "--secure-port=7444" in started["kube-apiserver"]
    assert "--hostname-override=node1" in started["kubelet"]
    assert all("/tmp/other/run" in " ".join(map(str, words)) for words in started.values())


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        ({"geteuid": lambda: 1000}, "it needs root"),
        ({"packages": {"no-such-program": "some-package", "sh": "dash"}}, "no some-package; make setup-system"),
        ({"base": "/tmp/" + "x" * 60}, "too long for sockets"),
    ],
    ids=["not root", "a package that is missing", "a long path"],
)
def test_what_stands_against_a_node_is_told(
    changes: dict[str, object], want: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", changes.get("geteuid", lambda: 0))
    monkeypatch.setattr(requirements, "PACKAGES", changes.get("packages", {}))
    monkeypatch.setattr(requirements, "_CONTROL_GROUPS", tmp_path)
    monkeypatch.setenv("REAL_NODE_BASE", str(changes.get("base", "/tmp/node")))

    assert want in requirements.obstacle()


def test_nobody_but_root_installs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(requirements, "PACKAGES", {"no-such-program": "some-package"})
    monkeypatch.setattr(container_engines, "PACKAGES", {"nor-this": "another-package"})
    monkeypatch.setattr("shutil.which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None)

    assert system.main() == 1
    assert capsys.readouterr().err == "another-package, chromium, some-package: not installed, it needs root\n"
    monkeypatch.setattr(requirements, "PACKAGES", {})
    monkeypatch.setattr(container_engines, "PACKAGES", {})
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert system.main() == 0
