"""The life of a workload as a container of Docker and of Podman: what it sees, says and leaves."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path

import pytest

from autotuner.local.containers.docker_api import DockerApi
from autotuner.local.containers.finding import Engine
from autotuner.local.containers.host import Containers
from autotuner.local.workload import Mount, PullError, StartError, Workload
from testbed import container_engines
from tests.containers.test_ends import ended, workload


async def _said(host: Containers, one: Workload) -> str:
    await host.start(one)
    await ended(host, one.uid)
    return (await host.log(one.uid, 4096)).decode()


def _processes(words: str) -> list[str]:
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if words in line]


async def test_it_sees_what_it_was_given(host: Containers, run: str, tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("weights of the model\n")
    script = (
        'cat /models/weights; echo more >/models/more; echo "variable $WORD"; '
        "readlink /proc/self/ns/net; grep Cpus_allowed_list /proc/self/status; "
        "grep /dev/shm /proc/mounts"
    )
    one = workload(
        run,
        script,
        env={"WORD": "two words"},
        mounts=[Mount(str(tmp_path), "/models")],
        shared_memory_bytes=32 * 1024**2,
        cpus=[1],
    )

    said = await _said(host, one)

    assert "weights of the model\n" in said
    assert "Read-only file system" in said
    assert not (tmp_path / "more").exists()
    assert "variable two words\n" in said
    assert str(Path("/proc/self/ns/net").readlink()) in said, "the network of this machine"
    assert "Cpus_allowed_list:\t1\n" in said
    assert "size=32768k" in said


@pytest.mark.full
async def test_command_and_arguments_are_meant_as_kubernetes_has_them(host: Containers, run: str) -> None:
    image = "localhost/autotuner-entry:latest"
    changes = ('ENTRYPOINT ["/bin/echo","serve"]', 'CMD ["default"]')
    container_engines.add_image(Path(host.engine.place.socket), image, changes)
    cases: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
        "serve default\n": ((), ()),
        "serve --port 1\n": ((), ("--port", "1")),
        "other\n": (("/bin/echo", "other"), ()),
        "other --port 1\n": (("/bin/echo", "other"), ("--port", "1")),
    }
    for number, (wanted, (command, args)) in enumerate(cases.items()):
        one = Workload(f"{run}.{number}", run, "entry", image=image, command=command, args=args)
        assert await _said(host, one) == wanted


async def test_stop_ends_its_children_too(host: Containers, run: str) -> None:
    one = workload(run, "trap 'echo asked; exit 0' TERM; sleep 7411 & sleep 7412 & wait")
    await host.start(one)
    while len(_processes("sleep 741")) < 2:
        await asyncio.sleep(0.05)

    await host.stop(one.uid, 5)

    assert _processes("sleep 741") == []
    assert (await host.state(one.uid)).phase == "Absent"
    assert await host.log(one.uid, 100) == b""


@pytest.mark.full
async def test_stop_uses_force_after_the_grace_period(host: Containers, run: str) -> None:
    one = workload(run, "trap '' TERM; while true; do sleep 1; done")
    await host.start(one)
    begun = time.monotonic()

    await host.stop(one.uid, 1)

    assert time.monotonic() - begun < 10
    assert await host.mine(run) == []


async def test_a_later_start_finds_only_its_own(engine: Engine, host: Containers, run: str) -> None:
    """The process that started it was killed: another one takes over."""
    first, other = workload(run, "sleep 60"), workload(f"{run}other", "sleep 60")
    await host.start(first)
    await host.start(other)
    try:
        async with DockerApi(engine.place.socket) as api:
            later = Containers(api, engine)
            assert await later.mine(run) == [first.uid]
            before = await later.state(first.uid)
            await later.start(first)
            assert await later.state(first.uid) == before, "it is left as it is"
            await later.stop(first.uid, 0)
            await later.close()
        assert await host.mine(run) == []
        assert (await host.state(first.uid)).phase == "Absent"
        assert (await host.state(other.uid)).phase == "Running"
    finally:
        await host.stop(other.uid, 0)


@pytest.mark.full
async def test_an_end_that_nobody_saw_is_told_later(engine: Engine, host: Containers, run: str) -> None:
    one = workload(run, "sleep 0.5; echo last words; exit 7")
    await host.start(one)
    await host.close()
    async with DockerApi(engine.place.socket) as api:
        await ended(Containers(api, engine), one.uid)

    async with DockerApi(engine.place.socket) as api:
        later = Containers(api, engine)
        state = await ended(later, one.uid)
        assert (state.exit_code, state.out_of_memory) == (7, False)
        assert await later.log(one.uid, 100) == b"last words\n"


@pytest.mark.full
async def test_one_that_was_made_but_never_started_is_started(engine: Engine, host: Containers, run: str) -> None:
    """The process that made it was killed between the two calls."""
    one = workload(run, "echo started")
    await host._create(one)

    async with DockerApi(engine.place.socket) as api:
        later = Containers(api, engine)
        assert (await later.state(one.uid)).phase == "Absent"
        assert await _said(later, one) == "started\n"


@pytest.mark.full
@pytest.mark.parametrize("size", [10, 70_000])
async def test_the_last_bytes_of_a_log(host: Containers, run: str, size: int) -> None:
    one = workload(run, "seq 1 9000; echo; echo; echo; echo end")
    whole = "".join(f"{number}\n" for number in range(1, 9001)) + "\n\n\nend\n"
    await host.start(one)
    await ended(host, one.uid)

    told, wanted = await host.log(one.uid, size), whole.encode()[-size:]
    if host.engine.podman:  # where it was read in two parts, a line's end comes a line too late
        told, wanted = told.replace(b"\n", b""), wanted.replace(b"\n", b"")
    assert told == wanted


@pytest.mark.full
async def test_a_missing_image_is_told_with_its_name(host: Containers) -> None:
    one = Workload("uid", "run", "name", image="localhost:9/nobody/nothing:1")
    with pytest.raises(PullError, match=r"localhost:9/nobody/nothing:1.*refused"):
        await host.prepare(one, lambda _: None)


@pytest.mark.full
async def test_a_mount_that_is_not_there_is_told(host: Containers, run: str, tmp_path: Path) -> None:
    one = workload(run, "true", mounts=[Mount(str(tmp_path / "nothing"), "/models")])
    with pytest.raises(StartError, match=r"there is no .*nothing on this machine"):
        await host.start(one)
    assert not (tmp_path / "nothing").exists()


async def test_accelerators_are_never_left_out_in_silence(host: Containers, run: str) -> None:
    """This machine has none, and this Podman cannot give any: both say so."""
    one = workload(run, "true", accelerators=["GPU-1"], vendor="nvidia")
    wanted = "Podman 5.4" if host.engine.podman else "could not select device driver"
    with pytest.raises(StartError, match=wanted):
        await host.start(one)
