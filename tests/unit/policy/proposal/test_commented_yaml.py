"""YAML with a comment on each choice."""

from __future__ import annotations

from autotuner import yaml_text
from autotuner.policy.proposal.commented_yaml import Entry, written


def test_comments_stand_above_what_they_are_about_and_break_no_name() -> None:
    name = f"{'a-' * 60}b"
    text = written(
        [
            Entry("a", [1, 2], ("first", "second")),
            Entry("b", (Entry("c", {"d": "yes"}), Entry("e", (Entry("", {"f": 1}, ("why\n  at all",)),)))),
            Entry("g", 0.5, (f"see {name}",)),
        ]
    )
    assert text.splitlines() == [
        "# first",
        "# second",
        "a: [1, 2]",
        "b:",
        "  c: {d: 'yes'}",
        "  e:",
        "    # why at all",
        "    - {f: 1}",
        "# see",
        f"# {name}",
        "g: 0.5",
    ]
    assert yaml_text.read(text) == {"a": [1, 2], "b": {"c": {"d": "yes"}, "e": [{"f": 1}]}, "g": 0.5}
