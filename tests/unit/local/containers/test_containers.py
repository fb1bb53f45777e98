"""What is decided about containers without a container engine."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from autotuner.local.containers import container_config, ends, finding, memory_watch, pulls, registry_login
from autotuner.local.containers.finding import Engine, NoEngineError, Place
from autotuner.local.workload import StartError, State, Workload

DOCKER = Engine(Place("/s", "a test's"), podman=False, version="20.10.24")
PODMAN = replace(DOCKER, podman=True, version="5.4.0")
WORKLOAD = Workload("u.engine.0", "run", "chat-1-engine", image="vllm/vllm-openai:v0.32.0")

V1_MOUNTS = """35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices"""
V2_MOUNTS = "30 25 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
INNER_MOUNTS = "30 25 0:27 /outer /sys/fs/cgroup ro - cgroup2 cgroup rw"


@pytest.mark.parametrize(
    ("groups", "mounts", "wanted"),
    [
        (
            "4:memory:/docker/ab\n1:cpu:/docker/ab\n0::/",
            V1_MOUNTS,
            "/sys/fs/cgroup/memory/docker/ab/memory.oom_control",
        ),
        ("0::/system.slice/docker-ab.scope", V2_MOUNTS, "/sys/fs/cgroup/system.slice/docker-ab.scope/memory.events"),
        ("0::/outer/libpod-ab", INNER_MOUNTS, "/sys/fs/cgroup/libpod-ab/memory.events"),
        ("0::/elsewhere/libpod-ab", INNER_MOUNTS, None),
        ("0::/../libpod-ab", V2_MOUNTS, None),
    ],
)
def test_the_counter_of_a_control_group(groups: str, mounts: str, wanted: str | None) -> None:
    found = next(memory_watch.counters(groups, mounts), None)
    assert found == (None if wanted is None else Path(wanted))


@pytest.mark.parametrize(
    ("text", "kills"),
    [
        (b"oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", 2),
        (b"low 0\nhigh 0\nmax 9\noom 1\noom_kill 1\noom_group_kill 0\n", 1),
        (b"oom_kill_disable 0\nunder_oom 0\n", 0),
    ],
)
def test_kills_are_counted(text: bytes, kills: int) -> None:
    assert memory_watch.count(text) == kills


BEGUN, DONE = "2026-11-30T10:00:00.123456789Z", "2026-11-30T10:01:00.5+00:00"


@pytest.mark.parametrize(
    ("told", "kills", "error", "wanted"),
    [
        ({"Status": "running", "StartedAt": BEGUN}, 0, "", State("Running", started=1796032800.123456)),
        ({"Status": "paused", "StartedAt": BEGUN}, 0, "", State("Running", started=1796032800.123456)),
        ({"Status": "created"}, 0, "", State("Absent")),
        ({"Status": "created", "Error": "no such file"}, 0, "", State("Ended", None, words="no such file")),
        ({"Status": "created"}, 0, "no program", State("Ended", None, words="no program")),
        ({"Status": "exited", "ExitCode": 3, "OOMKilled": True}, 0, "", State("Ended", 3, out_of_memory=True)),
        ({"Status": "exited", "ExitCode": 0}, 1, "", State("Ended", 0, out_of_memory=True)),
        ({"Status": "exited", "ExitCode": 137}, 0, "", State("Ended", 137)),
        ({"Status": "dead", "ExitCode": 137}, 0, "", State("Ended", 137)),
        (
            {"Status": "exited", "StartedAt": BEGUN, "FinishedAt": DONE},
            0,
            "",
            State("Ended", 0, started=1796032800.123456, ended=1796032860.5),
        ),
        ({"Status": "exited", "StartedAt": "0001-01-01T00:00:00Z"}, 0, "", State("Ended", 0)),
    ],
)
def test_a_state_is_read(told: dict[str, object], kills: int, error: str, wanted: State) -> None:
    assert ends.read({"State": told}, kills, error) == wanted


def test_a_command_replaces_the_entry_point_and_arguments_alone_do_not() -> None:
    body = container_config.body(replace(WORKLOAD, command=["vllm"], args=["serve"]), DOCKER)
    assert (body["Entrypoint"], body["Cmd"]) == (["vllm"], ["serve"])
    assert "Entrypoint" not in container_config.body(replace(WORKLOAD, args=["--port=1"]), DOCKER)


@pytest.mark.parametrize(
    ("engine", "vendor", "wanted"),
    [
        (DOCKER, "nvidia", [{"Driver": "nvidia", "DeviceIDs": ["GPU-1"], "Capabilities": [["gpu"]]}]),
        (PODMAN, "nvidia", [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=GPU-1"]}]),
        (DOCKER, "amd", None),
    ],
)
def test_accelerators_are_asked_for(engine: Engine, vendor: str, wanted: object) -> None:
    body = container_config.body(replace(WORKLOAD, accelerators=["GPU-1"], vendor=vendor), engine)
    assert body["HostConfig"].get("DeviceRequests") == wanted
    if vendor == "amd":
        assert [one["PathOnHost"] for one in body["HostConfig"]["Devices"]] == ["/dev/kfd", "/dev/dri"]
        assert "ROCR_VISIBLE_DEVICES=GPU-1" in body["Env"]


def test_a_podman_that_drops_accelerators_in_silence_is_refused() -> None:
    with pytest.raises(StartError, match=r"Podman 5\.3\.2 gives no accelerators .* Podman 5\.4 or newer"):
        container_config.body(
            replace(WORKLOAD, accelerators=["GPU-1"], vendor="nvidia"), replace(PODMAN, version="5.3.2")
        )


def test_remapped_users_do_not_forbid_the_network() -> None:
    assert container_config.body(WORKLOAD, replace(DOCKER, remapped=True))["HostConfig"]["UsernsMode"] == "host"


def test_names_are_for_people_and_lasting() -> None:
    one, again = container_config.name(WORKLOAD), container_config.name(WORKLOAD)
    assert one == again
    assert one.startswith("autotuner-chat-1-engine-")
    assert container_config.name(replace(WORKLOAD, uid="v")) != one


def test_sockets_are_looked_for_in_order() -> None:
    def sockets(environment: dict[str, str], user: int) -> list[str]:
        return [place.socket for place in finding.places(environment, user, "/home/ann")]

    assert sockets({"DOCKER_HOST": "unix:///x.sock"}, 0) == ["/x.sock"]
    assert sockets({}, 0)[:2] == ["/var/run/docker.sock", "/run/podman/podman.sock"]
    assert sockets({"XDG_RUNTIME_DIR": "/run/user/7"}, 7) == [
        "/var/run/docker.sock",
        "/run/user/7/docker.sock",
        "/home/ann/.docker/run/docker.sock",
        "/run/user/7/podman/podman.sock",
        "/run/podman/podman.sock",
    ]
    with pytest.raises(NoEngineError, match=r"DOCKER_HOST=tcp://gpu:2375 .* unset DOCKER_HOST"):
        sockets({"DOCKER_HOST": "tcp://gpu:2375"}, 0)


async def test_no_engine_is_told_with_the_places_and_the_ways_out(tmp_path: Path) -> None:
    with pytest.raises(NoEngineError, match=r"nothing\.sock \(a test's\) is not there\. .*systemctl start docker"):
        await finding.find([Place(str(tmp_path / "nothing.sock"), "a test's")])


@pytest.mark.parametrize(
    ("version", "info", "wanted"),
    [
        (
            {"Version": "20.10.24+dfsg1", "Components": [{"Name": "Engine"}]},
            {"SecurityOptions": ["name=seccomp,profile=default", "name=userns"], "DockerRootDir": "/d"},
            "Docker 20.10.24",
        ),
        (
            {"Version": "4.3.1", "Components": [{"Name": "Podman Engine"}]},
            {"Rootless": True},
            "Podman 4.3.1 (rootless)",
        ),
        (
            {"Version": "27.0", "Components": [{"Name": "Engine"}]},
            {"SecurityOptions": ["name=rootless"]},
            "Docker 27.0 (rootless)",
        ),
    ],
)
def test_an_engine_is_read(version: dict[str, object], info: dict[str, object], wanted: str) -> None:
    found = finding.read(DOCKER.place, version, info)
    assert found.name == wanted
    assert found.remapped == ("DockerRootDir" in info)
    assert str(found) == f"{wanted} at /s, a test's"


def test_a_pull_is_told_at_a_sane_pace() -> None:
    pull = pulls.Pull("img")
    assert pull.line(0) == "pulling img"
    pull.hear({"status": "Pulling from x", "id": "latest"})
    pull.hear({"status": "Downloading", "id": "a", "progressDetail": {"current": 250_000_000, "total": 1_000_000_000}})
    pull.hear({"status": "Already exists", "id": "b"})
    assert pull.line(4.9) == ""
    assert pull.line(5) == "pulling img: 1 of 2 layers, 250 of 1,000 MB (25%)"
    pull.hear({"status": "Pull complete", "id": "a"})
    assert pull.line(10) == "pulling img: 2 of 2 layers, 1,000 of 1,000 MB (100%)"
    assert pull.hear({"error": "x", "errorDetail": {"message": "manifest unknown"}}) == "manifest unknown"


def test_a_disk_that_is_too_small_is_told_before_it_is_full() -> None:
    pull = pulls.Pull("img")
    pull.hear({"status": "Downloading", "id": "a", "progressDetail": {"current": 0, "total": 1_000_000_000}})
    assert pull.too_big(2_000_000_000, "/d") == ""
    assert "takes 2,000 MB more on the disk of /d, where 1,999 MB are free" in pull.too_big(1_999_000_000, "/d")
    assert pulls.too_little("img", 1_000_000, "/d").startswith("the disk of /d has 1 MB free, too few for image img")
    assert pulls.too_little("img", pulls.LEAST_FREE_BYTES, "/d") == ""


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ("vllm/vllm-openai:v0.32.0", ("vllm/vllm-openai", "v0.32.0")),
        ("host:5000/a/b", ("host:5000/a/b", "latest")),
        ("a@sha256:12", ("a", "sha256:12")),
    ],
)
def test_an_image_is_named_for_a_pull(image: str, wanted: tuple[str, str]) -> None:
    assert pulls.name_and_tag(image) == wanted


@pytest.mark.parametrize(
    ("image", "server"), [("vllm/vllm-openai", "https://index.docker.io/v1/"), ("nvcr.io/nvidia/x:1", "nvcr.io")]
)
async def test_an_account_is_used_for_its_registry(
    image: str, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = base64.b64encode(b"ann:pass:word").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {server: {"auth": auth}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    told = json.loads(base64.urlsafe_b64decode((await registry_login.header(image))["X-Registry-Auth"]))

    assert told == {"username": "ann", "password": "pass:word", "serveraddress": server}
    assert await registry_login.header("ghcr.io/other") == {}
