"""Other pure rules of the testbed: phases, conditions, images, names, kubeconfigs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autotuner.local.pod_status import conditions, phase
from testbed.controlplane import PROGRAMS, ControlPlane, find_programs
from testbed.gomodule import SetupError
from testbed.kubernetes import VERSIONS, Version, build, chosen
from testbed.node.container import Container
from testbed.node.context import Addresses, local
from testbed.node.images import ImageError, Images
from testbed.node.proxy import Directory, UnreachableError, rewrite
from testbed.supervisor import ROOT, _listened_nets, foreign_kubeconfig

RUNNING: dict[str, Any] = {"running": {}}
WAITING: dict[str, Any] = {"waiting": {"reason": "ContainerCreating"}}


def container(state: dict[str, Any], last: dict[str, Any] | None = None, ready: bool = False) -> Container:
    return Container({"name": "c", "image": "i"}, False, "m", state=state, last=last or {}, ready=ready)


def ended(code: int) -> dict[str, Any]:
    return {"terminated": {"exitCode": code}}


@pytest.mark.parametrize(
    ("policy", "states", "expected"),
    [
        ("Always", [WAITING], "Pending"),
        ("Always", [RUNNING, WAITING], "Pending"),
        ("Always", [RUNNING], "Running"),
        ("Always", [ended(0)], "Running"),
        ("Never", [ended(0), ended(0)], "Succeeded"),
        ("Never", [ended(0), ended(1)], "Failed"),
        ("Never", [ended(1), RUNNING], "Running"),
        ("OnFailure", [ended(0)], "Succeeded"),
        ("OnFailure", [ended(1)], "Running"),
    ],
)
def test_phases_follow_the_containers(policy: str, states: list[dict[str, Any]], expected: str) -> None:
    assert phase(policy, [], [container(state) for state in states], final=False) == expected


@pytest.mark.parametrize(("state", "expected"), [(ended(0), "Succeeded"), (ended(2), "Failed"), (WAITING, "Failed")])
def test_a_pod_that_will_not_run_again_has_a_final_phase(state: dict[str, Any], expected: str) -> None:
    assert phase("Always", [], [container(state)], final=True) == expected


@pytest.mark.parametrize(
    ("policy", "init", "expected"),
    [("Always", ended(0), "Running"), ("Always", ended(1), "Pending"), ("Never", ended(1), "Failed")],
)
def test_init_containers_come_first(policy: str, init: dict[str, Any], expected: str) -> None:
    assert phase(policy, [container(init)], [container(RUNNING)], final=False) == expected


def test_a_crashing_container_keeps_its_pod_running() -> None:
    assert phase("Always", [], [container(WAITING, last=ended(1))], final=False) == "Running"


def test_a_condition_that_stays_keeps_its_time() -> None:
    first = conditions("Running", [], [container(RUNNING)], [], "t1")
    second = conditions("Running", [], [container(RUNNING, ready=True)], first, "t2")
    times = {entry["type"]: (entry["status"], entry["lastTransitionTime"]) for entry in second}
    assert times["Initialized"] == ("True", "t1")
    assert times["Ready"] == ("True", "t2")
    done = conditions("Succeeded", [], [container(ended(0))], second, "t3")
    assert {
        "type": "Ready",
        "status": "False",
        "lastTransitionTime": "t3",
        "reason": "PodCompleted",
        "message": None,
    } in done


@pytest.fixture
def images(tmp_path: Path) -> Images:
    (tmp_path / "locks").mkdir()
    for name, folder in (("operator", ".venv"), ("benchmark", ".venv-benchmark")):
        (tmp_path / folder / "bin").mkdir(parents=True)
        (tmp_path / "locks" / f"{name}.txt").write_text(name)
    return Images(tmp_path, tmp_path / "cache", tmp_path / "engines.socket", tmp_path / "releases")


@pytest.mark.parametrize("image", ["autotuner/benchmark", "host:5000/a/autotuner/benchmark:v1@sha256:" + "0" * 64])
def test_images_are_known_by_the_end_of_their_repository(images: Images, tmp_path: Path, image: str) -> None:
    found = images.find(image)
    assert found.path.startswith(f"{tmp_path}/.venv-benchmark/bin:")
    assert found.variables["VIRTUAL_ENV"] == f"{tmp_path}/.venv-benchmark"
    assert found.image_id != images.find("autotuner/operator").image_id


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("busybox", "busybox:latest"),
        ("team/notautotuner/benchmark2", "team/notautotuner/benchmark2:latest"),
        ("notautotuner/benchmark:1", "notautotuner/benchmark:1"),
        ("example.org/x:1", "example.org/x:1"),
    ],
)
def test_unknown_images_cannot_be_pulled(images: Images, image: str, name: str) -> None:
    with pytest.raises(ImageError) as error:
        images.find(image)
    assert error.value.reason == "ErrImagePull"
    assert error.value.message == (
        f'failed to pull and unpack image "{name}": failed to resolve reference "{name}": {name}: not found'
    )


@pytest.mark.parametrize("image", ["Upper", "team/Upper", "", "a:b:c", "spaced name"])
def test_names_that_are_no_images(images: Images, image: str) -> None:
    with pytest.raises(ImageError) as error:
        images.find(image)
    assert error.value.reason == "InvalidImageName"


def test_an_image_of_another_release_runs_its_package(images: Images, tmp_path: Path) -> None:
    (tmp_path / "releases" / "1.0").mkdir(parents=True)

    assert images.find("autotuner/benchmark:1.0").variables["PYTHONPATH"] == str(tmp_path / "releases" / "1.0")
    assert "PYTHONPATH" not in images.find("autotuner/benchmark:2.0").variables


def test_addresses_are_reused_late() -> None:
    addresses = Addresses(244, 2)
    first = addresses.take()
    addresses.give_back(first)
    assert first == "10.244.2.1"
    assert local(first) == "127.244.2.1"
    assert addresses.take() == "10.244.2.2"


@pytest.fixture
def directory() -> Directory:
    found = Directory(244)
    spec = {"clusterIP": "10.96.0.9", "ports": [{"name": "http", "port": 80}]}
    found.note_service("ADDED", {"metadata": {"namespace": "ns", "name": "web"}, "spec": spec})
    return found


def endpoints(ready: bool) -> dict[str, Any]:
    return {
        "metadata": {"uid": "1", "namespace": "ns", "labels": {"kubernetes.io/service-name": "web"}},
        "ports": [{"name": "http", "port": 8080}, {"name": "metrics", "port": 9090}],
        "endpoints": [{"addresses": ["10.244.1.5"], "conditions": {"ready": ready}}],
    }


@pytest.mark.parametrize("host", ["web.ns", "web.ns.svc", "web.ns.svc.cluster.local", "10.96.0.9"])
def test_a_service_leads_to_its_ready_endpoint(directory: Directory, host: str) -> None:
    directory.note_slice("ADDED", endpoints(ready=True))
    assert directory.resolve(host, 80) == ("127.244.1.5", 8080)
    directory.note_slice("MODIFIED", endpoints(ready=False))
    with pytest.raises(UnreachableError) as error:
        directory.resolve(host, 80)
    assert error.value.status.startswith("503")


@pytest.mark.parametrize(
    ("host", "port"), [("web.ns", 81), ("web.other", 80), ("web.ns.example.com", 80), ("example.com", 80)]
)
def test_nothing_outside_the_cluster_is_reached(directory: Directory, host: str, port: int) -> None:
    with pytest.raises(UnreachableError) as error:
        directory.resolve(host, port)
    assert error.value.status.startswith("502")


def test_pod_addresses_become_local(directory: Directory) -> None:
    assert directory.resolve("10.244.1.5", 8080) == ("127.244.1.5", 8080)


def test_a_request_to_the_proxy_becomes_one_to_the_server() -> None:
    head = b"POST http://web.ns:8080/v1/x?a=b HTTP/1.1\r\nHost: web.ns:8080\r\nProxy-Connection: keep-alive\r\nX: y"
    host, port, rewritten = rewrite(head)
    assert (host, port) == ("web.ns", 8080)
    assert rewritten == b"POST /v1/x?a=b HTTP/1.1\r\nConnection: close\r\nHost: web.ns:8080\r\nX: y"


@pytest.mark.parametrize(
    "line", [b"GET /direct HTTP/1.1", b"CONNECT web.ns:443 HTTP/1.1", b"nonsense", b"GET http://h:x/ HTTP/1.1"]
)
def test_other_requests_are_refused(line: bytes) -> None:
    with pytest.raises(UnreachableError) as error:
        rewrite(line + b"\r\nHost: h")
    assert error.value.status.startswith("400")


def kubeconfig(path: Path, server: str, **user: Any) -> dict[str, str]:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user or {"token": "t"}}],
    }
    path.write_text(json.dumps(config))
    return {"KUBECONFIG": str(path)}


@pytest.mark.parametrize(
    "server", ["https://127.0.0.1:6443", "https://localhost:1", "https://[::1]:1", "https://127.9.9.9"]
)
def test_a_cluster_of_this_machine_is_used(tmp_path: Path, server: str) -> None:
    assert foreign_kubeconfig(kubeconfig(tmp_path / "k", server)) == tmp_path / "k"


@pytest.mark.parametrize("server", ["https://10.0.0.1:6443", "https://localhost.example.com", "https://0.0.0.0:6443"])
def test_a_cluster_elsewhere_gets_no_nodes(tmp_path: Path, server: str) -> None:
    with pytest.raises(SetupError, match="not on this machine; unset KUBECONFIG"):
        foreign_kubeconfig(kubeconfig(tmp_path / "k", server))


def test_a_kubeconfig_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="plug-in"):
        foreign_kubeconfig(kubeconfig(tmp_path / "k", "https://127.0.0.1:1", exec={"command": "x"}))
    with pytest.raises(SetupError, match="No such file"):
        foreign_kubeconfig({"KUBECONFIG": str(tmp_path / "none")})


def test_without_a_kubeconfig_the_testbed_starts_its_own() -> None:
    assert foreign_kubeconfig({}) is None


def test_given_programs_are_honoured(tmp_path: Path) -> None:
    for name in PROGRAMS:
        (tmp_path / name).touch()
    assert find_programs({"KUBEBUILDER_ASSETS": str(tmp_path)}) == {name: [str(tmp_path / name)] for name in PROGRAMS}


def test_given_programs_have_to_be_there(tmp_path: Path) -> None:
    (tmp_path / "etcd").touch()
    with pytest.raises(SetupError, match="no etcd and kube-apiserver there"):
        find_programs({"KUBEBUILDER_ASSETS": str(tmp_path)})


@pytest.mark.parametrize(
    ("environment", "number"),
    [
        ({}, "1.34.4"),
        ({"TESTBED_KUBERNETES": ""}, "1.34.4"),
        ({"TESTBED_KUBERNETES": "1.30"}, "1.30.14"),
        ({"TESTBED_KUBERNETES": "1.37"}, "1.37.2"),
    ],
)
def test_the_environment_names_the_version(environment: dict[str, str], number: str) -> None:
    assert chosen(environment).number == number


def test_an_unknown_version_is_told_with_those_that_there_are() -> None:
    with pytest.raises(SetupError, match=r"TESTBED_KUBERNETES=1\.99: the testbed has .* 1\.30, 1\.34, 1\.37"):
        chosen({"TESTBED_KUBERNETES": "1.99"})


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.minor)
def test_each_version_has_modules_of_its_own(version: Version) -> None:
    text = (ROOT / "testbed" / "kubernetes" / version.module_file).read_text()
    assert f"k8s.io/kubernetes v{version.number}\n" in text
    staging = version.number.replace("1.", "0.", 1)
    assert f"k8s.io/api => k8s.io/api v{staging}\n" in text


@pytest.mark.parametrize(
    ("minor", "controllers", "gated"),
    [("1.30", 4, False), ("1.34", 4, True), ("1.37", 1, False)],
)
def test_the_flags_are_those_that_the_version_has(tmp_path: Path, minor: str, controllers: int, gated: bool) -> None:
    plane = ControlPlane.prepare(tmp_path, chosen({"TESTBED_KUBERNETES": minor}))
    flags = plane.flags(dict.fromkeys(plane.tokens, tmp_path))
    without = next(flag for flag in flags["kube-controller-manager"] if flag.startswith("--controllers="))
    assert without.count(",-") == controllers
    assert ("--feature-gates=MutatingAdmissionPolicy=true" in flags["kube-apiserver"]) == gated


def test_a_missing_go_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="`go` is not on PATH"):
        build("controlplane")


def test_a_net_on_which_something_listens_is_not_for_another_testbed() -> None:
    table = """\
  sl  local_address rem_address   st tx_queue rx_queue
   0: 0701F47F:1F90 00000000:0000 0A 00000000:00000000
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000
   2: 0701F37F:1F90 0100007F:9999 01 00000000:00000000
   3: 0501F40A:1F90 00000000:0000 0A 00000000:00000000
"""

    assert _listened_nets(table) == {244}
