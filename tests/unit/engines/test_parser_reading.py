"""What an engine's own parser tells of its flags."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from autotuner.engines import parser_reading, probed_flags


def told(*spellings: str, **options: Any) -> dict[str, Any]:
    """What is read of a parser's only flag."""
    parser = argparse.ArgumentParser()
    parser.add_argument(*spellings, **options)
    (flag,) = parser_reading.read(parser, {"size": {"ge": 1}})
    return flag


class Opposite(argparse.BooleanOptionalAction):
    """As vLLM 0.33's: `--disable-x` is the opposite of `--enable-x`."""

    def __init__(self, option_strings: list[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, **options)
        self.option_strings = [*self.option_strings, "--disable-x"]

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        setattr(namespace, self.dest, option_string == "--enable-x")


class Renamed(argparse.Action):
    """As SGLang's: it warns, and tells what to use instead."""

    def __init__(self, *args: Any, new_flag: str, **options: Any) -> None:
        super().__init__(*args, nargs=0, **options)
        self.new_flag = new_flag

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        setattr(namespace, self.dest, True)


def optional_whole(word: str) -> int | None:
    return None if word == "None" else int(word)


def size(word: str) -> int:
    return int(word.replace("k", "000"))


FLAGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"kind": "str"}),
    ({"type": int, "default": 7}, {"kind": "int", "default": 7}),
    ({"type": float}, {"kind": "float"}),
    ({"type": json.loads}, {"kind": "json"}),
    ({"type": size}, {"kind": "size", "units": ["k"]}),
    ({"type": optional_whole}, {"kind": "int", "nullable": True}),
    ({"type": str, "choices": ["b", "a"], "default": "b"}, {"kind": "str", "choices": ["b", "a"], "default": "b"}),
    ({"choices": {"b", "a"}}, {"kind": "str", "choices": ["a", "b"]}),
    ({"type": int, "choices": [1, 2]}, {"kind": "int", "choices": ["1", "2"]}),
    ({"choices": ["a", None]}, {"kind": "str", "choices": ["a"]}),
    ({"nargs": "+"}, {"kind": "list"}),
    ({"nargs": "?", "const": True}, {"kind": "list"}),
    ({"action": "append"}, {"kind": "list"}),
    ({"action": "store_true"}, {"kind": "switch"}),
    ({"action": "store_true", "help": "Deprecated: use --other instead"}, {"kind": "switch", "renamed": ["other"]}),
    ({"action": Renamed, "new_flag": "--y-{a,b}=off"}, {"kind": "switch", "renamed": ["y-a", "y-b"]}),
    ({"default": argparse.SUPPRESS}, {"kind": "str"}),
    ({"default": object()}, {"kind": "str"}),
    ({"default": ["a", "b"], "nargs": "*"}, {"kind": "list", "default": ["a", "b"]}),
]


@pytest.mark.parametrize(("options", "want"), FLAGS)
def test_what_a_flag_takes(options: dict[str, Any], want: dict[str, Any]) -> None:
    found = told("--x", **options)

    assert found.pop("name") == "x"
    if "None" not in str(want.get("nullable")) and options.get("type") is None:
        found.pop("nullable", None)
    assert found == want


def test_what_says_the_opposite_is_no_alias() -> None:
    found = told("--enable-x", "-x", action=argparse.BooleanOptionalAction)
    assert found == {"name": "enable-x", "kind": "boolean", "aliases": ["-x"]}

    found = told("--enable-x", action=Opposite, default=True)
    assert found["negations"] == ["--no-enable-x", "--disable-x"]
    assert found["default"] is True


def test_bounds_are_those_of_what_a_number_is_kept_as() -> None:
    assert told("--batch", dest="size", type=int)["ge"] == 1


def test_what_an_engine_prints_itself_is_not_among_its_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "sglang" / "srt"
    folder.mkdir(parents=True)
    (folder / "server_args.py").write_text(
        "print('hello')\n"
        "class ServerArgs:\n"
        "    def add_cli_args(parser):\n"
        "        parser.add_argument('--tp-size', type=int, default=1)\n"
    )
    (tmp_path / "sglang-9.9.9.dist-info").mkdir()
    (tmp_path / "sglang-9.9.9.dist-info" / "METADATA").write_text("Name: sglang\nVersion: 9.9.9\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["parser_reading.py", "sglang"])

    parser_reading.main()

    assert json.loads(probed_flags.in_log(capsys.readouterr().out).text) == {
        "engine": "sglang",
        "version": "9.9.9",
        "flags": [{"name": "tp-size", "kind": "int", "default": 1}],
    }


def test_vllms_parser_is_found_wherever_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "vllm/__init__.py": "",
        "vllm/platforms.py": "class current_platform:\n    device_type = ''\n",
        "vllm/config.py": "class Item:\n    ge = 1\nclass Field:\n    metadata = [Item]\n"
        "class SchedulerConfig:\n    __pydantic_fields__ = {'max_num_seqs': Field}\n",
        "vllm/somewhere/new/cli_args.py": "import argparse\nfrom vllm.platforms import current_platform\n"
        "class FlexibleArgumentParser(argparse.ArgumentParser): pass\n"
        "def make_arg_parser(parser):\n"
        "    assert current_platform.device_type\n"
        "    parser.add_argument('--max-num-seqs', type=int)\n"
        "    return parser\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))

    assert parser_reading.flags("vllm") == [{"name": "max-num-seqs", "kind": "int", "ge": 1}]


def test_a_build_of_another_name_tells_its_version_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "vllm_of_ours.py").write_text("__version__ = '0.32.0+cpu'\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    assert parser_reading.version("vllm_of_ours") == "0.32.0+cpu"
