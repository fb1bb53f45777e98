"""YAML documents: where each field was written."""

from __future__ import annotations

from autotuner.cli import documents


def test_a_field_is_found_by_number_and_by_name() -> None:
    (document,) = documents.read("spec:\n  parameters:\n    - name: a\n    - {name: b, values: [1]}\n")

    assert document.path("spec.parameters[b].values") == ("spec", "parameters", 1, "values")
    assert document.position(document.path("spec.parameters[1]")) == documents.Position(4, 7)
    assert document.path("spec.absent.more") == ("spec",)
