from __future__ import annotations

from itertools import chain
from types import SimpleNamespace
from typing import Any

import pytest

from autotuner.benchmark.clients.prompts import TEMPLATE_TOKENS, Prompts, prefix_group, prefix_shares
from autotuner.benchmark.clients.trace_requests import TraceRequests, clip, place
from autotuner.benchmark.traces.formats import RecordedRequest


class Bytes:
    """A sampler whose tokens are characters."""

    def text(self, tokens: int, mark: str) -> str:
        return (mark * tokens)[:tokens]

    def count(self, text: str) -> int:
        return len(text)

    def cut(self, text: str, tokens: int) -> str:
        return text[:tokens]

    def chat_request(self, prompt: str, tokens: int | None, asked: int) -> Any:
        counted = len(prompt) if tokens is None else tokens
        return SimpleNamespace(
            prompt=prompt, num_prefill_tokens=counted, max_tokens=asked, additional_request_params={"a": 1}
        )


def test_blocks_with_one_id_have_one_text() -> None:
    recorded = [
        RecordedRequest(1, 0.0, 1100, 5, ("x", "y", "z")),
        RecordedRequest(2, 1.0, 1100, 6, ("x", "y", "w")),
        RecordedRequest(3, 2.0, 700, 7, ("x",)),
    ]
    one, two, three = map(TraceRequests(Bytes(), recorded, "key"), range(3))
    assert [(len(found.prompt), found.max_tokens) for found in (one, two, three)] == [(1100, 5), (1100, 6), (700, 7)]
    assert one.prompt[:1024] == two.prompt[:1024] and one.prompt[1024:] != two.prompt[1024:]
    assert three.prompt[:512] == one.prompt[:512] and three.prompt[512:524] != one.prompt[512:524]
    other = TraceRequests(Bytes(), recorded, "another level")(0)
    assert other.prompt[:9] != one.prompt[:9]


def test_texts_are_dealt_to_the_levels() -> None:
    recorded = [RecordedRequest(k, prompt=f"prompt {k}", answer="ab") for k in range(7)]
    levels = [TraceRequests(Bytes(), recorded, "key", level, 3) for level in range(3)]
    assert [level.different for level in levels] == [3, 2, 2]
    texts = [[level(k).prompt for k in range(level.different or 0)] for level in levels]
    assert sorted(chain(*texts)) == [one.prompt for one in recorded]
    assert levels[1](2).prompt == levels[1](0).prompt and levels[1](0).max_tokens == 2


def test_messages_go_with_what_else_was_said() -> None:
    recorded = [RecordedRequest(1, output_tokens=4, messages=({"role": "user"},), more={"top_p": 0.5})]
    found = TraceRequests(Bytes(), recorded, "key")(0)
    assert found.additional_request_params == {"messages": [{"role": "user"}], "top_p": 0.5}


@pytest.mark.parametrize(
    ("k", "count", "level", "levels", "expected"),
    [(0, 10, 0, 1, 0), (11, 10, 0, 1, 1), (2, 10, 1, 3, 7), (3, 10, 1, 3, 1), (3, 10, 0, 3, 9), (5, 2, 2, 3, 1)],
)
def test_the_place_of_a_request(k: int, count: int, level: int, levels: int, expected: int) -> None:
    assert place(k, count, level, levels) == expected


@pytest.mark.parametrize(
    ("tokens", "asked", "context", "expected"),
    [
        (900, 100, 1000 + TEMPLATE_TOKENS, (900, 100, False)),
        (901, 100, 1000 + TEMPLATE_TOKENS, (900, 100, True)),
        (10, 2000, 1000 + TEMPLATE_TOKENS, (10, 500, True)),
        (900, 100, TEMPLATE_TOKENS, (900, 100, False)),
    ],
)
def test_what_does_not_fit_is_cut(tokens: int, asked: int, context: int, expected: tuple[int, int, bool]) -> None:
    request = Bytes().chat_request("p" * tokens, tokens, asked)
    cut = clip(Bytes(), request, context)
    assert (len(request.prompt), request.max_tokens, cut) == expected


def test_what_was_cut_or_repeated_is_counted() -> None:
    def draw(k: int) -> Any:
        return Bytes().chat_request("p" * (100 if k % 2 else 1000), None, 5)

    stream = Prompts(draw, 4, lambda request, context: clip(Bytes(), request, context), different=3)
    for _ in range(5):
        stream.take("model", 500)
    assert (stream.clipped, stream.repeated) == (3, 2)


def test_groups_differ_in_how_often_they_are_drawn() -> None:
    shares = prefix_shares("key", 4)
    assert shares == prefix_shares("key", 4) != prefix_shares("other", 4)
    assert shares == sorted(shares) and shares[-1] == 1
    drawn = [prefix_group("key", k, shares) for k in range(4000)]
    for group, (low, high) in enumerate(zip([0.0, *shares], shares, strict=False)):
        assert drawn.count(group) / 4000 == pytest.approx(high - low, abs=0.03)
