"""A proxy between an operator and its API server that counts requests. It imports nothing of this project, so that
another revision's operator can be counted, too.
"""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

_HOP_BY_HOP = {"connection", "host", "keep-alive", "transfer-encoding", "content-length", "accept-encoding"}


class CountingProxy:
    """Passes on everything and counts it by verb and kind.

    Attributes:
        requests: how many of each, as `GET pods`.
    """

    def __init__(self, kubeconfig: Path) -> None:
        document = yaml.safe_load(kubeconfig.read_text())
        self._cluster = document["clusters"][0]["cluster"]
        self._user = document["users"][0].get("user") or {}
        self.requests: Counter[str] = Counter()

    @contextlib.asynccontextmanager
    async def serving(self, kubeconfig: Path) -> AsyncIterator[None]:
        """Serve on a free port of this machine until the block is left; `kubeconfig` is written to lead there."""
        headers = {"Authorization": f"Bearer {token}"} if (token := self._user.get("token")) else {}
        connector = aiohttp.TCPConnector(limit=0, ssl=self._tls() or False)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(
            connector=connector,
            headers=headers,
            timeout=timeout,
            auto_decompress=False,
            skip_auto_headers=["Content-Type"],
        ) as self._session:
            app = web.Application(client_max_size=64 << 20)
            app.router.add_route("*", "/{path:.*}", self._pass_on)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            try:
                site = web.TCPSite(runner, "127.0.0.1", 0)
                await site.start()
                port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
                kubeconfig.write_text(json.dumps(_leading_to(f"http://127.0.0.1:{port}")))
                yield
            finally:
                await runner.cleanup()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        watches = request.query.get("watch") == "true"
        self.requests[f"{'WATCH' if watches else request.method} {_kind(request.path)}"] += 1
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        url = f"{self._cluster['server']}{request.rel_url}"
        body = await request.read() or None
        async with self._session.request(request.method, url, headers=headers, data=body) as answer:
            passed = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
            response = web.StreamResponse(status=answer.status, headers=passed)
            # An operator that ends leaves its watches in the middle.
            with contextlib.suppress(ConnectionResetError):
                await response.prepare(request)
                async for piece in answer.content.iter_any():
                    await response.write(piece)
                await response.write_eof()
        return response

    def _tls(self) -> ssl.SSLContext | None:
        if not self._cluster["server"].startswith("https"):
            return None
        context = ssl.create_default_context(cadata=_data(self._cluster, "certificate-authority").decode())
        if "client-certificate-data" in self._user or "client-certificate" in self._user:
            with tempfile.NamedTemporaryFile() as both:
                both.write(_data(self._user, "client-certificate") + b"\n" + _data(self._user, "client-key"))
                both.flush()
                context.load_cert_chain(both.name)
        return context


def _data(entry: Mapping[str, Any], field: str) -> bytes:
    inline = entry.get(f"{field}-data")
    return base64.b64decode(inline) if inline else Path(entry[field]).read_bytes()


def _leading_to(server: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "proxy", "cluster": {"server": server}}],
        "users": [{"name": "proxy", "user": {}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
        "current-context": "proxy",
    }


def _kind(path: str) -> str:
    """What a path of the API is about, with its subresource: `pods`, `tuningtasks/status`."""
    parts = path.strip("/").split("/")
    if parts[0] not in ("api", "apis"):
        return parts[0]
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    if len(rest) > 2 and rest[0] == "namespaces":
        rest = rest[2:]
    return "/".join([*rest[:1], *rest[2:3]]) or "discovery"
