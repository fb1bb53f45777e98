"""The product's images for a real node, by the install commands of the Dockerfile, cached by what they are made of."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable
from pathlib import Path

from tests.realnode.node import ROOT, TOOLS, RealNode

SCRIPT = ROOT / "packaging" / "install-image.sh"
# What the Dockerfile copies into the stage that installs the package.
_PACKAGE = ("pyproject.toml", "README.md", "LICENSE", "presets", "operator")


def install_commands(image: str, script: str) -> list[list[str]]:
    """The arguments of every `pip install` that the script does for an image, in order."""
    lines = [line.partition("#")[0].strip() for line in script.splitlines()]
    commands = [line.removeprefix("install ") for line in lines if line.startswith("install ")]
    return [shlex.split(command.replace("$image", image)) for command in commands]


def built(node: RealNode, image: str, name: str) -> Path:
    """The file of an image, `operator` or `benchmark`, made if the cache has none; each command is a layer."""
    layer = node.images / "python.tar"
    key = _digest([(TOOLS / "image").read_bytes(), layer.with_suffix(".tar.stamp").read_bytes()])
    commands = install_commands(image, SCRIPT.read_text())
    assert [command[0] for command in commands] == ["--require-hashes", "--no-deps"], "dependencies, then the package"
    for number, command in enumerate(commands, 1):
        sources = (path for word in command if (ROOT / word).exists() for path in _files(word))
        key = _digest([key.encode(), name.encode(), repr(command).encode(), *map(Path.read_bytes, sources)])
        result = node.images / f"{image}-{number}-{key}.tar"
        if not result.exists():
            node.make_image("pip", result, name, layer, *command)
            for old in set(node.images.glob(f"{image}-{number}-*.tar")) - {result}:
                old.unlink()
        layer = result
    return layer


def _files(word: str) -> list[Path]:
    """The files that an argument of pip stands for: a lock, or this package."""
    places = [ROOT / name for name in _PACKAGE] if word == "." else [ROOT / word]
    found = [path for place in places for path in ([place] if place.is_file() else place.rglob("*"))]
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


def _digest(parts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
