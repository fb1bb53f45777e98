"""Images without a registry: the same files make the same layer, and nothing is made twice."""

from __future__ import annotations

import os
import re
import tarfile
from pathlib import Path

import pytest

from testbed.real_node import images, oci
from testbed.real_node.oci import Layer

NOTHING = re.compile("$^")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "inner" / "tests").mkdir(parents=True)
    (folder / "program").write_text("#!/bin/sh\n")
    (folder / "program").chmod(0o750)
    (folder / "inner" / "data").write_text("data")
    (folder / "inner" / "tests" / "big").write_text("not needed")
    (folder / "link").symlink_to("program")
    return folder


def test_a_layer_has_every_folder_mode_and_link(tree: Path, tmp_path: Path) -> None:
    layer = Layer()
    layer.folder("tmp", 0o1777)
    layer.text("etc/passwd", "root")
    layer.tree("opt/app", tree, re.compile(r"(^|/)tests$"))

    with tarfile.open(layer.write(tmp_path / "layer")) as tar:
        found = {info.name: (oct(info.mode), info.linkname) for info in tar}
    assert found == {
        "etc": ("0o755", ""),
        "etc/passwd": ("0o644", ""),
        "opt": ("0o755", ""),
        "opt/app": ("0o755", ""),
        "opt/app/inner": ("0o755", ""),
        "opt/app/inner/data": ("0o644", ""),
        "opt/app/link": ("0o777", "program"),
        "opt/app/program": ("0o755", ""),
        "tmp": ("0o1777", ""),
    }


def test_a_layer_is_the_same_at_another_time(tree: Path, tmp_path: Path) -> None:
    def written(name: str) -> bytes:
        layer = Layer()
        layer.tree("app", tree, NOTHING)
        return layer.write(tmp_path / name).read_bytes()

    first = written("first")
    os.utime(tree / "program", (1, 1))

    assert written("second") == first


def test_an_image_is_read_as_it_was_written(tree: Path, tmp_path: Path) -> None:
    layer = Layer()
    layer.tree("app", tree, NOTHING)
    file = layer.write(tmp_path / "layer")
    config = {"Cmd": ["python3"], "Env": ["A=1"]}
    oci.save(tmp_path / "image.tar", "localhost/app:1", [file, file], config)
    (tmp_path / "unpacked").mkdir()

    layers, found = oci.load(tmp_path / "image.tar", tmp_path / "unpacked")

    assert found == config
    assert [path.read_bytes() for path in layers] == [file.read_bytes()] * 2


def test_an_image_is_made_once_for_its_sources_and_replaces_older_ones(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(out: Path) -> None:
        made.append(out)
        out.touch()

    (tmp_path / "app-extra-0123456789abcdef.tar").touch()
    first = images.made(tmp_path, "app", [b"a", b"b"], make)
    assert images.made(tmp_path, "app", [b"a", b"b"], make) == first
    second = images.made(tmp_path, "app", [b"ab", b""], make)

    assert made == [first, second]
    assert not first.exists()
    assert {path.name for path in tmp_path.iterdir()} == {second.name, "app-extra-0123456789abcdef.tar"}
