from __future__ import annotations

from pathlib import Path

import pytest

from autotuner.benchmark.contract.messages import (
    ClientEvent,
    ClientFailed,
    FirstRequest,
    LevelRecorded,
    ReadyForLevel,
    RunLevel,
    RunnerCommand,
    TokenizerFailed,
    TokenizerLoaded,
    WarmedUp,
    decode_command,
    decode_event,
    encode,
)


@pytest.mark.parametrize(
    "event",
    [
        TokenizerLoaded(),
        TokenizerFailed(message="of two\nlines"),
        ReadyForLevel(level=3),
        FirstRequest(unix_seconds=1764457528.123456),
        WarmedUp(seconds=0.25, error="1 of 3 failed: 😀 \u2028"),
        LevelRecorded(path=Path("/run/level-3.json")),
        ClientFailed(message=""),
    ],
)
def test_an_event_arrives_as_it_was_sent_in_one_line(event: ClientEvent) -> None:
    line = encode(event)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert decode_event(line.rstrip(b"\n")) == event


@pytest.mark.parametrize("command", [RunLevel(model="org/model", scenario="chat", offered=0.5)])
def test_a_command_arrives_as_it_was_sent_in_one_line(command: RunnerCommand) -> None:
    line = encode(command)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert decode_command(line.rstrip(b"\n")) == command


@pytest.mark.parametrize("line", [b"", b"{}", b"hello", b'{"command":"SkipLevel"}', b'{"event":"ReadyForLevel"}'])
def test_anything_else_is_no_event(line: bytes) -> None:
    with pytest.raises(ValueError, match="1 validation error"):
        decode_event(line)


def test_an_event_is_no_command() -> None:
    with pytest.raises(ValueError, match="RunLevel"):
        decode_command(encode(TokenizerLoaded()))
