"""Writes what is generated about monitoring: `python -m monitoring`."""

from __future__ import annotations

import sys

from monitoring import dashboard, metrics_page

for page in (dashboard, metrics_page):
    page.FILE.write_text(page.render())
    sys.stdout.write(f"wrote {page.FILE.name}\n")
