"""Files with objects, which commands read instead of a cluster."""

from __future__ import annotations

from pathlib import Path

from autotuner.cli import documents
from autotuner.cli.kubectl_yaml import NotYamlError
from autotuner.kubernetes_object import Object


class UnreadableError(Exception):
    """What a command needs cannot be read; the message says why and what to do."""


def read(path: Path) -> list[Object]:
    """The objects of a file that have a name, those of a List one by one.

    Raises:
        UnreadableError: there is no such file, or it is not YAML.
    """
    try:
        found = [document.body for document in documents.read(path.read_text())]
    except (OSError, UnicodeDecodeError) as problem:
        raise UnreadableError(f"{path}: {getattr(problem, 'strerror', None) or problem}") from problem
    except NotYamlError as problem:
        raise UnreadableError(f"{path}: {problem}") from problem
    return [body for body in found if isinstance(body.get("metadata"), dict) and body["metadata"].get("name")]
