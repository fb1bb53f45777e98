"""Arguments that a shell reads once more: how they are read, and how they arrive unharmed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from autotuner.serving.llm_inference_service import preset_script
from autotuner.serving.target.shell_script import UnreadableScriptError

# In our own words, what the presets' script looks like.
SCRIPT = """set -e
if [ -n "$KSERVE_X" ]; then export A=1; fi
eval "exec vllm serve /mnt/models \\
  --served-model-name "chat" "publishers/team/models/chat" \\
  --port 8000 $VERSION_FLAGS \\
  --tensor-parallel-size 2 \\
  ${VLLM_ADDITIONAL_ARGS} $@"
"""
PRESET = ["/bin/bash", "-c", SCRIPT, "--"]
HARMLESS = [
    "--a=1",
    '--json={"a": [1, 2], "b": \'x y\'}',
    '--brace={"a":1,"b":2}',
    "--price=$HOME and ${HOME} and `echo no` and $(echo no)",
    "--list=a;b|c&d>e<f",
    "--one='",
    '--two="',
    "--back=\\slash\\\\",
    "--glob=* ?",
    "--tilde=~",
    "#no comment",
    "--empty=",
    "",
    " two  blanks ",
    "--lines=a\nb",
    "!event",
]


@pytest.mark.parametrize(
    ("command", "evaluates", "swallows"),
    [
        (PRESET, True, False),
        (["bash", "-c", 'eval "exec vllm serve m $*"', "--"], True, False),
        (["bash", "-c", 'eval "exec vllm serve m"', "--"], False, True),
        (["bash", "-c", 'exec vllm serve m "$@"', "--"], False, False),
        (["bash", "-c", "exec vllm serve --evaluation medieval $@"], False, False),
        (["bash", "-c", 'eval "$(hook)"\nexec vllm serve m "$@"', "--"], False, False),
        (["bash", "-c", 'eval "$(hook)"\neval "exec vllm serve m $@"', "--"], True, False),
        (["vllm", "serve", "m"], False, False),
        ([], False, False),
    ],
)
def test_only_a_script_with_eval_reads_arguments_again(command: list[str], evaluates: bool, swallows: bool) -> None:
    assert preset_script.evaluates(command) == evaluates
    assert preset_script.swallows(command) == swallows


def test_the_program_is_what_the_script_writes_itself() -> None:
    names = ["--served-model-name", "chat", "publishers/team/models/chat"]
    expected = ["vllm", "serve", "/mnt/models", *names, "--port", "8000", "--tensor-parallel-size", "2"]
    assert preset_script.program(PRESET) == expected


def ran(arguments: list[str], folder: Path, **variables: str) -> list[str]:
    """What the program is given, by the judgement of the shell itself."""
    program = folder / "vllm"
    program.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
    program.chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "HOME": "/home/somebody", **variables}
    done = subprocess.run([*PRESET, *arguments], capture_output=True, text=True, env=environment, check=True)
    given = done.stdout.split("\0")[:-1]
    return given[given.index("2") + 1 :]


def test_quoted_arguments_arrive_as_they_are(tmp_path: Path) -> None:
    quoted = preset_script.quoted(HARMLESS)
    # A kubelet comes first, and takes two dollar signs before a parenthesis for one.
    assert ran([argument.replace("$$", "$") for argument in quoted], tmp_path) == HARMLESS
    assert preset_script.words(quoted, []) == HARMLESS


def test_without_quotes_they_do_not(tmp_path: Path) -> None:
    assert ran(['--brace={"a":1,"b":2}', "--n=$HOME"], tmp_path) == ["--brace=a:1", "--brace=b:2", "--n=/home/somebody"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--a=1", "--b", "2"], ["--a=1", "--b", "2"]),
        (["--a=1 --b 2"], ["--a=1", "--b", "2"]),
        (["--json='{\"a\": 1}'"], ['--json={"a": 1}']),
        (["--a='x", "y'"], ["--a=x y"]),
        (["--p=$PORT", "--q=$(PORT)", "--r='$PORT'"], ["--p=80", "--q=80", "--r=$PORT"]),
    ],
)
def test_arguments_are_read_as_the_shell_reads_them(arguments: list[str], expected: list[str], tmp_path: Path) -> None:
    env = [{"name": "PORT", "value": "80"}]
    assert preset_script.words(arguments, env) == expected
    kubelets = [argument.replace("$(PORT)", "80") for argument in arguments]
    assert ran(kubelets, tmp_path, PORT="80") == expected


@pytest.mark.parametrize("arguments", [['--b={"a":1,"b":2}'], ["--a=`id`"], ["--a=$X"], ["--a;", "b"], ["--a='"]])
def test_what_only_a_shell_could_tell_is_refused(arguments: list[str]) -> None:
    with pytest.raises(UnreadableScriptError):
        preset_script.words(arguments, [])
