"""What OME's models say about themselves."""

from __future__ import annotations

import pytest

from autotuner.api.experiment import ModelRef
from autotuner.serving.backend import ModelState, Weights
from autotuner.serving.ome import models
from tests.unit.builders import make_model, merged


def test_reading() -> None:
    assert models.model_state(make_model(nodesReady=["a"])) == ModelState("Ready", "Ready", nodes=("a",))
    assert (models.model_state(make_model("In_Transit")).phase, str(models.model_state(make_model("In_Transit")))) == (
        "Waiting",
        "In_Transit",
    )
    assert str(models.model_state(make_model(""))) == "without a state"


def test_a_model_that_is_missing_or_going_is_not_ready_whatever_it_says() -> None:
    going = merged(make_model("Ready"), {"metadata": {"deletionTimestamp": "then"}})

    found = [models.model_state(model) for model in (None, going)]

    assert [(state.phase, str(state)) for state in found] == [("Waiting", "missing"), ("Waiting", "being deleted")]
    assert models.weights(make_model(path="/m")["spec"]).path == "/m"
    assert models.weights({"storage": {}}) == models.weights({}) == Weights()


@pytest.mark.parametrize(
    ("nodes", "where"),
    [([], "on any node"), (["a"], "on a"), (list("abcdefg"), "on a, b, c, d, e and 2 more")],
)
def test_where_it_failed(nodes: list[str], where: str) -> None:
    assert where + ";" in models.model_state(make_model("Failed", nodesFailed=nodes)).why


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (
            "hf://a/b",
            "check free space and rights at /models/llama on the node, access to hf://a/b and the token in",
        ),
        ("local:///data/x", "check that the files are at /data/x on the node; the log of OME's model agent"),
        ("vendor://a/b/c", "nothing is downloaded for it; the log of OME's model agent says how far it is"),
        ("pvc://team:weights/x", "OME before 1.2.2 never makes a pvc:// model Ready; with an older one, name the"),
        ("s3://bucket/x", "OME's model agent has no downloader for s3://, so it stays like this; use hf:// or"),
    ],
)
def test_what_to_do_about_one_that_is_not_ready(address: str, words: str) -> None:
    model = merged(make_model("In_Transit"), {"spec": {"storage": {"storageUri": address, "key": "token"}}})

    assert models.model_state(model).why.startswith(words)


def test_one_that_nobody_looked_at() -> None:
    assert models.model_state(make_model("")).why.startswith(
        "OME has not looked at it; check that ome-controller-manager"
    )


@pytest.mark.parametrize("state", ["In_Transit", "Failed"])
def test_what_newer_versions_say_themselves(state: str) -> None:
    said = [
        {"type": "Ready", "status": "False", "reason": "PVCNotBound", "message": "claim is Pending"},
        {"type": "Other", "status": "True", "reason": "Fine"},
    ]
    model = merged(make_model(state, conditions=said), {"spec": {"storage": {"storageUri": "pvc://weights/x"}}})

    assert models.model_state(model).why == "OME says PVCNotBound: claim is Pending"


@pytest.mark.parametrize(
    ("address", "want"),
    [
        ("pvc://weights/meta/llama", ("", "weights", "meta/llama")),
        ("pvc://team:weights/meta/llama/", ("team", "weights", "meta/llama")),
        ("pvc://weights", ("", "weights", "")),
        ("hf://meta/llama", None),
    ],
)
def test_the_claim_of_its_own(address: str, want: tuple[str, str, str] | None) -> None:
    spec = {"storage": {"storageUri": address, "path": "/ignored"}}
    found = models.weights(spec).claim

    assert (found and (found.namespace, found.volume.claim_name, found.volume.sub_path)) == want
    assert models.weights(spec).path == ("" if want else "/ignored")


@pytest.mark.parametrize(
    ("model", "want"),
    [
        (ModelRef(name="llama"), "models.ome.io/clusterbasemodel.llama"),
        (ModelRef(kind="BaseModel", name="llama"), "models.ome.io/team.basemodel.llama"),
        (ModelRef(name="a" * 32), f"models.ome.io/clusterbasemodel.{'a' * 32}"),
        # sha256("aaa...a", 33 times), first eight digits, and the last 23 characters
        (ModelRef(name="a" * 33), f"models.ome.io/clusterbasemodel.852785c8-{'a' * 23}"),
    ],
    ids=["cluster-wide", "of the namespace", "just short enough", "too long"],
)
def test_the_label_of_the_nodes_that_have_it(model: ModelRef, want: str) -> None:
    assert models.node_label(model, "team") == want
