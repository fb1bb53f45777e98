"""The step runner must not count what did not run."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from tests.suite import Count, main, tally


@pytest.mark.parametrize(
    ("attributes", "want"),
    [
        ('tests="5" failures="0" errors="0" skipped="0"', Count(5, 0)),
        ('tests="5" failures="1" errors="1" skipped="0"', Count(3, 2)),
        ('tests="5" failures="0" errors="0" skipped="2"', Count(3, 2)),
        ('tests="0" failures="0" errors="0" skipped="0"', Count(0, 0)),
    ],
    ids=["all passed", "failures and errors", "a skipped test is not a passed one", "nothing ran"],
)
def test_a_report_is_added_up(attributes: str, want: Count) -> None:
    report = ElementTree.fromstring(f"<testsuites><testsuite {attributes}/></testsuites>")

    assert tally(report) == want


def test_an_unknown_step_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lunit"]) == 2
    assert "there are lint, types, unit, cluster, e2e, alone" in capsys.readouterr().err
