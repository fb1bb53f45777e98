"""Commands for the real node of this machine: `python -m testbed.real_node up|down|enter [--net] COMMAND ...`."""

from __future__ import annotations

import os
import sys

from testbed.gomodule import SetupError
from testbed.real_node.down import LeftoverError, down
from testbed.real_node.namespaces import inside, inside_network
from testbed.real_node.place import Place
from testbed.real_node.requirements import obstacle
from testbed.real_node.up import Start, StartError


def main(words: list[str]) -> int:
    """Do what the words say; returns the exit status."""
    place = Place.of()
    match words:
        case ["up"]:
            if why := obstacle():
                print(f"no real node here: {why}", file=sys.stderr)
                return 1
            Start(place).run()
            print(f"export KUBECONFIG={place.kubeconfig}")
        case ["down"]:
            down(place)
        case ["enter", "--net", _, *_]:
            command = inside_network(place, *words[2:])
            os.execvp(command[0], command)
        case ["enter", _, *_]:
            command = inside(place, *words[1:])
            os.execvp(command[0], command)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (StartError, LeftoverError, SetupError, TimeoutError) as problem:
        sys.exit(f"real node: {problem}")
