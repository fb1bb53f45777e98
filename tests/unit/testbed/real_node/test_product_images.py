"""The images of the real node are installed by the very commands of the Dockerfile's script."""

from __future__ import annotations

from tests.realnode.images import SCRIPT, install_commands


def test_the_commands_are_those_of_the_script() -> None:
    assert install_commands("operator", SCRIPT.read_text()) == [
        ["--require-hashes", "-r", "locks/operator.txt"],
        ["--no-deps", "--upgrade", "."],
    ]


def test_comments_and_other_commands_are_not_taken() -> None:
    script = (
        'install() {\n    pip install "$@"\n}\ninstall -r "locks/$image.txt"  # hashed\n# install nothing\nrm -rf bin'
    )

    assert install_commands("benchmark", script) == [["-r", "locks/benchmark.txt"]]
