"""Prints where a tool is: `python -m tests.tools helm`."""

from __future__ import annotations

import sys

from tests.tools import tool

print(tool(sys.argv[1]))
