"""OCI images written by hand: layers of files, and the tar that containerd imports.

A layer is byte for byte the same whenever it is made of the same files, so that images with one base share it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from autotuner.kubernetes_object import Object

_LAYER = "application/vnd.oci.image.layer.v1.tar"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Layer:
    """Paths that become one tar; a path's folders come by themselves."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[tarfile.TarInfo, bytes | Path | None]] = {}

    def _add(self, name: str, content: bytes | Path | None, **attributes: object) -> None:
        for parent in reversed(PurePosixPath(name).parents):
            if str(parent) != "." and str(parent) not in self._entries:
                self.folder(str(parent))
        info = tarfile.TarInfo(name)
        for key, value in attributes.items():
            setattr(info, key, value)
        self._entries[name] = (info, content)

    def folder(self, name: str, mode: int = 0o755) -> None:
        self._add(name, None, type=tarfile.DIRTYPE, mode=mode)

    def text(self, name: str, text: str, mode: int = 0o644) -> None:
        content = text.encode()
        self._add(name, content, size=len(content), mode=mode)

    def link(self, name: str, target: str) -> None:
        self._add(name, None, type=tarfile.SYMTYPE, linkname=target, mode=0o777)

    def file(self, name: str, source: Path, mode: int = 0, *, keep_time: bool = False) -> None:
        """Add a file of this machine; compiled Python files name their source's time, so those keep it."""
        found = source.stat()
        mode = mode or (0o755 if found.st_mode & 0o111 else 0o644)
        self._add(name, source, size=found.st_size, mode=mode, mtime=int(found.st_mtime) if keep_time else 0)

    def tree(self, name: str, source: Path, left_out: re.Pattern[str], *, keep_time: bool = False) -> None:
        """Add what is below a folder, but for paths in it that the pattern finds."""
        for place, folders, files in os.walk(source):
            inside = Path(place).relative_to(source)
            folders[:] = sorted(one for one in folders if not left_out.search(str(inside / one)))
            for file in [*files, *(one for one in folders if Path(place, one).is_symlink())]:
                path, target = Path(place, file), str(PurePosixPath(name) / inside / file)
                if path.is_symlink():
                    self.link(target, str(path.readlink()))
                else:
                    self.file(target, path, keep_time=keep_time)

    def write(self, out: Path) -> Path:
        with tarfile.open(out, "w", format=tarfile.PAX_FORMAT) as tar:
            for _, (info, content) in sorted(self._entries.items()):
                if isinstance(content, Path):
                    with content.open("rb") as file:
                        tar.addfile(info, file)
                else:
                    tar.addfile(info, None if content is None else io.BytesIO(content))
        return out


def save(out: Path, name: str, layers: Sequence[Path], config: Object) -> None:
    """Write an image whose layers are tar files; it is there whole or not at all.

    Args:
        out: the tar for ``ctr images import``.
        name: ``HOST/REPOSITORY:TAG``.
        layers: lowest first.
        config: ``Env``, ``Cmd``, ``Entrypoint``, ``User``.
    """
    unfinished = out.with_suffix(f".{os.getpid()}")
    with tarfile.open(unfinished, "w") as tar:
        parts = [_layer(tar, layer) for layer in layers]
        machine = os.uname().machine
        whole = {
            "architecture": _ARCHITECTURES.get(machine, machine),
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [part["digest"] for part in parts]},
            "history": [],
        }
        described = _blob(tar, whole, _CONFIG)
        manifest = _blob(
            tar, {"schemaVersion": 2, "mediaType": _MANIFEST, "config": described, "layers": parts}, _MANIFEST
        )
        tag = name.rpartition(":")[2]
        manifest["annotations"] = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag}
        _put(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode())
        _put(tar, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
    unfinished.rename(out)


def load(image: Path, folder: Path) -> tuple[list[Path], Object]:
    """Unpack the layers of an image that `save` wrote into a folder; returns them, lowest first, and its config."""
    with tarfile.open(image) as tar:
        (entry,) = json.loads(_read(tar, "index.json"))["manifests"]
        manifest = json.loads(_read(tar, _path(entry["digest"])))
        layers = [folder / f"base-{number}" for number, _ in enumerate(manifest["layers"])]
        for layer, part in zip(layers, manifest["layers"], strict=True):
            content = tar.extractfile(_path(part["digest"]))
            assert content is not None
            with layer.open("wb") as file:
                shutil.copyfileobj(content, file)
        return layers, json.loads(_read(tar, _path(manifest["config"]["digest"])))["config"]


def save_files(out: Path, name: str, files: Mapping[str, Path]) -> None:
    """Write an image of static programs on nothing; the first one is its entrypoint.

    Args:
        out: the tar.
        name: ``HOST/REPOSITORY:TAG``.
        files: absolute path in the image -> file of this machine.
    """
    layer = Layer()
    layer.folder("tmp", 0o1777)
    for target, source in files.items():
        layer.file(target.lstrip("/"), source, 0o755)
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        config = {"Entrypoint": [next(iter(files))], "User": "65534"}
        save(out, name, [layer.write(Path(folder) / "layer")], config)


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    content = tar.extractfile(name)
    assert content is not None
    return content.read()


def _put(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))


def _blob(tar: tarfile.TarFile, body: Object, media: str) -> Object:
    content = json.dumps(body, sort_keys=True).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    _put(tar, _path(digest), content)
    return {"mediaType": media, "digest": digest, "size": len(content)}


def _layer(tar: tarfile.TarFile, layer: Path) -> Object:
    with layer.open("rb") as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        file.seek(0)
        info = tarfile.TarInfo(_path(digest))
        info.size = layer.stat().st_size
        tar.addfile(info, file)
    return {"mediaType": _LAYER, "digest": digest, "size": info.size}
