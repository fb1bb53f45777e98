"""Runs the stand-in for KServe; see the package."""

from __future__ import annotations

import sys

from testbed.kserve.install import install
from testbed.kserve.services import Services
from testbed.stand_in import main

if __name__ == "__main__":
    sys.exit(main("kserve", "KServe", install, Services))
