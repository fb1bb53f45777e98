from __future__ import annotations

from typing import Any

import pytest

from autotuner.benchmark.traces import formats
from autotuner.benchmark.traces.formats import BrokenLineError, RecordedRequest, read
from tests.unit.benchmark.traces import recorded


def test_mooncake_has_times_lengths_and_blocks() -> None:
    first, second, third, _ = read("Mooncake", recorded.MOONCAKE)
    assert first == RecordedRequest(1, 2.0, 1100, 20, ("1", "2", "3"))
    assert (second.at, second.complete, third.complete) == (2.5, True, False)


@pytest.mark.parametrize(
    ("trace_format", "lines", "expected"),
    [
        ("Azure", recorded.AZURE, [(0.0, 374, 44), (1.5, 396, 109)]),
        ("Azure", recorded.AZURE_LATER, [(0.0, 2162, 5)]),
        ("BurstGPT", recorded.BURST_GPT, [(0.0, 472, 18), (40.0, 1087, 0), (113.5, 417, 276)]),
        ("BurstGPT", ["\ufeffTimestamp,Response tokens,Request tokens\r\n", "1,2,3\r\n"], [(0.0, 3, 2)]),
    ],
)
def test_tables_have_times_and_lengths(trace_format: Any, lines: list[str], expected: list[Any]) -> None:
    found = list(read(trace_format, lines))
    began = found[0].at or 0.0
    assert [(pytest.approx((one.at or 0.0) - began), one.input_tokens, one.output_tokens) for one in found] == expected


@pytest.mark.parametrize("length", [1, 7, 10_000])
@pytest.mark.parametrize("text", ["".join(recorded.SHARE_GPT), "".join(recorded.SHARE_GPT_LINES)])
def test_conversations_are_read_whatever_pieces_they_come_in(text: str, length: int) -> None:
    found = list(read("ShareGPT", [text[at : at + length] for at in range(0, len(text), length)]))
    assert [(one.prompt, one.answer) for one in found] == [
        ("Hi {[}", "Hello"),
        ("", ""),
        ("", ""),
        ("Why?", "Because \U0001f600"),
    ]
    assert [one.complete for one in found] == [True, False, False, True]


def test_requests_keep_their_messages_and_what_else_they_say() -> None:
    first, second = read("OpenAI", recorded.OPEN_AI)
    assert [message["role"] for message in first.messages] == ["system", "user"]
    assert (first.output_tokens, first.more) == (9, {"temperature": 0.3})
    assert (second.line, second.output_tokens, second.messages[0]["content"]) == (3, 4, "v")


@pytest.mark.parametrize(
    ("trace_format", "lines", "line", "words"),
    [
        ("Mooncake", ['{"timestamp": 1, "input_length": 5, "output_length": 1}\n', "{oops\n"], 2, "it is no JSON"),
        ("Mooncake", ["[1]\n"], 1, "it is no JSON object: '[1]'"),
        ("Mooncake", ['{"input_length": 5}\n'], 1, "it has no timestamp"),
        ("Mooncake", ['{"timestamp": true, "input_length": 5}\n'], 1, "timestamp 'True' is no number"),
        ("Mooncake", ['{"timestamp": 1, "input_length": -5}\n'], 1, "input_length '-5' is no number of tokens"),
        ("Mooncake", ['{"timestamp": 1, "hash_ids": 3}\n'], 1, "hash_ids is no list"),
        ("Azure", ["TIMESTAMP,ContextTokens\n"], 1, "the header lacks GeneratedTokens"),
        ("Azure", [*recorded.AZURE, "yesterday,1,2\n"], 4, "TIMESTAMP 'yesterday' is no date"),
        ("Azure", [*recorded.AZURE, "2023-11-16 18:15:50,1\n"], 4, "it has 2 columns, the header 3"),
        ("Azure", [], 1, "the header lacks TIMESTAMP, ContextTokens, GeneratedTokens"),
        ("BurstGPT", [recorded.BURST_GPT[0], "5,m,1.5,2,3,l\n"], 2, "Request tokens '1.5' is no number of tokens"),
        ("ShareGPT", ['[\n{"conversations": [{"from": "human"}]}]'], 2, "conversations is no list of objects"),
        (
            "ShareGPT",
            ["[\n", '{"conversations": []},\n', '{"a": nope, "more": "long enough"}\n]'],
            3,
            "it is no JSON",
        ),
        ("ShareGPT", ['[{"conversations": []}\n', ', {"conversations": ['], 2, "does not end"),
        ("ShareGPT", ["id,text\n1,2\n"], 1, "no JSON object begins here: 'id,text"),
        ("OpenAI", ['{"prompt": "p", "max_tokens": 3}\n'], 1, "messages is no list of messages"),
        ("OpenAI", ['{"messages": [{"role": "user"}]}\n'], 1, "it has no max_tokens"),
        ("OpenAI", ['{"messages": [{"role": "user"}], "max_tokens": 2, "n": 3}\n'], 1, "n: set by the benchmark"),
    ],
)
def test_a_broken_line_is_named(trace_format: Any, lines: list[str], line: int, words: str) -> None:
    with pytest.raises(BrokenLineError) as error:
        list(read(trace_format, lines))
    assert (error.value.line, words in str(error.value)) == (line, True), str(error.value)


def test_an_object_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "LONGEST_OBJECT", 100)
    with pytest.raises(BrokenLineError, match="does not end within 100 characters"):
        list(read("ShareGPT", ['{"a": "' + "x}" * 30, "}" * 60]))
