"""The step runner must not count what did not run."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from tests.suite import Count, failures, main, surroundings, tally


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


def test_the_whole_suite_leaves_the_users_cluster_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "production")

    assert "KUBECONFIG" not in surroundings("realnode", chosen=False)
    assert surroundings("realnode", chosen=True)["KUBECONFIG"] == "production"
    assert surroundings("e2e", chosen=False)["KUBECONFIG"] == "production"


def test_without_a_real_node_its_stories_are_told_as_not_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.suite.obstacle", lambda _: "it needs root")

    assert main(["realnode"]) == 0
    assert "realnode not run: no real node here, it needs root\n0 passed, 0 failed" in capsys.readouterr().out


def test_failed_tests_are_named_as_pytest_takes_them() -> None:
    report = ElementTree.fromstring(
        """<testsuites><testsuite>
        <testcase classname="tests.e2e.test_a" name="test_good" file="tests/e2e/test_a.py"/>
        <testcase classname="tests.e2e.test_a" name="test_bad[x-1]" file="tests/e2e/test_a.py"><failure/></testcase>
        <testcase classname="tests.e2e.test_b.TestIt" name="test_set_up" file="tests/e2e/test_b.py"><error/></testcase>
        </testsuite></testsuites>"""
    )

    assert failures(report) == ["tests/e2e/test_a.py::test_bad[x-1]", "tests/e2e/test_b.py::TestIt::test_set_up"]
