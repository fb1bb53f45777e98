"""The report in a real browser: under its own policy, by keyboard, on a phone, on paper, and for everybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from autotuner.html_report import page as pages
from autotuner.html_report.report_data import ReportData
from tests.unit.html_report import searched_task, test_page

Scheme = Literal["light", "dark"]


@contextmanager
def opened(
    browser: Browser, folder: Path, html: str, *, scheme: Scheme = "light", width: int = 1280, policy: bool = True
) -> Iterator[Page]:
    """A page of this content; what it complains of fails the test."""
    (folder / "report.html").write_text(html, encoding="utf-8")
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=not policy)
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda problem: complaints.append(str(problem)))
    page.on("request", lambda request: complaints.append(request.url) if request.url != page.url else None)
    page.goto((folder / "report.html").as_uri())
    yield page
    asked = [one for one in complaints if not one.endswith("/report.html")]
    assert asked == []
    context.close()


def first_column(page: Page) -> list[str]:
    return page.locator("#runs tbody tr:not([hidden]) th").all_inner_texts()


def test_sorts_and_filters_by_keyboard_and_fits_a_phone(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, test_page.finished_html(), width=360) as page:
        everything = first_column(page)
        page.get_by_role("button", name="OutputThroughputPerGPU").focus()
        page.keyboard.press("Enter")
        values = page.locator("#runs td[data-v]")
        rising = [float(one) for one in values.evaluate_all("all => all.map(one => one.dataset.v)")]
        page.keyboard.press("Enter")
        falling = [float(one) for one in values.evaluate_all("all => all.map(one => one.dataset.v)")]
        page.get_by_label("Ending").focus()
        page.keyboard.type("failed")
        page.keyboard.press("Enter")
        page.get_by_label("Words in a row").fill("outofmemory")
        failed = first_column(page)

        assert rising == sorted(rising)
        assert falling == sorted(rising, reverse=True)
        assert len(rising) > 10
        assert page.locator("#runs thead th[aria-sort=descending]").inner_text().startswith("OutputThroughputPerGPU")
        assert failed
        assert set(failed) < set(everything)
        assert page.locator("#count").inner_text() == f"{len(failed)} of {len(everything)} experiments"
        assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.full
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("data", [searched_task.finished, searched_task.under_way, test_page.failed])
def test_axe_finds_nothing(
    data: Callable[[], ReportData], width: int, scheme: Scheme, browser: Browser, tmp_path: Path
) -> None:
    with opened(browser, tmp_path, pages.html(data()), scheme=scheme, width=width, policy=False) as page:
        page.screenshot(path=tmp_path / f"{scheme}-{width}.png", full_page=True)
        found = Axe().run(page).response["violations"]

        assert [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found] == []


@pytest.mark.full
def test_what_slips_through_the_template_does_not_run(browser: Browser, tmp_path: Path) -> None:
    evil = "<script>window.evil = 1</script><img src=x onerror='window.evil = 2'><p style='color: red'>x</p></main>"
    html = test_page.finished_html().replace("</main>", evil)
    (tmp_path / "report.html").write_text(html, encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())

    assert page.evaluate("window.evil") is None
    assert page.locator("#count").inner_text() != ""
    page.close()


@pytest.mark.full
def test_nothing_of_others_runs(browser: Browser, tmp_path: Path) -> None:
    dialogs: list[str] = []
    with opened(browser, tmp_path, pages.html(test_page.hostile()), policy=False) as page:
        page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        page.wait_for_timeout(200)

        assert page.locator("script").count() == 1
        assert page.locator("img").count() == 0
    assert dialogs == []


@pytest.mark.full
def test_it_prints_all_that_is_folded(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, test_page.finished_html()) as page:
        page.emulate_media(media="print")
        page.pdf(path=tmp_path / "report.pdf", format="A4")

        assert not page.locator("#filter").is_visible()
        assert page.locator("#levels").is_visible()
        assert (tmp_path / "report.pdf").stat().st_size > 20_000
