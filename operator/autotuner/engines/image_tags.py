"""Which version of an engine an image holds, as far as its name tells."""

from __future__ import annotations

import re

_NUMBER = r"[0-9]+(?:\.[0-9]+)+(?:\.?post[0-9]+)?(?:(?:\.?dev|a|b|rc)[0-9]+)?"
_FIRST = re.compile(rf"v?({_NUMBER})(?![0-9.])")
_LATER = re.compile(rf"(?:^|[-_.])v({_NUMBER})(?![0-9.])")
# The makers of accelerators number their own builds by year and month, as in nvidia/vllm:26.10-py3.
_YEAR = 20


def number(told: str) -> str:
    """The number in what an engine says of itself, 0.33.1 in 0.33.1+cpu; empty where it was built without one."""
    found = re.match(_NUMBER, told)
    return found.group() if found and not found.group().startswith("0.0.") else ""


def version(image: str, package: str) -> str:
    """The version of a package in an image; empty where the tag does not tell it.

    A tag may carry several versions: rocm6.4.1_vllm_0.10.1 is vLLM 0.10.1. In the tags of other repositories than the
    package's only what follows its name is a version of it.

    Args:
        image: with its tag, and perhaps a digest.
        package: of the engine, in lower case.
    """
    repository, colon, tag = image.partition("@")[0].rpartition(":")
    if not colon or not package or "/" in tag:
        return ""
    named = re.search(rf"{re.escape(package)}[-_]?v?({_NUMBER})(?![0-9.])", tag.lower())
    own = package in repository.lower()
    found = named or (own and (_FIRST.match(tag) or _LATER.search(tag))) or None
    if found is None or int(found.group(1).partition(".")[0]) >= _YEAR:
        return ""
    return found.group(1)


def names(image: str, package: str) -> bool:
    """Whether an image is named after a package, in its repository or its tag.

    Args:
        image: with or without tag and digest.
        package: of the engine, in lower case; empty for none.
    """
    name = image.partition("@")[0].lower()
    return bool(package) and package in name
