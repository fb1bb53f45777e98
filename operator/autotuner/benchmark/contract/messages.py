"""What the runner and its load client say to each other.

The runner starts the load client as a process of its own: `client_command` says how, LOAD_CLIENTS says which. The
client works in the spec's work folder and finds the spec and the API key in the same variables as the runner. Over one
pipe it sends events, over another it receives commands, as lines of JSON:

1. TokenizerLoaded, or TokenizerFailed and the end. Then TraceRead for each trace, or TraceUnusable and the end.
2. For each of the spec's levels, in their order: ReadyForLevel. The runner answers RunLevel or SkipLevel, once the
   engine serves; no level starts without its leave, so it can end the ladder at any point.
3. During RunLevel: FirstRequest once, WarmedUp once, then LevelRecorded.

ClientFailed may be sent at any time, before the process ends. The runner ends the process when it needs no more levels.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from autotuner.api.experiment import TraceSummary


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TokenizerLoaded(_Message):
    """Event: the tokenizer can be used."""

    event: Literal["TokenizerLoaded"] = "TokenizerLoaded"


class TokenizerFailed(_Message):
    """Event: the tokenizer cannot be loaded; the message names the field and says what to do."""

    event: Literal["TokenizerFailed"] = "TokenizerFailed"
    message: str


class TraceRead(_Message):
    """Event: a scenario's trace was read."""

    event: Literal["TraceRead"] = "TraceRead"
    summary: TraceSummary


class TraceUnusable(_Message):
    """Event: a scenario's trace cannot be used; the message names the field, the line, and what to do."""

    event: Literal["TraceUnusable"] = "TraceUnusable"
    message: str


class ReadyForLevel(_Message):
    """Event: everything is loaded for this level (its index in RunnerSpec.levels); the client awaits a command."""

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
    """Command: run the level that was announced, against this served model."""

    command: Literal["RunLevel"] = "RunLevel"
    model: str
    context: int = 0
    """The tokens of the longest sequence that the engine takes; 0 where it does not say."""


class SkipLevel(_Message):
    """Command: leave the level out that was announced."""

    command: Literal["SkipLevel"] = "SkipLevel"


ClientEvent = (
    TokenizerLoaded
    | TokenizerFailed
    | TraceRead
    | TraceUnusable
    | ReadyForLevel
    | FirstRequest
    | WarmedUp
    | LevelRecorded
    | ClientFailed
)
RunnerCommand = RunLevel | SkipLevel

_EVENT: TypeAdapter[ClientEvent] = TypeAdapter(Annotated[ClientEvent, Field(discriminator="event")])
_COMMAND: TypeAdapter[RunnerCommand] = TypeAdapter(Annotated[RunnerCommand, Field(discriminator="command")])


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
