"""The formats of recorded traffic: from the lines of a file to requests, one at a time. Pure.

- Mooncake: JSON lines with `timestamp` (ms), `input_length`, `output_length` and `hash_ids`. Each id stands for a block
  of 512 tokens together with everything before it, so requests with a common beginning have common first ids.
- Azure: CSV with TIMESTAMP, ContextTokens, GeneratedTokens; times have up to seven digits of a second.
- BurstGPT: CSV with Timestamp (s), Request tokens, Response tokens; failed requests have no response tokens.
- ShareGPT: JSON, a list of objects with `conversations`, whose items have `from` (human, gpt) and `value`.
- OpenAI: JSON lines: bodies of chat completions, or objects with one in `body`, as batches have them.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from autotuner.api.benchmark import refused_params
from autotuner.api.traffic_scenarios import TraceFormat

BLOCK_TOKENS = 512
"""Tokens of a block of a Mooncake trace."""
MOST_TOKENS = 10_000_000
LONGEST_OBJECT = 1 << 22
"""Characters of a conversation."""
_SHOWN = 60
_BETWEEN = " \t\r\n[],"
_LONGEST_WORD = 16  # of JSON that may be cut: \ud83d\ude00, false, a number
_DECODER = json.JSONDecoder()
_HUMAN, _ENGINE = ("human", "user"), ("gpt", "chatgpt", "bing", "bard", "assistant")
# What the benchmark itself says in each request, whatever the recorded one said.
_OURS = ("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "min_tokens")


class BrokenLineError(Exception):
    """A line that is not of the format; the message says what is wrong with it.

    Attributes:
        line: its number in the file, from 1.
    """

    def __init__(self, line: int, why: str) -> None:
        super().__init__(why)
        self.line = line


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request of a trace; what its format does not say is 0 or empty.

    Attributes:
        line: where it begins in the file, from 1.
        at: when it arrived, in seconds of the file's own clock; None in formats without times.
        input_tokens, output_tokens: of the prompt and of the answer; 0 where only their text is known.
        blocks: the ids of the prompt's blocks of BLOCK_TOKENS tokens.
        prompt, answer: their text.
        messages: of a whole conversation, whose lengths are not known.
        more: further fields of the request's body.
    """

    line: int
    at: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    blocks: tuple[str, ...] = ()
    prompt: str = ""
    answer: str = ""
    messages: tuple[Mapping[str, Any], ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether it has a prompt and an answer; one without is no load that could be measured."""
        asks = self.input_tokens or self.prompt or self.messages
        return bool(asks and (self.output_tokens or self.answer))


def read(trace_format: TraceFormat, lines: Iterable[str]) -> Iterator[RecordedRequest]:
    """The requests in the lines of a file, in its order; of ShareGPT in pieces of any length.

    Raises:
        BrokenLineError: a line is not of the format.
    """
    return _READERS[trace_format](lines)


def _mooncake(lines: Iterable[str]) -> Iterator[RecordedRequest]:
    for number, row in _json_lines(lines):
        ids = row.get("hash_ids") or []
        if not isinstance(ids, list) or not all(isinstance(one, int | str) for one in ids):
            raise BrokenLineError(number, "hash_ids is no list of numbers or strings")
        yield RecordedRequest(
            number,
            _number(number, row, "timestamp") / 1000,
            _tokens(number, row, "input_length"),
            _tokens(number, row, "output_length"),
            tuple(map(str, ids)),
        )


def _azure(lines: Iterable[str]) -> Iterator[RecordedRequest]:
    for number, row in _table(lines, ("TIMESTAMP", "ContextTokens", "GeneratedTokens")):
        try:
            moment = datetime.fromisoformat(row["TIMESTAMP"].strip())
        except ValueError:
            raise BrokenLineError(number, f"TIMESTAMP {_shown(row['TIMESTAMP'])} is no date with a time") from None
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        tokens = _tokens(number, row, "ContextTokens"), _tokens(number, row, "GeneratedTokens")
        yield RecordedRequest(number, at, *tokens)


def _burst_gpt(lines: Iterable[str]) -> Iterator[RecordedRequest]:
    for number, row in _table(lines, ("Timestamp", "Request tokens", "Response tokens")):
        tokens = _tokens(number, row, "Request tokens"), _tokens(number, row, "Response tokens")
        yield RecordedRequest(number, _number(number, row, "Timestamp"), *tokens)


def _share_gpt(lines: Iterable[str]) -> Iterator[RecordedRequest]:
    for number, row in _json_objects(lines):
        said = row.get("conversations")
        if not isinstance(said, list) or not all(
            isinstance(one, dict) and isinstance(one.get("value"), str) for one in said
        ):
            raise BrokenLineError(number, "conversations is no list of objects with a text in value")
        first = next((place for place, one in enumerate(said) if one.get("from") in _HUMAN), len(said))
        pair = said[first : first + 2]
        answered = len(pair) == 2 and pair[1].get("from") in _ENGINE
        prompt, answer = (pair[0]["value"], pair[1]["value"]) if answered else ("", "")
        yield RecordedRequest(number, prompt=prompt, answer=answer)


def _open_ai(lines: Iterable[str]) -> Iterator[RecordedRequest]:
    for number, row in _json_lines(lines):
        body = row.get("body", row)
        messages = body.get("messages") if isinstance(body, dict) else None
        if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
            raise BrokenLineError(number, "messages is no list of messages; only chat completions can be sent")
        asked = [name for name in ("max_completion_tokens", "max_tokens") if body.get(name) is not None]
        if not asked:
            raise BrokenLineError(
                number, "it has no max_tokens: answers of different configurations are only alike with one; add it"
            )
        more = {name: value for name, value in body.items() if name not in _OURS}
        for name, why in refused_params(more).items():
            raise BrokenLineError(number, f"{name}: {why}")
        tokens = _tokens(number, body, asked[0])
        yield RecordedRequest(number, output_tokens=tokens, messages=tuple(messages), more=more)


_READERS: Mapping[TraceFormat, Callable[[Iterable[str]], Iterator[RecordedRequest]]] = {
    "Mooncake": _mooncake,
    "Azure": _azure,
    "BurstGPT": _burst_gpt,
    "ShareGPT": _share_gpt,
    "OpenAI": _open_ai,
}


def _json_lines(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError as error:
            raise BrokenLineError(number, f"it is no JSON: {error}: {_shown(line)}") from None
        if not isinstance(found, dict):
            raise BrokenLineError(number, f"it is no JSON object: {_shown(line)}")
        yield number, found


def _json_objects(pieces: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSON list, or one behind the other, each with the line where it begins; one at a time.

    Args:
        pieces: of the text, lines or not: a file of gigabytes may have a single line.
    """
    text, line = "", 1
    for piece in pieces:
        text += piece
        while True:
            gap = len(text) - len(text.lstrip(_BETWEEN))
            line, text = line + text.count("\n", 0, gap), text[gap:]
            if text and not text.startswith("{"):
                raise BrokenLineError(line, f"no JSON object begins here: {_shown(text)}")
            try:
                found, end = _DECODER.raw_decode(text) if "}" in piece else (None, 0)
            except json.JSONDecodeError as error:
                _check_unfinished(error, line)
                break
            if found is None:
                break
            yield line, found
            line, text, piece = line + text.count("\n", 0, end), text[end:], text[end:]
    if text:
        raise BrokenLineError(line, f"the object that begins here does not end: {_shown(text)}")


def _check_unfinished(error: json.JSONDecodeError, line: int) -> None:
    """Raise where an object is broken and not only unfinished: then the reader fails at the end of what it has."""
    unfinished = error.msg.startswith("Unterminated") or error.pos >= len(error.doc) - _LONGEST_WORD
    if not unfinished:
        raise BrokenLineError(line + error.lineno - 1, f"it is no JSON: {error.msg}: {_shown(error.doc[error.pos :])}")
    if len(error.doc) > LONGEST_OBJECT:
        raise BrokenLineError(line, f"the object that begins here does not end within {LONGEST_OBJECT} characters")


def _table(lines: Iterable[str], columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV with a header that has these columns."""
    rows = csv.reader(lines)
    try:
        header = [name.strip().removeprefix("\ufeff") for name in next(rows, [])]
        if missing := [name for name in columns if name not in header]:
            raise BrokenLineError(1, f"the header lacks {', '.join(missing)}; it has {_shown(', '.join(header))}")
        for row in rows:
            if not row:
                continue
            if len(row) < len(header):
                raise BrokenLineError(rows.line_num, f"it has {len(row)} columns, the header {len(header)}")
            yield rows.line_num, dict(zip(header, row, strict=False))
    except csv.Error as error:
        raise BrokenLineError(rows.line_num, f"it is no CSV: {error}") from None


def _number(line: int, row: Mapping[str, Any], name: str) -> float:
    value = row.get(name)
    if value is None:
        raise BrokenLineError(line, f"it has no {name}")
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if isinstance(value, bool) or not math.isfinite(found):
        raise BrokenLineError(line, f"{name} {_shown(value)} is no number")
    return found


def _tokens(line: int, row: Mapping[str, Any], name: str) -> int:
    found = _number(line, row, name)
    if found != int(found) or not 0 <= found <= MOST_TOKENS:
        raise BrokenLineError(line, f"{name} {_shown(row[name])} is no number of tokens from 0 to {MOST_TOKENS}")
    return int(found)


def _shown(value: Any) -> str:
    text = str(value).strip()
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…")
