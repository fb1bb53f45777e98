"""The account for a registry of images, as `docker login` has kept it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_HUB, _HUB_KEY = "docker.io", "https://index.docker.io/v1/"
_HELPER_SECONDS = 30.0


def registry(image: str) -> str:
    """The registry of an image: the first part of its name, if that is a host's."""
    first, slash, _ = image.partition("/")
    return first if slash and (first == "localhost" or "." in first or ":" in first) else _HUB


def kept(config: Mapping[str, Any], server: str) -> dict[str, str]:
    """The account that a configuration file holds itself; empty if it has none."""
    entry = (config.get("auths") or {}).get(server) or {}
    if not entry.get("auth"):
        return {}
    user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
    return {"username": user, "password": password, "serveraddress": server}


async def header(image: str) -> dict[str, str]:
    """The header of a pull; empty where nobody is logged in. A Podman of this user knows its own accounts."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        return {}
    host = registry(image)
    server = _HUB_KEY if host == _HUB else host
    helper = (config.get("credHelpers") or {}).get(host) or config.get("credsStore")
    account = await _asked(str(helper), server) if helper else {}
    account = account or kept(config, server)
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(account).encode()).decode()} if account else {}


async def _asked(helper: str, server: str) -> dict[str, str]:
    """The account that a program keeps, such as a system's key ring."""
    try:
        program = await asyncio.create_subprocess_exec(
            f"docker-credential-{helper}",
            "get",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        told, _ = await asyncio.wait_for(program.communicate(server.encode()), _HELPER_SECONDS)
        found = json.loads(told)
    except (OSError, ValueError, TimeoutError):
        return {}
    if found.get("Username") == "<token>":
        return {"identitytoken": found["Secret"], "serveraddress": server}
    return {"username": found.get("Username", ""), "password": found.get("Secret", ""), "serveraddress": server}
