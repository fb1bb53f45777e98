"""The API in memory does what a real API server does; `tests/cluster/test_conformance.py` asks that one the same."""

from __future__ import annotations

import pytest

from tests.conformance.cases import CASES
from tests.conformance.memory import MemoryServer


@pytest.mark.parametrize("name", CASES)
async def test_case(name: str) -> None:
    await CASES[name](MemoryServer())
