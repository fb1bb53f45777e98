"""Runs the testbed's nodes: ``python -m testbed.node --kubeconfig K --folder F --certificate C --key K``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from autotuner.kubernetes_object import Object
from testbed import processes
from testbed.api import Api
from testbed.gomodule import cache_folder
from testbed.node.agent import Agent
from testbed.node.context import Addresses, Context
from testbed.node.images import RELEASES, Images
from testbed.node.logs import Logs
from testbed.node.proxy import Directory, serve
from testbed.vllm_cpu import ENGINES

ROOT = Path(__file__).parents[2]
log = logging.getLogger("testbed.node")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m testbed.node")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="where pods keep their files and logs")
    parser.add_argument("--nodes", nargs="+", default=["node-a", "node-b"])
    parser.add_argument("--net", type=int, default=244, help="second number of the pods' addresses")
    parser.add_argument("--first", type=int, default=1, help="third number of the addresses on the first node")
    parser.add_argument("--certificate", type=Path, help="of the server for logs; without it there are no logs")
    parser.add_argument("--key", type=Path)
    parser.add_argument("--testbed", required=True, help="identity that marks every process")
    parser.add_argument("--unregister", action="store_true", help="take the nodes out of the cluster at the end")
    return parser.parse_args()


async def _follow(api: Api, path: str, note: Callable[[str, Object], None]) -> None:
    async for event, item in api.watch(path):
        note(event, item)


async def _run(agent: Agent, api: Api, directory: Directory) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_follow(api, "/api/v1/services", directory.note_service))
        group.create_task(_follow(api, "/apis/discovery.k8s.io/v1/endpointslices", directory.note_slice))
        group.create_task(agent.run())


async def _work(arguments: argparse.Namespace, api: Api, probes: aiohttp.ClientSession) -> None:
    directory = Directory(arguments.net)
    proxy, proxy_url = await serve(directory)
    server = urlsplit(api.cluster.server)
    variables = {
        processes.TESTBED: arguments.testbed,
        "KUBERNETES_SERVICE_HOST": server.hostname or "",
        "KUBERNETES_SERVICE_PORT": str(server.port or 443),
        **dict.fromkeys(("http_proxy", "HTTP_PROXY"), proxy_url),
        **dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost"),
    }
    images = Images(ROOT, cache_folder(), *(arguments.folder / name for name in (ENGINES, RELEASES)))
    folder, logs = arguments.folder / "pods", arguments.folder / "logs" / "pods"
    nodes = [
        Context(
            *(name, api, probes, images, Addresses(arguments.net, number)),
            *(folder, logs, {**variables, processes.NODE: name}),
        )
        for number, name in enumerate(arguments.nodes, start=arguments.first)
    ]
    agent = Agent(api, nodes)
    runner = None
    if arguments.certificate:
        runner, agent.log_port = await Logs(agent.find).serve(arguments.certificate, arguments.key)
    work = asyncio.create_task(_run(agent, api, directory))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    log.info("nodes %s, proxy %s", ", ".join(arguments.nodes), proxy_url)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await work
    finally:
        agent.kill()
        proxy.close()
        if runner is not None:
            await runner.cleanup()
        if arguments.unregister:
            await agent.unregister()


async def _main() -> None:
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    # Each probe is a connection of its own, as a kubelet's, and none of them goes through a proxy.
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with (
        Api(arguments.kubeconfig, agent="testbed-node") as api,
        aiohttp.ClientSession(connector=connector) as probes,
    ):
        await _work(arguments, api, probes)


asyncio.run(_main())
