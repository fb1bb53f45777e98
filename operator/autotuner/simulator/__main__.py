from __future__ import annotations

import asyncio
import logging
import sys

from autotuner.simulator.config import StartupError
from autotuner.simulator.flags import parse


def main(arguments: list[str] | None = None) -> int:
    """Run the simulated engine; returns its exit code."""
    logging.basicConfig(format="[%(asctime)s] %(message)s", datefmt="%Y-%m-%d %H:%M:%S", level=logging.INFO)
    try:
        settings = parse(sys.argv[1:] if arguments is None else arguments)
    except StartupError as error:
        sys.stderr.write("\n".join(error.lines) + "\n")
        return error.exit_code
    # Only the server needs aiohttp, which takes longer to import than everything else: errors above come at once.
    from autotuner.simulator.server import serve

    return asyncio.run(serve(settings))


if __name__ == "__main__":
    sys.exit(main())
