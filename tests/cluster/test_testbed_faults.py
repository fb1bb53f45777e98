"""The testbed outlives faults of its parts, and leaves nothing behind however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from testbed import Testbed, processes
from testbed.api import Api
from testbed.supervisor import ROOT, foreign_kubeconfig
from testbed.waiting import phase, ready, until
from tests.cluster.pods import Pods, ended, pod, shell

FOREGROUND = [sys.executable, "-m", "testbed", "up", "--no-ome"]
BY_API = """
import json, os, signal
from testbed import Testbed
bed = Testbed.start(ome=False, keep=KEEP)
about = json.loads((bed.folder / "supervisor.json").read_text())
print(json.dumps({**about, "folder": str(bed.folder)}), flush=True)
if not KEEP:
    signal.pause()
"""


@pytest.fixture
def pods(api: Api, namespace: str) -> Pods:
    return Pods(api, namespace)


async def test_pods_outlive_an_api_server_that_is_away(bed: Testbed, api: Api, pods: Pods, tmp_path: Path) -> None:
    mount = {"volumeMounts": [{"name": "state", "mountPath": "/state"}]}
    script = "until [ -e /state/go ]; do sleep 0.02; done; printf done > /dev/termination-log; touch /state/ended"
    body = pod(shell(script, **mount), volumes=[{"name": "state", "hostPath": {"path": str(tmp_path)}}])
    await pods.run(body, ready)
    bed.stop_apiserver()
    try:
        (tmp_path / "go").touch()
        wait_until((tmp_path / "ended").exists)
    finally:
        bed.start_apiserver()
    found = await until(api, pods.path, "pod", phase("Succeeded"))
    assert ended(found)["message"] == "done"
    assert found["status"]["containerStatuses"][0]["restartCount"] == 0
    await pods.run(pod(shell("true"), name="next"), phase("Succeeded"))


async def test_a_node_that_lost_power_fails_its_pods_when_it_is_back(bed: Testbed, api: Api, pods: Pods) -> None:
    await pods.run(pod(shell("exec sleep 60"), restartPolicy="Always"), ready)
    bed.kill_node()
    wait_until(lambda: not bed.leftovers())
    bed.start_node()
    found = await until(api, pods.path, "pod", phase("Failed"))
    assert ended(found)["reason"] == "ContainerStatusUnknown"
    await pods.run(pod(shell("true"), name="next"), phase("Succeeded"))


@pytest.fixture
def started(request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A testbed of another process's making, with what it said about itself."""
    environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    process = subprocess.Popen(request.param, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
    assert process.stdout is not None
    about = json.loads(process.stdout.readline())
    yield process, about
    process.kill()
    process.communicate()
    processes.kill_marked(processes.TESTBED, about["identity"])


async def run_stubborn_pod(about: dict[str, str]) -> None:
    async with Api(Path(about["kubeconfig"])) as api:
        script = "trap '' TERM INT HUP; setsid sleep 4242 & while :; do sleep 0.1; done"
        await Pods(api, "default").run(pod(shell(script), terminationGracePeriodSeconds=60), ready)
    assert any("4242" in process.command for process in processes.marked(processes.TESTBED, about["identity"]))


def nothing_left(about: dict[str, str]) -> bool:
    return not list(processes.marked(processes.TESTBED, about["identity"])) and not Path(about["folder"]).exists()


@pytest.mark.parametrize("started", [FOREGROUND], indirect=True)
async def test_ctrl_c_ends_everything(started: tuple[subprocess.Popen[str], dict[str, str]]) -> None:
    process, about = started
    await run_stubborn_pod(about)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0
    assert nothing_left(about)


@pytest.mark.parametrize("started", [[sys.executable, "-c", f"KEEP = False\n{BY_API}"]], indirect=True)
@pytest.mark.parametrize("victim", ["parent", "supervisor"])
async def test_sigkill_leaves_nothing(started: tuple[subprocess.Popen[str], dict[str, str]], victim: str) -> None:
    process, about = started
    await run_stubborn_pod(about)
    os.kill(process.pid if victim == "parent" else int(about["pid"]), signal.SIGKILL)
    wait_until(lambda: nothing_left(about))


@pytest.mark.parametrize("started", [[sys.executable, "-c", f"KEEP = True\n{BY_API}"]], indirect=True)
async def test_a_kept_testbed_outlives_its_parent(started: tuple[subprocess.Popen[str], dict[str, str]]) -> None:
    process, about = started
    assert process.wait(timeout=20) == 0
    await run_stubborn_pod(about)
    down = [sys.executable, "-m", "testbed", "down", about["folder"]]
    assert subprocess.run(down, cwd=ROOT, check=False).returncode == 0
    assert nothing_left(about)


def test_a_cluster_elsewhere_is_refused(tmp_path: Path) -> None:
    command = [*FOREGROUND, "--dir", str(tmp_path / "bed")]
    config = tmp_path / "config"
    config.write_text(
        json.dumps(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": "https://cluster.example.com:6443"}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )
    )
    environment = {**os.environ, "KUBECONFIG": str(config)}
    result = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert "cluster.example.com:6443, which is not on this machine; unset KUBECONFIG" in result.stderr
    wait_until(lambda: not (tmp_path / "bed").exists())


def test_a_cluster_with_our_nodes_is_used_as_it_is(bed: Testbed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(bed.kubeconfig))
    assert foreign_kubeconfig() == bed.kubeconfig
    with Testbed.start() as second:
        assert not list((second.folder / "logs").iterdir())
    assert (bed.folder / "supervisor.json").exists()


def wait_until(holds: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "not so in time"
        time.sleep(0.02)
