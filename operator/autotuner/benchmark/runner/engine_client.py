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

from autotuner.benchmark.contract.result import Failure

POLL_TIMEOUT_SECONDS = 2.0
COMPLETION_TIMEOUT_SECONDS = 120.0
COMPLETION_RETRY_SECONDS = 30.0
FLUSH_TIMEOUT_SECONDS = 0.7
# A front end may answer before its routes and keys are in place, though seldom for long.
UNAUTHORIZED_SECONDS = 10.0
MISSING_SECONDS = 30.0


class NotServingError(Exception):
    """The engine does not serve what it should; the message says what it did instead, `failure` of which kind it is."""

    def __init__(self, message: str, failure: Failure = "EngineNotServing") -> None:
        super().__init__(message)
        self.failure = failure


class EngineClient:
    """A client of one OpenAI-compatible server."""

    def __init__(self, base: str, key: str) -> None:
        self._base = base
        self._headers = {"Content-Type": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._refused: tuple[int, float] | None = None  # the status with which it refuses, and since when
        self.last_error = "nothing answered yet"
        self.contexts: dict[str, int] = {}  # by model, where its entry in the list tells it

    def models(self) -> list[str] | None:
        """Names of the models that the engine serves, at least one; None while it does not answer or lists none.

        Raises:
            NotServingError: the engine keeps refusing the API key, or keeps saying that it has no model list.
        """
        try:
            body = self._request("/v1/models", None, POLL_TIMEOUT_SECONDS)
            names = [str(model["id"]) for model in body["data"]]
            told = ((str(model["id"]), model.get("max_model_len")) for model in body["data"])
            self.contexts = {name: tokens for name, tokens in told if isinstance(tokens, int) and tokens > 0}
            self._refused = None
            self.last_error = "/v1/models: an empty list"
            return names or None
        except urllib.error.HTTPError as error:
            self._note_refusal(error.code)
            self.last_error = f"/v1/models: HTTP {error.code}"
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError) as error:
            self._refused = None
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
                problem = f"HTTP {error.code}: {_body(error)}"
                if error.code in (401, 403):
                    raise NotServingError(self._unauthorized(problem), "Unauthorized") from error
                hopeless = 400 <= error.code < 500 and error.code != 429
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
        patience = {401: UNAUTHORIZED_SECONDS, 403: UNAUTHORIZED_SECONDS, 404: MISSING_SECONDS}.get(code)
        if patience is None:
            self._refused = None
            return
        if self._refused is None or self._refused[0] != code:
            self._refused = code, time.monotonic()
        if time.monotonic() - self._refused[1] <= patience:
            return
        if code == 404:
            raise NotServingError(
                f"the engine answers, but has no model list (/v1/models: HTTP 404 for {patience:.0f} s): it must serve"
                " an OpenAI-compatible API without a path prefix"
            )
        raise NotServingError(self._unauthorized(f"HTTP {code}"), "Unauthorized")

    def _unauthorized(self, answer: str) -> str:
        field = "runtime.apiKeySecret (of a TuningExperiment: service.apiKeySecret)"
        if "Authorization" in self._headers:
            return f"the engine refuses the API key of {field} ({answer}): is it the key that the engine was given?"
        return (
            f"the engine refuses requests without a valid API key ({answer}): name the Secret that holds its key in"
            f" {field}"
        )

    def _request(self, path: str, body: dict[str, Any] | None, timeout: float) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self._base + path, data=data, headers=self._headers)  # noqa: S310 - http(s) only
        with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310 - see above
            return json.load(response)


def _body(error: urllib.error.HTTPError) -> str:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return error.read(400).decode(errors="replace").strip()
    return str(error.reason)
