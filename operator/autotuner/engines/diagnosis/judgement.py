"""What one failure means: the reason, and the words that tell it best."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from autotuner.engines.diagnosis import shared_words as words
from autotuner.engines.diagnosis.failures import Failure, Frame, Raised, Standing
from autotuner.engines.diagnosis.log_patterns import LogPatterns, says

Reason = Literal["OutOfMemory", "InvalidArguments", "EngineCrashed", "ModelNotReady", "ModelUnsupported"]
LINE_MAX = 400
_REFUSING = ("ValueError", "AssertionError", "NotImplementedError", "KeyError", "ValidationError")
_READS_ARGUMENTS = re.compile(
    r"/(?:pydantic|argparse|json|ast|dataclasses|typing|enum|re|pathlib|regex)(?:/|\.py)|<string>|<frozen"
)
# What reads a model's files: libraries, the engines' loaders of configs and tokenizers, what yields the weights.
_READS_MODELS = re.compile(
    r"/(?:transformers|tokenizers?|huggingface_hub|safetensors|sentencepiece|tiktoken|mistral_common)/"
    r"|hf_transformers|transformers_utils"
)
_YIELDS_WEIGHTS = re.compile(r"^\w*weights_iterator$|^get_all_weights$")
_MISREADING = (
    *(
        "OSError",
        "FileNotFoundError",
        "PermissionError",
        "ConnectionError",
        "ConnectTimeout",
        "ReadTimeout",
        "ProxyError",
    ),
    *("ValueError", "TypeError", "KeyError", "EOFError", "JSONDecodeError", "UnicodeDecodeError", "Exception"),
)
_SERVING = re.compile(r"fatal error|hit an exception in (?:forward|event)")
_LOOPS = re.compile(r"^(?:run_busy_loop|worker_busy_loop|event_loop\w*|_process_engine_step|execute_model|forward\w*)$")
_KILLED = re.compile(r"(?:exit ?code:? |exitcode=|code |': )-9\b")
_PATH = re.compile(r"'(/[^']+)'|\((/[^)\s]+)\)|\bfor (/\S+)$", re.MULTILINE)
_OTHER_MODEL = re.compile(r"for (?:SpeculativeConfig|LoRAConfig)|\b(?:draft model|[Ll]ora|[Aa]dapter)\b")
_FLAG_LIKE = re.compile(r"--[A-Za-z][-\w]*|\b[A-Za-z]+(?:[-_][A-Za-z0-9]+)+\b")


class Rank(IntEnum):
    """How much a failure explains."""

    CAUSE = 0
    PEER = 1  # what the others say when one has failed
    ECHO = 2


@dataclass(frozen=True)
class Judged:
    """What one failure or line means, and how it stands among the others of a log.

    `number` and `last` are the places of its first and last line.
    """

    number: int
    last: int
    standing: Standing
    rank: Rank
    reason: Reason
    line: str
    killed: bool = False


@dataclass(frozen=True)
class Context:
    """What is known beside a failure.

    Attributes:
        own: the engine's words and those of the libraries.
        flags: names of the engine's flags, for errors that name one without dashes.
        arguments: the lines in which the engine prints its arguments.
        model: the path of the served model, as those lines tell it; empty if they do not.
    """

    own: LogPatterns
    flags: frozenset[str]
    arguments: str
    model: str


def short(text: str) -> str:
    """One line of at most 400 characters."""
    text = " ".join(text.split())
    return text if len(text) <= LINE_MAX else text[: LINE_MAX - 1] + "…"


def judge(failure: Failure, context: Context) -> Judged:
    """What a failure means: the exception that surfaced is asked first, then those that led to it."""
    serving = bool(_SERVING.search(failure.header))
    reason, shown = _reason(failure, context, serving)
    rank = Rank.CAUSE
    told = shown.text
    killed = bool(_KILLED.search(told))
    if killed:
        reason = "OutOfMemory"
    elif says(told, context.own.echo):
        rank = Rank.ECHO
    elif reason == "EngineCrashed" and says(told, context.own.peer):
        rank = Rank.PEER
    return Judged(failure.number, failure.last, failure.standing, rank, reason, short(_quote(shown)), killed)


def _reason(failure: Failure, context: Context, serving: bool) -> tuple[Reason, Raised]:
    for one in reversed(failure.raised):
        if found := _by_words(one, context):
            return found, one
        if _misread_model(one, failure, context) and not serving:
            return "InvalidArguments" if _about_another_model(one, context) else "ModelNotReady", one
    for one in reversed(failure.raised):
        if _refused_by_argument_stage(one, context.own):
            return "InvalidArguments", one
    for one in reversed(failure.raised):
        if not serving and _refused(one, context):
            return "InvalidArguments", one
    return "EngineCrashed", _first_cause(failure.raised)


def _first_cause(raised: Sequence[Raised]) -> Raised:
    """The last exception, or the one that it was raised from on purpose."""
    position = len(raised) - 1
    while position > 0 and raised[position - 1].caused:
        position -= 1
    return raised[position]


def _by_words(one: Raised, context: Context) -> Reason | None:
    """What the words of an exception say beyond doubt."""
    own, text = context.own, one.text
    if says(text, own.unsupported_model):
        return "InvalidArguments" if _about_another_model(one, context) else "ModelUnsupported"
    if says(text, own.out_of_memory):
        return "OutOfMemory"
    if words.TOO_MANY_RANKS.search(text) or (_OTHER_MODEL.search(text) and words.MISSING.search(text)):
        return "InvalidArguments"
    if says(text, own.broken_model):
        return "InvalidArguments" if _about_another_model(one, context) else "ModelNotReady"
    return "EngineCrashed" if says(text, own.crash) else None


def _misread_model(one: Raised, failure: Failure, context: Context) -> bool:
    """Whether it was raised while the model's files were read or its weights were copied."""
    if "'NoneType'" in one.message and re.search(r"\b[Ll]oad(?:ing)?\b", failure.before):
        return True  # an empty folder: nothing was there to load
    frames = [frame for frame in one.frames if not _READS_ARGUMENTS.search(frame.file)]
    if not frames:
        return False
    last = frames[-1]
    if one.short_name in ("AssertionError", "RuntimeError", "ValueError") and words.LOADING.search(last.source):
        return True
    if one.short_name == "KeyError" and last.function == "load_weights":
        return not words.QUANTIZED.search(one.message)
    reading = _READS_MODELS.search(last.file) or any(_YIELDS_WEIGHTS.search(frame.function) for frame in frames)
    named = "trust_remote_code" in one.message or _names_a_flag(one.message, context.flags)
    return bool(reading) and one.short_name in _MISREADING and not named


def _about_another_model(one: Raised, context: Context) -> bool:
    """Whether it is about a draft, an adapter or a file that a flag names: that is one configuration's fault."""
    if _OTHER_MODEL.search(one.text) or any(says(frame.file, context.own.draft_modules) for frame in one.frames):
        return True
    paths = {path for match in _PATH.findall(one.message) for path in match if path}
    if not context.model or not paths:
        return False
    return not any(_below(path, context.model) for path in paths) and any(
        _below(path, named) for path in paths for named in _named_paths(context.arguments)
    )


def _named_paths(arguments: str) -> Iterator[str]:
    for match in re.finditer(r"['\"=](/[^'\",\s)\]}]+)", arguments):
        yield match[1]


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _refused_by_argument_stage(one: Raised, own: LogPatterns) -> bool:
    """Whether the last frame that is not a parser's is in the engine's argument stage."""
    frames: list[Frame] = list(one.frames)
    while frames and _READS_ARGUMENTS.search(frames[-1].file):
        frames.pop()
    return bool(frames) and says(frames[-1].file, own.argument_modules)


def _refused(one: Raised, context: Context) -> bool:
    """Whether an exception from elsewhere reads like an answer to the arguments."""
    if any(_LOOPS.search(frame.function) for frame in one.frames):
        return False
    if words.KERNEL_MISSING.search(one.message) or words.FILE_OF_A_FLAG.search(one.message):
        return True
    if one.short_name == "KeyError" and one.frames and one.frames[-1].function == "load_weights":
        return True  # weights of another quantization than the flags say
    if not one.message:
        return one.short_name == "AssertionError" and bool(one.frames and words.SPLIT.search(one.frames[-1].source))
    if one.short_name in ("ValueError", "AssertionError") and _names_a_flag(one.message, context.flags):
        return True
    refusing = one.short_name in _REFUSING or one.short_name.endswith("ValidationError")
    return refusing and bool(words.REFUSAL.search(one.message)) and not words.TORCH_SPEAKS.search(one.message)


def _names_a_flag(message: str, flags: frozenset[str]) -> bool:
    return any(word.startswith("--") or word.replace("_", "-") in flags for word in _FLAG_LIKE.findall(message))


def _quote(one: Raised) -> str:
    """The words that help: all fields of a validation, the source of a bare assertion, else the whole message."""
    if re.match(r"\d+ validation errors? for ", one.message):
        return validation(one.message) or one.text
    if not one.message and one.frames and one.frames[-1].source:
        return f"{one.name}: {one.frames[-1].source}"
    return one.text


def validation(message: str) -> str:
    """Pydantic's complaint, its head line dropped: each field and what is wrong with it."""
    told: list[str] = []
    open_field: list[str] = []
    for line in message.splitlines()[1:]:
        if line.lstrip().startswith("For further information"):
            continue
        text, bracket, _ = line.partition(" [type=")
        if text.strip() and not line.startswith("[type="):
            open_field.append(text.strip())
        if bracket or line.startswith("[type="):
            named = len(open_field) > 1 and re.fullmatch(r"[\w.\[\]-]+", open_field[0])
            told.append(f"{open_field[0]}: {open_field[1]}" if named else " ".join(open_field))
            open_field = []
    return "; ".join(told)
