"""Carries out probes: HTTP, TCP and commands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import aiohttp

from autotuner.kubernetes_object import Object
from autotuner.local import podspec
from testbed.node.container import Run

Outcome = tuple[bool, str]  # passed, and what to say if not


class Prober:
    """Probes one run of a container."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        address: str,
        variables: Mapping[str, str],
        paths: Mapping[str, str],
        folder: Path,
        marker: str,
    ) -> None:
        """Takes what a probe needs of the pod and the container; `address` is where the process listens."""
        self._session = session
        self._address = address
        self._variables = variables
        self._paths = paths
        self._folder = folder
        self._marker = marker

    async def check(self, probe: podspec.Probe) -> Outcome:
        """Carries out a probe once, within its timeout."""
        actions: dict[str, Callable[[Object], Awaitable[Outcome]]] = {
            "httpGet": self._http,
            "tcpSocket": self._tcp,
            "grpc": self._tcp,
            "exec": self._command,
        }
        ((kind, details),) = probe.action.items()
        try:
            async with asyncio.timeout(probe.timeout):
                return await actions[kind](details)
        except TimeoutError:
            return False, f"no answer within {probe.timeout} s"
        except (aiohttp.ClientError, OSError) as error:
            return False, f"{type(error).__name__}: {error}"

    async def _http(self, details: Object) -> Outcome:
        scheme = (details.get("scheme") or "HTTP").lower()
        path = details.get("path") or "/"
        url = f"{scheme}://{details.get('host') or self._address}:{details['port']}/{path.lstrip('/')}"
        headers = {entry["name"]: entry["value"] for entry in details.get("httpHeaders") or []}
        async with self._session.get(url, headers=headers, allow_redirects=False, ssl=False) as response:
            return 200 <= response.status < 400, f"HTTP probe failed with statuscode: {response.status}"

    async def _tcp(self, details: Object) -> Outcome:
        _, writer = await asyncio.open_connection(details.get("host") or self._address, details["port"])
        writer.close()
        return True, ""

    async def _command(self, details: Object) -> Outcome:
        words = [podspec.localize(word, self._paths) for word in details.get("command") or []]
        run = Run(words, self._variables, self._folder, Path("/dev/null"), f"{self._marker}-probe")
        try:
            code = await run.wait()
        finally:
            if run.alive:
                await run.stop(0)
        return code == 0, f"command ended with {code}"
