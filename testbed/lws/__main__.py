"""Runs the stand-in for LWS; see the package."""

from __future__ import annotations

import sys

from testbed.lws.install import install
from testbed.lws.sets import Sets
from testbed.stand_in import main

if __name__ == "__main__":
    sys.exit(main("lws", "LWS", install, Sets))
