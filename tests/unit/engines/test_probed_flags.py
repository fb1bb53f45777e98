"""What an image's own parser told: read out of a log, and put in the place of the flags that are known."""

from __future__ import annotations

import hashlib
import json
import random
import re

import pytest

from autotuner import engines
from autotuner.engines import EngineVersion, parser_reading, probed_flags
from autotuner.log_excerpt import LogExcerpt
from autotuner.search.space.space import Space
from autotuner.validation_messages import Kind
from tests.unit.builders import make_parameters
from tests.unit.engines.probed import FLAGS, logged, printed


def test_the_flags_are_read_out_of_a_log() -> None:
    found = probed_flags.in_log(logged())

    assert (found.package, found.version, found.count) == ("vllm", "0.33.1", 3)
    assert found.text == printed()
    assert found.digest == hashlib.sha256(printed().encode()).hexdigest()
    assert found == probed_flags.of(found.text)


def test_a_large_table_survives_what_a_log_is_cut_to() -> None:
    generator = random.Random(7)
    words = ["".join(generator.choices("abcdefghij", k=40)) for _ in range(500)]
    text = printed([{"name": word, "kind": "str"} for word in words])
    excerpt = LogExcerpt()
    excerpt.add(b"noise of the engine\n" * 20_000 + logged(text).encode())

    assert probed_flags.in_log(excerpt.text()).text == text
    assert len(parser_reading.packed(text)) > 2


BROKEN = [
    ("", "the log has no line that begins with autotuner-flags"),
    ("ModuleNotFoundError: No module named 'vllm'", "the log has no line that begins with autotuner-flags"),
    ("\n".join(parser_reading.packed(printed())[:-1]), "the log has no line that begins with autotuner-flags"),
    (f"{parser_reading.MARK} {'0' * 64} 2/2 abcd", "the log lacks part 1 of the 2 that tell the flags"),
    (logged().replace("eN", "eM"), "what the log tells of flags is damaged: "),
    ("\n".join(parser_reading.packed("[]")), "no table of flags: "),
    ("\n".join(parser_reading.packed(printed([]))), "a table of flags with no flags"),
    (
        "\n".join(parser_reading.packed(printed([{"name": "x", "kind": "spoon"}]))),
        "a table of flags with odd kinds (x)",
    ),
]


@pytest.mark.parametrize(("log", "why"), BROKEN)
def test_why_a_log_tells_no_flags(log: str, why: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(why)}"):
        probed_flags.in_log(log)


def test_text_that_is_not_what_its_digest_says_is_refused() -> None:
    digest = hashlib.sha256(b"another").hexdigest()
    log = logged().replace(probed_flags.of(printed()).digest, digest)

    with pytest.raises(ValueError, match="has another SHA-256 than it says"):
        probed_flags.in_log(log)


def test_of_two_answers_the_last_counts() -> None:
    newer = printed(version="0.34.0")

    assert probed_flags.in_log(logged() + logged(newer)).version == "0.34.0"


class TestTheEngineOfAProbe:
    VERSION = engines.version_of("VLLM", image="vllm/vllm-openai:v0.20.1", probed=probed_flags.of(printed()))

    def test_has_the_flags_that_were_told_and_no_others(self) -> None:
        engine = engines.get(self.VERSION)

        assert self.VERSION[:3] == ("VLLM", "0.33.1", "probe")
        assert engine.table is not None
        assert (engine.version, str(engine.table), engine.knows("0.33.1")) == ("0.33.1", "vLLM 0.33.1", True)
        assert engine.table.names == {flag["name"] for flag in FLAGS}
        (found,) = engine.checker().arguments(["--new-flag=c", "--max-num-seqs=8", "--new-flag=a"], "args")
        assert found.kind is Kind.VALUE_REFUSED

    def test_knows_other_releases_still(self) -> None:
        engine = engines.get(self.VERSION)
        (found,) = engine.checker().arguments(["--gpu-memory-utilization=0.9"], "args")

        assert found.kind is Kind.FLAG_GONE
        assert engine.rules == engines.get(EngineVersion("VLLM", "0.33.1")).rules

    def test_wins_over_the_known_table_of_the_same_release(self) -> None:
        told = probed_flags.of(printed(version="0.32.0"))
        engine = engines.get(engines.version_of("VLLM", probed=told))

        assert engine.table is not None
        assert engine.table.names == {flag["name"] for flag in FLAGS}
        assert len([one for one in engine.tables if one.version == "0.32.0"]) == 1

    @pytest.mark.parametrize(
        ("image", "version"), [("vllm/vllm-openai:v0.20.1", "0.20.1"), ("vllm/vllm-openai:mine", "")]
    )
    def test_is_of_the_tags_release_where_its_build_has_none(self, image: str, version: str) -> None:
        told = probed_flags.of(printed(version="0.0.0.dev0"))
        found = engines.version_of("VLLM", image=image, probed=told)
        engine = engines.get(found)

        assert found[:3] == ("VLLM", version, "probe")
        assert engine.table is not None
        assert engine.table.names == {flag["name"] for flag in FLAGS}
        assert engine.degrees == engines.get("VLLM").degrees

    def test_has_a_space_of_its_own(self) -> None:
        parameters = make_parameters(**{"max-num-seqs": [1, 2]})
        other = engines.version_of("VLLM", probed=probed_flags.of(printed(FLAGS[:1])))
        spaces = [Space.over(parameters, engine=one) for one in (self.VERSION, other, self.VERSION)]

        assert spaces[0] is spaces[2]
        assert spaces[0] is not spaces[1]


NAMED = [
    ("vllm/vllm-openai:v0.33.0", "VLLM"),
    ("registry.example/ai/rocm-VLLM@sha256:" + "0" * 64, "VLLM"),
    ("docker.io/lmsysorg/sglang:v0.5.23-cu129", "SGLang"),
    ("registry.example/engines:sglang-0.5.23", "SGLang"),
    ("registry.example/vllm-and-sglang:1", None),
    ("nginx:1", None),
]


@pytest.mark.parametrize(("image", "name"), NAMED)
def test_the_engine_that_an_image_is_named_after(image: str, name: str | None) -> None:
    assert engines.named_by(image) == name


def test_the_program_prints_what_is_read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["-c", "vllm"])
    space: dict[str, object] = {"__name__": "probe"}
    exec(compile(probed_flags.script(), "<probe>", "exec"), space)
    space |= {"flags": lambda _: FLAGS, "version": lambda _: "1.2"}
    space["main"]()  # type: ignore[operator]

    assert json.loads(probed_flags.in_log(capsys.readouterr().out).text)["flags"] == FLAGS
