"""What a node of the testbed runs in place of container images: environments of this machine."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from testbed.vllm_cpu import environment as vllm_cpu

RELEASES = "releases"  # in the testbed's folder; see `Images`
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

    def __init__(self, root: Path, cache: Path, engines: Path, releases: Path) -> None:
        """Serves the environments of this machine.

        Args:
            root: the checkout, which has most of them.
            cache: keeps what is slow to make in each new home.
            engines: the socket of the server that forks engines; the image of the real engine is there while it is.
            releases: a folder of packages of other releases, by the tag of their images; it need not be there.
        """
        self._root = root
        self._engines, self._releases = engines, releases
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
            other = self._releases / (match["tag"] or "latest")
            variables = {**found.variables, "PYTHONPATH": str(other)} if other.is_dir() else found.variables
            return replace(found, variables=variables)
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
        if path.endswith("/vllm/vllm-openai-cpu") and self._engines.exists():
            return self._real_engine()
        for name, folder in (("operator", ".venv"), ("benchmark", ".venv-benchmark")):
            if path.endswith(f"/autotuner/{name}") and (self._root / folder / "bin").is_dir():
                lock = self._root / "locks" / f"{name}.txt"
                return _virtual_environment(self._root / folder, lock, self._shared)
        return None

    def _real_engine(self) -> Environment:
        """The environment of vLLM, behind a `python3` that has the server fork engines."""
        folder = vllm_cpu.folder()
        variables = {**vllm_cpu.variables(folder), "TESTBED_VLLM_SOCKET": str(self._engines)}
        found = _virtual_environment(folder, vllm_cpu.LOCK, variables)
        return replace(found, path=f"{self._root / 'testbed' / 'vllm_cpu' / 'bin'}:{found.path}")
