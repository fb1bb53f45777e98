"""The runner's own requests to the engine. Standard library only.

Proxy variables (http_proxy, no_proxy) are obeyed.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

POLL_TIMEOUT_SECONDS = 2.0
COMPLETION_TIMEOUT_SECONDS = 120.0
COMPLETION_RETRY_SECONDS = 30.0
FLUSH_TIMEOUT_SECONDS = 0.7
REFUSED_SECONDS = 10.0


class NotServingError(Exception):
    """The engine does not serve what it should; the message says what it did instead."""


class EngineClient:
    """A client of one OpenAI-compatible server."""

    def __init__(self, base: str, key: str) -> None:
        self._base = base
        self._headers = {"Content-Type": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._refused_since: float | None = None
        self.last_error = "nothing answered yet"

    def models(self) -> list[str] | None:
        """Names of the models that the engine serves; None while it does not answer.

        Raises:
            NotServingError: the engine keeps refusing the API key.
        """
        try:
            body = self._request("/v1/models", None, POLL_TIMEOUT_SECONDS)
            return [str(model["id"]) for model in body["data"]]
        except urllib.error.HTTPError as error:
            self._note_refusal(error.code)
            self.last_error = f"/v1/models: HTTP {error.code}"
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            self._refused_since = None
            self.last_error = f"/v1/models: {getattr(error, 'reason', error)}"
        return None

    def complete(self, model: str) -> None:
        """Complete one short prompt, trying for half a minute: a model list proves only that a web server runs.

        Raises:
            NotServingError: the engine does not complete.
        """
        question = {
            "model": model,
            "messages": [{"role": "user", "content": "Say yes."}],
            "max_tokens": 4,
            "temperature": 0.0,
        }
        deadline = time.monotonic() + COMPLETION_RETRY_SECONDS
        while True:
            try:
                answer = self._request("/v1/chat/completions", question, COMPLETION_TIMEOUT_SECONDS)
                if not answer["choices"]:
                    raise ValueError("no choices")
                return
            except urllib.error.HTTPError as error:
                problem, hopeless = f"HTTP {error.code}: {_body(error)}", 400 <= error.code < 500
            except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
                problem, hopeless = f"{type(error).__name__}: {error}", False
            if hopeless or time.monotonic() >= deadline:
                raise NotServingError(f"the engine lists its models but does not complete: {problem}")
            time.sleep(0.5)

    def version(self, paths: Sequence[str]) -> str:
        """What the engine says its version is, by the first of these calls that tells it; empty if none does."""
        for path in paths:
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
                return str(self._request(path, None, POLL_TIMEOUT_SECONDS)["version"])
        return ""

    def flush_cache(self, path: str) -> None:
        """Have the engine forget its cached prefixes by a call of this path; an engine that refuses is left alone."""
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            self._request(path, {}, FLUSH_TIMEOUT_SECONDS)

    def _note_refusal(self, code: int) -> None:
        if code not in (401, 403):
            self._refused_since = None
            return
        self._refused_since = self._refused_since or time.monotonic()
        if time.monotonic() - self._refused_since > REFUSED_SECONDS:
            raise NotServingError(f"the engine refuses the API key (HTTP {code}); check benchmark.apiKeySecret")

    def _request(self, path: str, body: dict[str, Any] | None, timeout: float) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self._base + path, data=data, headers=self._headers)  # noqa: S310 - http(s) only
        with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310 - see above
            return json.load(response)


def _body(error: urllib.error.HTTPError) -> str:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return error.read(400).decode(errors="replace").strip()
    return str(error.reason)
