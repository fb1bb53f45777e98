"""The product's images for a real node, by the install commands of the Dockerfile, cached by what they are made of."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path

from testbed.real_node.images import base_images, made
from testbed.real_node.place import Place
from testbed.real_node.programs import Programs
from testbed.real_node.python_image import save_packages

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "packaging" / "install-image.sh"
# What the Dockerfile copies into the stage that installs the package.
_PACKAGE = ("pyproject.toml", "README.md", "LICENSE", "presets", "operator")


def install_commands(image: str, script: str) -> list[list[str]]:
    """The arguments of every `pip install` that the script does for an image, in order."""
    lines = [line.partition("#")[0].strip() for line in script.splitlines()]
    commands = [line.removeprefix("install ") for line in lines if line.startswith("install ")]
    return [shlex.split(command.replace("$image", image)) for command in commands]


def built(image: str, name: str) -> Path:
    """The file of an image, `operator` or `benchmark`, made if the cache has none; each command is a layer.

    Raises:
        ImageError: a command failed.
    """
    folder = Place.of().images
    layer = base_images(folder, Programs.build())["python"]
    commands = install_commands(image, SCRIPT.read_text())
    assert [command[0] for command in commands] == ["--require-hashes", "--no-deps"], "dependencies, then the package"
    for number, command in enumerate(commands, 1):
        files = [path.read_bytes() for word in command if (ROOT / word).exists() for path in _files(word)]
        sources = [layer.name.encode(), name.encode(), repr(command).encode(), *files]
        make = partial(save_packages, name=name, base=layer, arguments=command, working_folder=ROOT)
        layer = made(folder, f"{image}-{number}", sources, make)
    return layer


def _files(word: str) -> list[Path]:
    """The files that an argument of pip stands for: a lock, or this package."""
    places = [ROOT / name for name in _PACKAGE] if word == "." else [ROOT / word]
    found = [path for place in places for path in ([place] if place.is_file() else place.rglob("*"))]
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)
