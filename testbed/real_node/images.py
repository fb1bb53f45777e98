"""The images that every node has: pause, CoreDNS and this machine's Python."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

from testbed.real_node import oci, python_image
from testbed.real_node.programs import Programs

# Whoever makes images wherever this says so, makes others when it changes.
_MAKERS = tuple(Path(str(module.__file__)) for module in (oci, python_image))


def base_images(folder: Path, programs: Programs) -> dict[str, Path]:
    """Make what the folder lacks; returns the files by name.

    Args:
        folder: of images; their names say what they were made of.
        programs: some of them go into images.
    """

    def program(name: str, source: Path) -> Path:
        def make(out: Path) -> None:
            oci.save_files(out, f"localhost/{name}:1", {f"/{name}": source})

        return made(folder, name, [source.read_bytes()], make)

    return {
        "pause": program("pause", programs.pause),
        "coredns": program("coredns", programs.coredns),
        "python": made(
            folder,
            "python",
            [sys.version.encode(), str(python_image.INTERPRETER).encode()],
            lambda out: python_image.save_python(out, "localhost/python:1"),
        ),
    }


def made(folder: Path, name: str, sources: list[bytes], make: Callable[[Path], None]) -> Path:
    """Returns an image's file, made if the folder has none of these sources; older ones of the name are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    result = folder / f"{name}-{_key(sources)}.tar"
    if not result.exists():
        make(result)
        for old in set(folder.glob(f"{name}-{'?' * 16}.tar")) - {result}:
            old.unlink()
    return result


def _key(sources: list[bytes]) -> str:
    digests = [hashlib.sha256(part).digest() for part in (*map(Path.read_bytes, _MAKERS), *sources)]
    return hashlib.sha256(b"".join(digests)).hexdigest()[:16]
