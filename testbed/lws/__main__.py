"""Runs the stand-in for LWS; see the package."""

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
from testbed.lws.install import install
from testbed.lws.sets import Sets

log = logging.getLogger("lws")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="python -m testbed.lws", description="A stand-in for LWS.")
    parser.add_argument("--kubeconfig", type=Path, default=os.environ.get("KUBECONFIG"), help="default: $KUBECONFIG")
    parser.add_argument("--log-level", default="INFO")
    found = parser.parse_args(argv)
    if not found.kubeconfig:
        parser.error("--kubeconfig is needed, $KUBECONFIG is not set")
    return found


async def work(kubeconfig: Path) -> None:
    """Installs, says so on stdout, and plays LWS for ever."""
    async with Api(kubeconfig, agent="lws") as api:
        while True:
            try:
                await install(api)
                break
            except AWAY as error:
                log.info("waiting for the API server: %s", error)
            await asyncio.sleep(0.2)
        sets = Sets(api)
        await sets.fill()
        print("ready", flush=True)
        await sets.run()


async def main(argv: Sequence[str] | None = None) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit code."""
    options = arguments(argv)
    logging.basicConfig(level=options.log_level, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    task = asyncio.create_task(work(Path(options.kubeconfig)))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
