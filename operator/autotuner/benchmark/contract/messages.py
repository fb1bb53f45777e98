"""What the runner and its load client say to each other.

The runner starts the load client as a process of its own: `client_command` says how, LOAD_CLIENTS says which. The
client works in the spec's work folder and finds the spec and the API key in the same variables as the runner. Over one
pipe it sends events, over another it receives commands, as lines of JSON:

1. TokenizerLoaded, or TokenizerFailed and the end.
2. Again and again: ReadyForLevel. The runner answers RunLevel, once the engine serves, and says which level that is:
   one of the spec's ladder, or of the grid of its search, each at most once. It ends the ladder at any point.
3. During RunLevel: FirstRequest once, WarmedUp once, then LevelRecorded.

ClientFailed may be sent at any time, before the process ends. The runner ends the process when it needs no more levels.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TokenizerLoaded(_Message):
    """Event: the tokenizer can be used."""

    event: Literal["TokenizerLoaded"] = "TokenizerLoaded"


class TokenizerFailed(_Message):
    """Event: the tokenizer cannot be loaded; the message names the field and says what to do."""

    event: Literal["TokenizerFailed"] = "TokenizerFailed"
    message: str


class ReadyForLevel(_Message):
    """Event: everything is loaded for the level of this number, counted from 0; the client awaits a command."""

    event: Literal["ReadyForLevel"] = "ReadyForLevel"
    level: int


class FirstRequest(_Message):
    """Event: the very first request is about to be sent, warm-up included; Unix time in seconds."""

    event: Literal["FirstRequest"] = "FirstRequest"
    unix_seconds: float


class WarmedUp(_Message):
    """Event: the warm-up is over. Its requests count nowhere, but the error says if some of them failed."""

    event: Literal["WarmedUp"] = "WarmedUp"
    seconds: float
    error: str = ""


class LevelRecorded(_Message):
    """Event: a level is over; the file holds its LevelRun."""

    event: Literal["LevelRecorded"] = "LevelRecorded"
    path: Path


class ClientFailed(_Message):
    """Event: the client cannot go on."""

    event: Literal["ClientFailed"] = "ClientFailed"
    message: str


class RunLevel(_Message):
    """Command: run this level against this served model: users of a closed loop, or requests per second."""

    command: Literal["RunLevel"] = "RunLevel"
    model: str
    scenario: str
    offered: float


ClientEvent = TokenizerLoaded | TokenizerFailed | ReadyForLevel | FirstRequest | WarmedUp | LevelRecorded | ClientFailed
RunnerCommand = RunLevel

_EVENT: TypeAdapter[ClientEvent] = TypeAdapter(Annotated[ClientEvent, Field(discriminator="event")])
_COMMAND: TypeAdapter[RunnerCommand] = TypeAdapter(RunnerCommand)


def encode(message: ClientEvent | RunnerCommand) -> bytes:
    """A message as one line of JSON, with the line's end."""
    return message.model_dump_json().encode() + b"\n"


def decode_event(line: bytes) -> ClientEvent:
    """The event in a line of JSON.

    Raises:
        ValueError: the line holds no event.
    """
    return _EVENT.validate_json(line)


def decode_command(line: bytes) -> RunnerCommand:
    """The command in a line of JSON.

    Raises:
        ValueError: the line holds no command.
    """
    return _COMMAND.validate_json(line)


def client_command(module: str, commands: int, events: int, runner: int) -> list[str]:
    """The command line that starts a load client.

    Args:
        module: as in LOAD_CLIENTS.
        commands: the file descriptor from which the client reads commands.
        events: the file descriptor to which it writes events.
        runner: the runner's process id; the client ends when that process does.
    """
    # -P: nothing in the work folder can stand in for a module.
    return [sys.executable, "-P", "-m", module, str(commands), str(events), str(runner)]
