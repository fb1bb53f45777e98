"""What all stand-ins for controllers have in common: they install their kinds, say `ready`, and work until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from testbed.api import AWAY, Api


class Controller(Protocol):
    """What plays a product's controller."""

    async def fill(self) -> None:
        """Reads everything once."""

    async def run(self) -> None:
        """Works for ever."""


def main(
    name: str,
    product: str,
    install: Callable[[Api], Awaitable[None]],
    controller: Callable[[Api], Controller],
    argv: Sequence[str] | None = None,
) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit code.

    Args:
        name: of the stand-in's package and in logs.
        product: that it plays, for its help.
        install: its kinds and what they need.
        controller: what plays.
        argv: the command line.
    """
    parser = argparse.ArgumentParser(prog=f"python -m testbed.{name}", description=f"A stand-in for {product}.")
    parser.add_argument("--kubeconfig", type=Path, default=os.environ.get("KUBECONFIG"), help="default: $KUBECONFIG")
    parser.add_argument("--log-level", default="INFO")
    options = parser.parse_args(argv)
    if not options.kubeconfig:
        parser.error("--kubeconfig is needed, $KUBECONFIG is not set")
    logging.basicConfig(level=options.log_level, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)

    async def work() -> None:
        async with Api(Path(options.kubeconfig), agent=name) as api:
            await _when_there(name, install, api)
            playing = controller(api)
            await playing.fill()
            print("ready", flush=True)
            await playing.run()

    return asyncio.run(_until_told(work))


async def _when_there(name: str, install: Callable[[Api], Awaitable[None]], api: Api) -> None:
    while True:
        try:
            return await install(api)
        except AWAY as error:
            logging.getLogger(name).info("waiting for the API server: %s", error)
        await asyncio.sleep(0.2)


async def _until_told(work: Callable[[], Awaitable[None]]) -> int:
    task = asyncio.ensure_future(work())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return 0
