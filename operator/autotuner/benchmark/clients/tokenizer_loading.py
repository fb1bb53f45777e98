"""Loads the tokenizer, or says what to do about it. Importing transformers takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from autotuner.benchmark.clients.builtin_tokenizer import FOLDER
from autotuner.benchmark.contract.hub import ADVICE, no_answer
from autotuner.benchmark.contract.spec import TokenizerSource

_NEEDED = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tiktoken.model")


PROBES = 2
PROBE_SECONDS = 10.0

Hub = Literal["not needed", "reached", "unreachable", "switched off"]


class TokenizerError(Exception):
    """The tokenizer cannot be loaded; the message begins with benchmark.tokenizer and says what to do."""


def location(source: TokenizerSource) -> str:
    """What transformers is asked to load: a folder or a hub id."""
    if source.source == "Builtin":
        return str(FOLDER)
    return (source.path if source.source == "ModelVolume" else source.id) or ""


def load_tokenizer(source: TokenizerSource, token: str | None) -> Any:
    """The tokenizer as transformers loads it.

    Raises:
        TokenizerError: it cannot be loaded.
    """
    where = location(source)
    if source.source != "Hub":
        _check_folder(source, Path(where))
    from transformers import AutoTokenizer

    hub = _look_for_hub() if source.source == "Hub" else "not needed"
    try:
        # A repository's own code is never run: this container holds the API key.
        return AutoTokenizer.from_pretrained(
            where, token=token or None, trust_remote_code=False, local_files_only=hub != "reached"
        )
    except Exception as error:
        # Whatever a strange file raises, it is the tokenizer that is at fault.
        raise TokenizerError(explain(source, error, bool(token), hub)) from error


def _look_for_hub() -> Hub:
    """Whether there is a hub: its own client would try for a minute before it says no."""
    import requests
    from huggingface_hub import constants  # type: ignore[import-not-found] # only where no types are checked

    if constants.HF_HUB_OFFLINE:
        return "switched off"
    for _ in range(PROBES):
        try:
            requests.head(constants.ENDPOINT, timeout=PROBE_SECONDS)
            return "reached"
        except requests.RequestException:
            continue
    return "unreachable"


def explain(source: TokenizerSource, error: BaseException, has_token: bool, hub: Hub) -> str:
    """One line for the user: what is wrong with benchmark.tokenizer and what to write instead."""
    if source.source != "Hub":
        return f"benchmark.tokenizer: the files in {location(source)} cannot be loaded: {_first_line(error)}"
    field = f"benchmark.tokenizer.id {source.id!r}"
    names = {type(link).__name__ for link in _chain(error)}
    text = " ".join(str(link) for link in _chain(error))
    statuses = {s for s in map(_status, _chain(error)) if s}
    if hub == "switched off":
        return (
            f"{field}: downloads are switched off (HF_HUB_OFFLINE) and it is not in the cache; use source ModelVolume,"
            " or allow the download"
        )
    if hub == "unreachable":
        return f"{field}: {no_answer()}; {ADVICE}"
    if "GatedRepoError" in names or statuses & {401, 403} or "gated repo" in text:
        return f"{field}: {_refused(has_token)}"
    if {"RepositoryNotFoundError", "RevisionNotFoundError", "HFValidationError"} & names or 404 in statuses:
        return f"{field}: there is no such repository on the hub; check the spelling"
    if "EntryNotFoundError" in names or "RemoteEntryNotFoundError" in names or "does not appear to have" in text:
        return f"{field}: the repository has no tokenizer that transformers can load: {_first_line(error)}"
    return f"{field}: it cannot be loaded: {_first_line(error)}"


def _refused(has_token: bool) -> str:
    if has_token:
        return "the hub refuses this token; accept the model's licence with its account, or use another token"
    return "the hub refuses it without a token (gated, private or misspelt); give benchmark.tokenizer.tokenSecret"


def _check_folder(source: TokenizerSource, folder: Path) -> None:
    if not folder.is_dir():
        raise TokenizerError(
            f"benchmark.tokenizer: the folder {folder} does not exist in the benchmark's pod; with source"
            f" {source.source} it must be the model's own path on the node"
        )
    if not any((folder / name).exists() for name in _NEEDED):
        raise TokenizerError(
            f"benchmark.tokenizer: {folder} holds no tokenizer ({', '.join(_NEEDED[:3])}, ...); check the model's path,"
            " or use source Hub with an id"
        )


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(20):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__


def _status(error: BaseException) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
