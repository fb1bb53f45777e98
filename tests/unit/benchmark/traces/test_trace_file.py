from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autotuner.benchmark.contract.spec import RunnerScenario, RunnerSpec, RunnerTrace
from autotuner.benchmark.traces import trace_file
from autotuner.benchmark.traces.trace_file import ReadTrace, TraceError, needed, read_file, summary, take
from tests.unit.benchmark.traces import recorded


def trace(trace_format: Any = "Mooncake", **changes: Any) -> RunnerTrace:
    return RunnerTrace(format=trace_format, file="/none", **changes)


def spec(scenario: RunnerScenario, **changes: Any) -> RunnerSpec:
    return RunnerSpec.model_validate(
        {
            "apiBase": "http://10.0.0.1:80",
            "backend": "vllm",
            "scenarios": [scenario],
            "tokenizer": {"source": "Builtin"},
            "workDir": "/w",
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("changes", "most", "seconds", "times", "cut"),
    [
        ({}, 10, None, [0.0, 0.5, 4.0], False),
        ({"speed": 2.0}, 10, None, [0.0, 0.25, 2.0], False),
        ({"speed": 0.5}, 10, 3.0, [0.0, 1.0], True),
        ({}, 2, None, [0.0, 0.5], True),
        ({}, 3, None, [0.0, 0.5, 4.0], False),
    ],
)
def test_a_trace_is_read_within_its_limits(
    changes: dict[str, Any], most: int, seconds: float | None, times: list[float], cut: bool
) -> None:
    found = take(trace(**changes), recorded.MOONCAKE, most, seconds)
    assert ([one.at for one in found.requests], found.cut) == (times, cut)


def test_nothing_is_read_beyond_what_is_needed() -> None:
    pieces = iter([*recorded.MOONCAKE, "broken\n"])
    assert len(take(trace(), pieces, 1, None).requests) == 1
    assert list(pieces)[-1] == "broken\n"


@pytest.mark.parametrize(
    ("trace_format", "changes", "expected"),
    [
        ("Azure", {}, 400),
        ("Azure", {"rates": [1, 2]}, 1300),
        ("ShareGPT", {"rates": [1, 2]}, 2600),
        ("ShareGPT", {"concurrency": [1, 2, 4]}, 3900),
    ],
)
def test_so_much_is_needed_as_the_levels_can_use(trace_format: Any, changes: dict[str, Any], expected: int) -> None:
    scenario = RunnerScenario(name="chat", trace=trace(trace_format))
    assert needed(spec(scenario, **changes), scenario) == expected
    less = RunnerScenario(name="chat", trace=trace(trace_format, max_requests=7))
    assert needed(spec(less, **changes), less) == 7


def test_a_summary_says_what_was_read() -> None:
    found = summary("chat", take(trace(), recorded.MOONCAKE, 10, None), len)
    assert (found.requests, found.skipped, found.cut, found.seconds) == (3, 1, False, 4.0)
    assert found.rates == [2 / 0.5 / 2, 1 / 0.5, 0, 0, 0, 0, 0, 1 / 0.5]
    assert (found.input_tokens_mean, found.input_tokens_max) == (810, 1100)
    assert found.output_tokens_max == 20
    # Two blocks of the second request were in the first one, and the last request is one that was left out.
    assert found.prefix_share == pytest.approx(1024 / 2430)


def test_a_text_is_counted_by_its_tokenizer() -> None:
    found = summary("chat", take(trace("ShareGPT"), recorded.SHARE_GPT, 10, None), len)
    assert (found.input_tokens_mean, found.output_tokens_mean, found.output_tokens_max) == (5, 7, 9)
    assert (found.seconds, found.rates, found.prefix_share) == (None, None, None)


def test_a_digest_is_of_the_requests_and_nothing_else() -> None:
    def digest(lines: list[str], **changes: Any) -> str:
        return summary("chat", take(trace("Azure", **changes), lines, 10, None), len).digest

    head, first, second = recorded.AZURE
    assert digest(recorded.AZURE) == digest([head, "\n", first, second])
    others = [[head, first], [head, first, second.replace("109", "108")], [head, first, second.replace("48.1", "48.2")]]
    assert len({digest(recorded.AZURE), digest(recorded.AZURE, speed=2.0), *map(digest, others)}) == 5


def test_requests_at_one_moment_have_no_rate() -> None:
    assert list(trace_file.rates([0.0, 0.0])) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no key a in ConfigMap b; create it"),
        (b"", "has no request with a prompt and an answer"),
        (b"\xff\xfe1", "is no text in UTF-8"),
        (
            recorded.MOONCAKE[1].encode() + b"{",
            "line 2 of key a in ConfigMap b is not of the format Mooncake: it is no",
        ),
        (
            (recorded.MOONCAKE[1] + recorded.MOONCAKE[0]).encode(),
            "line 2 of key a in ConfigMap b is not of the format Mooncake: it is earlier than the line before",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_told(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "a"
    if content is not None:
        file.write_bytes(content)
    one = RunnerTrace(format="Mooncake", file=str(file), source="key a in ConfigMap b")
    scenario = RunnerScenario(name="chat", trace=one)
    with pytest.raises(TraceError) as error:
        read_file(spec(scenario), scenario)
    assert str(error.value).startswith("benchmark.scenarios[chat].trace: ") and words in str(error.value)


def test_a_list_of_conversations_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("\ufeff" + "".join(recorded.SHARE_GPT_LINES))
    scenario = RunnerScenario(name="chat", trace=RunnerTrace(format="ShareGPT", file=str(file)))
    found: ReadTrace = read_file(spec(scenario, rates=[1]), scenario)
    assert [one.prompt for one in found.requests] == ["Hi {[}", "Why?"]
