"""Runs the stand-in for OME; see the package."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from testbed.api import AWAY, Api
from testbed.ome.install import RealOmeError, install
from testbed.ome.models import Models
from testbed.ome.services import Services

log = logging.getLogger("ome")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="python -m testbed.ome", description="A stand-in for OME.")
    parser.add_argument("--kubeconfig", type=Path, default=os.environ.get("KUBECONFIG"), help="default: $KUBECONFIG")
    parser.add_argument("--agent-delay", type=float, default=0.2, metavar="SECONDS", help="time of a model's download")
    parser.add_argument("--no-agent", action="store_true", help="play the controller only")
    parser.add_argument("--install-only", action="store_true", help="install the kinds and the policy, then end")
    parser.add_argument("--log-level", default="INFO")
    found = parser.parse_args(argv)
    if not found.kubeconfig:
        parser.error("--kubeconfig is needed, $KUBECONFIG is not set")
    return found


async def work(kubeconfig: Path, agent_delay: float | None, install_only: bool = False) -> None:
    """Installs, says so on stdout, and plays OME for ever."""
    async with Api(kubeconfig, agent="ome") as api:
        await _install_when_there(api)
        if install_only:
            return
        models = Models(api, agent_delay)
        await models.fill()
        services = Services(api, models.base_models, models.cluster_models)
        async with asyncio.TaskGroup() as group:
            group.create_task(models.run())
            group.create_task(services.run())
            print("ready", flush=True)


async def _install_when_there(api: Api) -> None:
    while True:
        try:
            return await install(api)
        except AWAY as error:
            log.info("waiting for the API server: %s", error)
        await asyncio.sleep(0.2)


async def main(argv: Sequence[str] | None = None) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit code."""
    options = arguments(argv)
    logging.basicConfig(level=options.log_level, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    delay = None if options.no_agent else options.agent_delay
    task = asyncio.create_task(work(Path(options.kubeconfig), delay, options.install_only))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await task
    except RealOmeError as error:
        log.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
