"""The cluster that a command asks, with the user's own kubeconfig and rights."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from autotuner.cli.object_files import UnreadableError

if TYPE_CHECKING:
    from autotuner.api_server import ApiServer

_MANAGER = "kubectl-autotuner"  # of the fields that a user wrote by this program


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[tuple[ApiServer, str]]:
    """The cluster of the kubeconfig, and the namespace that it names.

    Raises:
        UnreadableError: there is no client here, or no kubeconfig that it can read.
    """
    try:
        from autotuner.api_server import ApiServer, usual_namespace
    except ImportError as problem:
        way = "install it (pip install 'autotuner[operator]'), or give the objects with --from FILE"
        raise UnreadableError(f"the client of Kubernetes is not installed: {way}") from problem
    try:
        kube, usual = await ApiServer.connect(manager=_MANAGER), usual_namespace()
    except (RuntimeError, ValueError) as problem:
        raise UnreadableError(f"{problem}; or give the objects with --from FILE") from problem
    try:
        yield kube, usual
    finally:
        await kube.close()
