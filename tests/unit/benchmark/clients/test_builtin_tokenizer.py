from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

from autotuner.benchmark.clients import builtin_tokenizer
from autotuner.benchmark.clients.tokenizer_loading import Hub, TokenizerError, explain, load_tokenizer
from autotuner.benchmark.contract.spec import TokenizerSource


class GatedRepoError(Exception): ...


class RepositoryNotFoundError(Exception): ...


class LocalEntryNotFoundError(Exception): ...


class Response:
    def __init__(self, code: int) -> None:
        self.status_code = code


def caused(*errors: Exception) -> Exception:
    for outer, inner in pairwise(errors):
        outer.__cause__ = inner
    return errors[0]


def http_error(code: int) -> Exception:
    error = Exception("bad answer")
    error.response = Response(code)  # type: ignore[attr-defined]
    return error


HUB = TokenizerSource(source="Hub", id="meta/llama")


@pytest.mark.parametrize(
    ("error", "token", "hub", "words"),
    [
        (caused(OSError("no"), GatedRepoError("x")), False, "reached", "give benchmark.tokenizer.tokenSecret"),
        (caused(OSError("no"), GatedRepoError("x")), True, "reached", "accept the model's licence"),
        (caused(OSError("no"), http_error(401)), False, "reached", "give benchmark.tokenizer.tokenSecret"),
        (caused(OSError("no"), RepositoryNotFoundError("x")), False, "reached", "no such repository"),
        (caused(OSError("no"), LocalEntryNotFoundError("x")), False, "switched off", "switched off"),
        (
            caused(OSError("no"), LocalEntryNotFoundError("x")),
            False,
            "unreachable",
            "does not answer the benchmark's pod",
        ),
        (OSError("meta/llama does not appear to have a file"), False, "reached", "has no tokenizer"),
        (ValueError("strange\nfile"), False, "reached", "cannot be loaded: strange"),
    ],
)
def test_the_message_names_the_field_and_what_to_do(error: Exception, token: bool, hub: Hub, words: str) -> None:
    message = explain(HUB, error, token, hub)
    assert message.startswith("benchmark.tokenizer")
    assert "'meta/llama'" in message
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(("exists", "words"), [(False, "does not exist"), (True, "holds no tokenizer")])
def test_a_wrong_folder_is_said_before_anything_is_imported(tmp_path: Path, exists: bool, words: str) -> None:
    source = TokenizerSource(source="ModelVolume", path=str(tmp_path if exists else tmp_path / "nowhere"))
    with pytest.raises(TokenizerError, match=words) as error:
        load_tokenizer(source, None)
    assert str(error.value).startswith("benchmark.tokenizer: ")


def test_the_committed_files_are_what_the_script_writes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    committed = {p.name: p.read_text() for p in builtin_tokenizer.FOLDER.iterdir()}
    monkeypatch.setattr(builtin_tokenizer, "FOLDER", tmp_path)
    builtin_tokenizer.main()
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == committed


def test_every_byte_has_a_token_and_nothing_is_merged() -> None:
    model = json.loads((builtin_tokenizer.FOLDER / "tokenizer.json").read_text())["model"]
    assert sorted(model["vocab"].values()) == list(range(256))
    assert model["merges"] == []
    assert model["vocab"]["A"] == 65
    assert model["vocab"]["Ġ"] == 32
