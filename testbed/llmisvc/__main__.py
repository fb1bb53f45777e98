"""Runs the stand-in for KServe's LLMInferenceServices; see the package."""

from __future__ import annotations

import sys

from testbed.llmisvc.install import install
from testbed.llmisvc.services import Services
from testbed.stand_in import main

if __name__ == "__main__":
    sys.exit(main("llmisvc", "KServe's controller of LLMInferenceServices", install, Services))
