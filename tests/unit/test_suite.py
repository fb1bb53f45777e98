"""The step runner must not count what did not run."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter

import pytest

from tests import build
from tests.suite import (
    BUILD_MINUTES,
    COMMANDS,
    STEPS,
    TESTS,
    Count,
    Outcome,
    failures,
    main,
    planned,
    run_build,
    selection,
    summary,
    surroundings,
    tally,
)


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
    assert "there are build, lint, types, unit, simulation, cluster, e2e, kueue, alone" in capsys.readouterr().err


def test_the_whole_suite_leaves_the_users_cluster_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "production")

    assert "KUBECONFIG" not in surroundings("realnode", chosen=False)
    assert surroundings("realnode", chosen=True)["KUBECONFIG"] == "production"
    assert surroundings("e2e", chosen=False)["KUBECONFIG"] == "production"


def test_what_is_not_run_is_counted_apart_by_its_reason() -> None:
    report = ElementTree.fromstring(
        """<testsuites><testsuite tests="4" failures="0" errors="0" skipped="3">
        <testcase name="good"/>
        <testcase name="a"><skipped type="pytest.skip" message="not run: no real node here, it needs root"/></testcase>
        <testcase name="b"><skipped type="pytest.skip" message="not run: no real node here, it needs root"/></testcase>
        <testcase name="c"><skipped type="pytest.skip" message="too slow"/></testcase>
        </testsuite></testsuites>"""
    )

    assert tally(report) == Count(1, 1, Counter({"no real node here, it needs root": 2}))


def test_the_sum_tells_budgets_and_what_was_not_run() -> None:
    outcomes = [
        Outcome("unit", Count(9, 0), 6.0, 5.0),
        Outcome("realnode", Count(0, 1, Counter({"no real node here, it needs root": 8})), 0.1, 14.0),
    ]

    assert summary(outcomes).splitlines() == [
        "",
        "unit         9 passed   0 failed   6.0 of  5.0 minutes, over its budget",
        "realnode     0 passed   1 failed   0.1 of 14.0 minutes",
        "all                               6.1 of 19.0 minutes",
        "realnode     8 not run: no real node here, it needs root",
        "9 passed, 1 failed",
    ]


def test_the_budgets_add_up_to_what_was_promised() -> None:
    warm = sum(step.minutes for step in (*COMMANDS.values(), *TESTS.values()))

    assert warm <= 40
    assert warm + BUILD_MINUTES <= 80


@pytest.mark.parametrize(
    ("marks", "full", "want"),
    [
        ("", False, "not full"),
        ("not alone", False, "not alone and not full"),
        ("alone", True, "alone"),
        ("", True, ""),
    ],
)
def test_what_is_marked_full_runs_only_when_all_is_asked_for(marks: str, full: bool, want: str) -> None:
    assert selection(marks, full=full) == want


def test_what_a_step_needs_is_built_before_it() -> None:
    assert planned([]) == list(STEPS)
    assert planned(["lint", "unit"]) == ["lint", "unit"]
    assert planned(["cluster"]) == ["build", "cluster"]
    assert planned(["build", "e2e"]) == ["build", "e2e"]
    assert {group for step in TESTS.values() for group in step.needs} == set(build.parts())


def test_a_build_that_takes_too_long_has_failed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_build(["tools"], minutes=0) == Count(0, 1)
    assert "not built within 0 minutes" in capsys.readouterr().err


def test_an_unknown_group_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert build.main(["everything"]) == 2
    assert "there are tools, cluster, kueue, node, vllm-cpu" in capsys.readouterr().err


def test_failed_tests_are_named_as_pytest_takes_them() -> None:
    report = ElementTree.fromstring(
        """<testsuites><testsuite>
        <testcase classname="tests.e2e.test_a" name="test_good" file="tests/e2e/test_a.py"/>
        <testcase classname="tests.e2e.test_a" name="test_bad[x-1]" file="tests/e2e/test_a.py"><failure/></testcase>
        <testcase classname="tests.e2e.test_b.TestIt" name="test_set_up" file="tests/e2e/test_b.py"><error/></testcase>
        </testsuite></testsuites>"""
    )

    assert failures(report) == ["tests/e2e/test_a.py::test_bad[x-1]", "tests/e2e/test_b.py::TestIt::test_set_up"]
