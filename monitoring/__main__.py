"""Writes what is generated about monitoring: `python -m monitoring`."""

from __future__ import annotations

import sys

from monitoring import dashboard

dashboard.FILE.write_text(dashboard.render())
sys.stdout.write(f"wrote {dashboard.FILE.name}\n")
