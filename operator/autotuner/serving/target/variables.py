"""References to variables in a container's command and arguments, as a kubelet expands them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# pkg/util/expansion of Kubernetes: $$ is a dollar sign, $(NAME) a reference.
_REFERENCE = re.compile(r"\$\$|\$\(([^()]*)\)")


# Characters for private use, which no command line has.
_OPEN, _CLOSE = "\ue000", "\ue001"
_HIDDEN = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")


def hidden(text: str, names: Sequence[str]) -> str:
    """A script with references to these variables, a kubelet's or a shell's, as plain words."""
    for name in names:
        reference = rf"\$\({name}\)|\$\{{{name}\}}|\${name}(?![A-Za-z0-9_])"
        text = re.sub(reference, f"{_OPEN}{name}{_CLOSE}", text)
    return text


def shown(text: str) -> str:
    """The script with these references as those of a kubelet, which puts values in before any shell sees it."""
    return _HIDDEN.sub(r"$(\1)", text)


def written_out(env: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The variables whose values stand in the container, each with references to those before it expanded.

    A variable that comes from a Secret, a ConfigMap or a field is not among them.
    """
    known: dict[str, str] = {}
    for variable in env:
        known.pop(variable["name"], None)
        if "valueFrom" not in variable:
            known[variable["name"]] = read(str(variable.get("value") or ""), known)
    return known


def read(text: str, known: Mapping[str, str]) -> str:
    """What the program is given; a reference to a variable that is not known stays."""
    return _REFERENCE.sub(lambda found: "$" if found[0] == "$$" else known.get(found[1], found[0]), text)


def expanded(text: str, known: Mapping[str, str]) -> str:
    """The text as a container holds it, with the known variables put in; what is unknown is left to the kubelet."""
    return _REFERENCE.sub(lambda found: literal(known[found[1]]) if found[1] in known else found[0], text)


def literal(text: str) -> str:
    """A text as a container has to hold it, so that a kubelet gives exactly this to the program."""
    return re.sub(r"\$(?=[$(])", "$$", text)
