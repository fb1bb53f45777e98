"""A real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from testbed.system import BROWSER
from tests.suite import NOT_RUN


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = shutil.which(BROWSER)
    if program is None:
        pytest.skip(f"{NOT_RUN}no {BROWSER} here; make setup-system installs it")
    # Its sandbox refuses to run for root.
    sandbox = [] if os.geteuid() else ["--no-sandbox"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=sandbox)
        yield started
        started.close()
