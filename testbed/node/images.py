"""What a node of the testbed runs in place of container images: environments of this machine."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

_DOMAIN = r"[a-zA-Z0-9][a-zA-Z0-9.-]*(?::[0-9]+)?"
_PATH = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<repository>(?:{_DOMAIN}/)?{_PATH}(?:/{_PATH})*)(?::(?P<tag>\w[\w.-]{{0,127}}))?(?:@(?P<digest>\w+:[0-9a-f]{{32,}}))?"
)
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


class ImageError(Exception):
    """An image that cannot be used; `reason` is the container's waiting reason."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True)
class Environment:
    """What stands for an image: a search path for programs, further variables, an identity."""

    path: str
    image_id: str
    variables: dict[str, str] = field(default_factory=dict)


def _virtual_environment(folder: Path, lock: Path, variables: dict[str, str]) -> Environment:
    identity = hashlib.sha256(lock.read_bytes()).hexdigest()
    return Environment(
        f"{folder / 'bin'}:{_SYSTEM_PATH}", f"sha256:{identity}", {"VIRTUAL_ENV": str(folder), **variables}
    )


class Images:
    """The images that the nodes know, by the end of their repository's name."""

    def __init__(self, root: Path, cache: Path) -> None:
        """Serves the environments of the checkout `root`; `cache` keeps what is slow to make in each new home."""
        self._root = root
        self._shared = {"MPLCONFIGDIR": str(cache / "matplotlib")}

    def find(self, image: str, pull_policy: str | None = None) -> Environment:
        """Returns the environment of an image.

        Raises:
            ImageError: InvalidImageName, ErrImagePull or ErrImageNeverPull, with a kubelet's and containerd's words.
        """
        match = _REFERENCE.fullmatch(image)
        if match is None:
            why = f'couldn\'t parse image name "{image}": invalid reference format'
            raise ImageError("InvalidImageName", f'Failed to apply default image tag "{image}": {why}')
        found = self._environment(match["repository"])
        if found is not None:
            return found
        if pull_policy == "Never":
            raise ImageError("ErrImageNeverPull", f'Container image "{image}" is not present with pull policy of Never')
        name = image if match["tag"] or match["digest"] else f"{image}:latest"
        raise ImageError(
            "ErrImagePull",
            f'failed to pull and unpack image "{name}": failed to resolve reference "{name}": {name}: not found',
        )

    def _environment(self, repository: str) -> Environment | None:
        path = f"/{repository}"
        if path.endswith("/testbed/shell"):
            identity = hashlib.sha256(b"testbed/shell").hexdigest()
            return Environment(os.environ.get("PATH", _SYSTEM_PATH), f"sha256:{identity}")
        for name, folder in (("operator", ".venv"), ("benchmark", ".venv-benchmark")):
            if path.endswith(f"/autotuner/{name}") and (self._root / folder / "bin").is_dir():
                lock = self._root / "locks" / f"{name}.txt"
                return _virtual_environment(self._root / folder, lock, self._shared)
        return None
