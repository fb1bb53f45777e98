"""Which command a shell script ends with, and which scripts are refused."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from autotuner.serving.target.shell_script import UnreadableScriptError, last_command, script_index

VARIABLES = {"MODEL": "org/model", "EXTRA": "--a=1  --b 2", "EMPTY": "", "QUOTED": 'x "y" $z'}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["sh", "-c", "x"], 2),
        (["/bin/bash", "-lc", "--", "x"], 3),
        (["/bin/bash", "-lc", "--"], None),
        (["/bin/bash", "-c", "x"], 2),
        (["bash", "-ec", "x"], 2),
        (["bash", "-e", "-c", "x"], 3),
        (["/usr/bin/bash", "-lc", "x", "name", "a"], 2),
        (["bash", "script.sh"], None),
        (["sh", "-c"], None),
        (["sh"], None),
        (["vllm", "-c", "x"], None),
        ([], None),
    ],
)
def test_where_the_script_is(words: list[str], expected: int | None) -> None:
    assert script_index(words) == expected


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("vllm serve m", ["vllm", "serve", "m"]),
        ("exec vllm serve m --a=1", ["vllm", "serve", "m", "--a=1"]),
        ("set -e; cd /x && exec vllm serve m", ["vllm", "serve", "m"]),
        ("pip install x\nvllm serve m \\\n  --a=1 \\\n  --b\n", ["vllm", "serve", "m", "--a=1", "--b"]),
        ("A=1 B='x y' vllm serve m", ["vllm", "serve", "m"]),
        ("# first\nvllm serve m # the model\n", ["vllm", "serve", "m"]),
        ("vllm serve $MODEL --c ${MODEL}/x", ["vllm", "serve", "org/model", "--c", "org/model/x"]),
        ('vllm serve "$MODEL" $EXTRA', ["vllm", "serve", "org/model", "--a=1", "--b", "2"]),
        ('vllm "$EXTRA"', ["vllm", "--a=1  --b 2"]),
        ('vllm "$QUOTED"', ["vllm", 'x "y" $z']),
        ("vllm $EMPTY m", ["vllm", "m"]),
        ("vllm \"$EMPTY\" '' m", ["vllm", "", "", "m"]),
        ("""vllm --j '{"a": [1, 2]}' --k "{\\"b\\": 3}" """, ["vllm", "--j", '{"a": [1, 2]}', "--k", '{"b": 3}']),
        ("vllm --x='a b'\"c\"d\\ e", ["vllm", "--x=a bcd e"]),
        ("vllm '$MODEL' \\$MODEL", ["vllm", "$MODEL", "$MODEL"]),
        ('vllm "\\$MODEL"', ["vllm", "$MODEL"]),
    ],
)
def test_the_last_command_is_what_a_shell_makes_of_it(script: str, words: list[str], tmp_path: Path) -> None:
    assert list(last_command(script, VARIABLES).words) == words
    # The shell itself is the judge: the engine's place is taken by a program that prints its arguments.
    for name in ("vllm", "pip"):
        program = tmp_path / name
        program.write_text('#!/bin/sh\n[ "${0##*/}" = pip ] || printf "%s\\0" vllm "$@"\n')
        program.chmod(0o755)
    script = script.replace("/x &&", "/ &&")
    environment = {**VARIABLES, "PATH": str(tmp_path)}
    ran = subprocess.run(["/bin/sh", "-c", script], env=environment, capture_output=True, check=True)
    assert ran.stdout.decode().split("\0")[:-1] == words


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("", "empty"),
        ("A=1", "ends with an assignment"),
        ("vllm serve m | tee log", r"'\|'"),
        ("vllm serve m > log", "'>'"),
        ("vllm serve m &", "'&'"),
        ("a || vllm serve m", r"'\|\|'"),
        ("if x; then vllm serve m; fi", "'if'"),
        ("for i in 1 2; do vllm serve m; done", "'for'"),
        ("(vllm serve m)", r"'\('"),
        ("vllm serve $(cat model)", r"'\('"),
        ('vllm serve "$(cat model)"', "a substitution"),
        ("vllm serve `cat model`", "a substitution"),
        ("vllm serve ${MODEL:-x}", "a substitution"),
        ("vllm serve $OTHER", r"\$OTHER is not written in the container"),
        ("vllm serve 'm", "an open quote"),
        ("vllm --x={a,b}", "a substitution"),
        ('vllm --x={"a":1,"b":2}', "a substitution"),
        ("vllm --x={1..3}", "a substitution"),
    ],
)
def test_what_cannot_be_read_for_certain_is_refused(script: str, why: str) -> None:
    with pytest.raises(UnreadableScriptError, match=why):
        last_command(script, VARIABLES)


@pytest.mark.parametrize("script", ['vllm serve m "$@"', "vllm serve m $@"])
def test_arguments_after_the_script_may_be_passed_on(script: str) -> None:
    found = last_command(script, {})
    assert (found.words, found.takes_arguments) == (("vllm", "serve", "m"), True)


def test_other_words_take_the_place_of_the_commands_own() -> None:
    found = last_command("set -e; A=1 exec vllm serve m --a=1", {})
    script = found.with_words(["vllm", "serve", "m", "--j", '{"a": "x y"}', "--k", "$HOME"])
    assert script == "set -e; A=1 exec vllm serve m --j '{\"a\": \"x y\"}' --k '$HOME'"
    assert shlex.split(script)[-1] == "$HOME"
