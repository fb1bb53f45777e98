"""What the report of a thousand experiments costs: `python -m tests.benchmarks.report_page`.

Prints the milliseconds that the operator takes to make it, its size plain and as it is kept, and in Debian's Chromium
the milliseconds to the first paint and of a change of the filter, and the memory of the page's script.
"""

from __future__ import annotations

import gzip
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from autotuner.html_report import page
from testbed.system import BROWSER
from tests.unit.html_report import searched_task

EXPERIMENTS = 1000
REPEATS = 5
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
_FILTER = """() => {
    const words = document.getElementById("words");
    const begun = performance.now();
    words.value = "outofmemory";
    words.dispatchEvent(new Event("input", {bubbles: true}));
    document.body.getBoundingClientRect();
    return performance.now() - begun;
}"""


def main() -> None:
    """Measure and print."""
    data = searched_task.large(EXPERIMENTS)
    made = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        html = page.html(data)
        made.append(1000 * (time.perf_counter() - begun))
    packed = len(gzip.compress(html.encode(), 9))
    print(f"{EXPERIMENTS} experiments: {statistics.median(made):.0f} ms, {len(html.encode())} bytes, {packed} kept")
    paints, filters, heaps = [], [], []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "report.html"
        file.write_text(html, encoding="utf-8")
        for _ in range(REPEATS):
            sandbox = [] if os.geteuid() else ["--no-sandbox"]
            browser = playwright.chromium.launch(executable_path=shutil.which(BROWSER), args=sandbox)
            shown = browser.new_page()
            shown.goto(file.as_uri())
            shown.wait_for_function(_PAINT)
            paints.append(shown.evaluate(_PAINT))
            filters.append(shown.evaluate(_FILTER))
            heaps.append(shown.evaluate("performance.memory.usedJSHeapSize") / 2**20)
            browser.close()
    print(
        f"first paint {statistics.median(paints):.0f} ms, filter {statistics.median(filters):.0f} ms,"
        f" script's memory {statistics.median(heaps):.1f} MiB"
    )


if __name__ == "__main__":
    main()
