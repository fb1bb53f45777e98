"""The sources of an engine's published release, without the hundreds of megabytes of kernels beside them."""

from __future__ import annotations

import io
import json
import os
import re
import urllib.parse
import urllib.request
import zipfile
from http.client import HTTPResponse
from pathlib import Path

JSON_INDEX = "application/vnd.pypi.simple.v1+json"
BLOCK = 1 << 20


class RemoteFile(io.RawIOBase):
    """A file behind HTTP of which only those parts are fetched that are read, a mebibyte at a time."""

    def __init__(self, url: str) -> None:
        """Ask for its size.

        Raises:
            OSError: its server does not give parts of files.
        """
        self._url = url
        self._at = 0
        self._blocks: dict[int, bytes] = {}
        with self._get(0, 0) as answer:
            told = re.fullmatch(r"bytes 0-0/(\d+)", answer.headers.get("Content-Range", ""))
        if told is None:
            raise OSError(f"{url}: the server gives no parts of files; set UV_DEFAULT_INDEX to one that does")
        self._size = int(told.group(1))

    def _get(self, first: int, last: int) -> HTTPResponse:
        request = urllib.request.Request(self._url, headers={"Range": f"bytes={first}-{last}"})  # noqa: S310
        answer: HTTPResponse = urllib.request.urlopen(request)  # noqa: S310 - of a package index
        return answer

    def seekable(self) -> bool:
        """It is."""
        return True

    def readable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go there."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """Read so many bytes; all that is left without a number."""
        wanted = self._size - self._at if size < 0 else size
        found = bytearray()
        while len(found) < wanted and (part := self._part(wanted - len(found))):
            found += part
        return bytes(found)

    def _part(self, most: int) -> bytes:
        """Read at most up to the end of a block."""
        number, offset = divmod(self._at, BLOCK)
        if self._at >= self._size:
            return b""
        if number not in self._blocks:
            with self._get(number * BLOCK, min(self._size, (number + 1) * BLOCK) - 1) as answer:
                self._blocks[number] = answer.read()
        found = self._blocks[number][offset : offset + most]
        self._at += len(found)
        return found


def unpack(package: str, version: str, folder: Path) -> str:
    """Write a release's Python sources and metadata into a folder.

    Args:
        package: name on the package index, which is that of UV_DEFAULT_INDEX, or pypi.org.
        version: of the release.
        folder: where to.

    Returns:
        The day on which the wheel was built.

    Raises:
        LookupError: there is no wheel of that version.
        OSError: the index cannot be read.
    """
    with zipfile.ZipFile(RemoteFile(_wheel(package, version))) as archive:
        metadata = next(item for item in archive.infolist() if item.filename.endswith(".dist-info/METADATA"))
        for item in archive.infolist():
            if item.filename.endswith((".py", ".dist-info/METADATA")):
                archive.extract(item, folder)
    year, month, day, *_ = metadata.date_time
    return f"{year}-{month:02}-{day:02}"


def _wheel(package: str, version: str) -> str:
    """The address of a wheel: the last by name of those for this processor's Linux, which differ in kernels only."""
    index = os.environ.get("UV_DEFAULT_INDEX") or "https://pypi.org/simple"
    page = f"{index.rstrip('/')}/{package}/"
    request = urllib.request.Request(page, headers={"Accept": JSON_INDEX})  # noqa: S310 - of a package index
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        files: list[dict[str, str]] = json.load(answer)["files"]
    names = {file["filename"]: file["url"] for file in files if file["filename"].endswith(".whl")}
    known = [name for name in names if name.startswith(f"{package}-{version}-") and "aarch64" not in name]
    if not known:
        raise LookupError(f"{page} has no wheel of {package} {version}")
    return urllib.parse.urljoin(page, names[max(known)])
