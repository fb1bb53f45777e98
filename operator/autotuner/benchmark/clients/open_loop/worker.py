"""A process that sends its share of the requests: one event loop, and nothing beside it that could make it late.

It gets orders through a socket and answers with what became of them, as lines of JSON: the fields of a Request. CUT
ends a level: what is not over is cut off, and the CPU time that the level took, in seconds, follows the last record.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import resource
import socket
import sys
import time
from dataclasses import fields
from operator import attrgetter

import uvloop

from autotuner.benchmark.clients.open_loop.orders import LONGEST_LINE, Order, decode
from autotuner.benchmark.clients.open_loop.route import Route
from autotuner.benchmark.clients.open_loop.sending import Sender
from autotuner.benchmark.contract.connection import die_with
from autotuner.benchmark.contract.level_run import Request
from autotuner.benchmark.contract.spec import KEY_VARIABLE, SPEC_VARIABLE, api_key, load_spec

_FIELDS = attrgetter(*(field.name for field in fields(Request)))


async def serve(connection: socket.socket, base: str, key: str) -> None:
    """Send what comes through the connection until it is closed."""
    reader, writer = await asyncio.open_connection(sock=connection, limit=LONGEST_LINE)

    def tell(what: object) -> None:
        writer.write(json.dumps(what).encode() + b"\n")

    def record(request: Request) -> None:
        tell(_FIELDS(request))

    sender = Sender(Route(base), key, record)
    used = time.process_time()
    while line := await reader.readline():
        order = decode(line)
        if isinstance(order, Order):
            sender.take(order)
        else:
            await sender.cut()
            tell(time.process_time() - used)
            used = time.process_time()
    await sender.cut()


def main() -> None:
    """Run as a worker: arguments are the descriptor of the socket and the process id of the parent."""
    descriptor, parent = map(int, sys.argv[1:])
    die_with(parent)
    spec, key = load_spec(os.environ), api_key(os.environ)
    for name in (SPEC_VARIABLE, KEY_VARIABLE):
        os.environ.pop(name, None)
    _allow_connections()
    # What is here now stays: a collection of garbage need not look at it, which takes milliseconds.
    gc.collect()
    gc.freeze()
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve(socket.socket(fileno=descriptor), spec.api_base, key))


def _allow_connections() -> None:
    """As many open files as the system allows: connections are not to be capped by us."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
