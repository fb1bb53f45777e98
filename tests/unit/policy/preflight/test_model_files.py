"""Where weights lie: what a claim, a namespace and a model's address allow, and what is said when they do not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from autotuner.api.common import Volume
from autotuner.backend_choice import DEFAULT as OME
from autotuner.kubernetes_object import Object
from autotuner.policy.experiment.endings import find
from autotuner.policy.experiment.reasons import Ending
from autotuner.policy.preflight import Surroundings, check, warnings
from autotuner.policy.preflight.checked_task import Case
from autotuner.policy.preflight.model_files import problems as storage_problems
from autotuner.policy.task.decide import decide
from autotuner.policy.volume_claims import Storage, wanted_claim
from autotuner.validation_messages import Finding, Kind
from tests.unit.builders import (
    after,
    at,
    condition,
    make_experiment,
    make_isvc,
    make_model,
    make_pod,
    make_runtime,
    merged,
    seen,
    terminated,
)
from tests.unit.task_builders import MODEL, NAMESPACE, live_model, make_spec, observed, shipped, started

VOLUME: Object = {"claimName": "weights", "subPath": "meta/llama"}
NAMED_RUNTIME: Object = {"preset": None, "name": "engine-runtime", "engine": "SGLang"}
HUB: Object = {"source": "Hub", "id": "meta-llama/Llama-3.2-1B-Instruct"}
FROM_MODEL: Object = {"source": "ModelVolume"}


def make_claim(phase: str = "Bound", *modes: str, meta: Object | None = None, **spec: Any) -> Object:
    accessible = list(modes or ("ReadOnlyMany",))
    return {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "weights", "namespace": NAMESPACE, **(meta or {})},
        "spec": {"accessModes": accessible, "volumeName": "pv-1" if phase != "Pending" else "", **spec},
        "status": {"phase": phase, **({"accessModes": accessible} if phase == "Bound" else {})},
    }


def make_class(mode: str = "WaitForFirstConsumer", provisioner: str = "kubernetes.io/no-provisioner") -> Object:
    return {"metadata": {"name": "local"}, "provisioner": provisioner, "volumeBindingMode": mode}


def storage(claim: Object | None = None, **more: Any) -> Storage:
    """The namespace and, if one is given, the claim that is wanted."""
    return Storage(NAMESPACE, claim_name="weights" if claim else "", claim=claim, **more)


GONE = Storage(NAMESPACE, claim_name="weights")
BOUND = storage(make_claim())


class TestClaims:
    @pytest.mark.parametrize(
        ("found", "kind", "details"),
        [
            (GONE, Kind.CLAIM_MISSING, {"namespace": "team"}),
            (storage(make_claim(meta={"deletionTimestamp": at(0)})), Kind.CLAIM_TERMINATING, {}),
            (storage(make_claim("Lost")), Kind.CLAIM_LOST, {"volume": "pv-1"}),
            (storage(make_claim(volumeMode="Block")), Kind.CLAIM_IS_DEVICE, {}),
        ],
        ids=["missing", "being deleted", "lost", "a raw device"],
    )
    def test_that_can_never_be_mounted(self, found: Storage, kind: Kind, details: Object) -> None:
        want = Finding("model.volume", kind, {"claim": "PersistentVolumeClaim weights", **details})

        assert found.fault("model.volume") == want

    @pytest.mark.parametrize(
        "found",
        [BOUND, storage(make_claim("Pending"), storage_class=make_class()), storage(), storage(make_claim("Pending"))],
        ids=["bound", "bound on first use", "none wanted", "not bound yet"],
    )
    def test_that_may_be_mounted_some_day(self, found: Storage) -> None:
        assert found.fault("f") is None

    @pytest.mark.parametrize(
        ("found", "words"),
        [
            (
                storage(
                    make_claim("Pending", storageClassName="fast"), storage_class=make_class("Immediate", "ebs.csi")
                ),
                "StorageClass fast binds at once, and there is no volume for it yet",
            ),
            (storage(make_claim("Pending", storageClassName="gone")), "StorageClass gone binds at once"),
            (storage(make_claim("Pending", storageClassName="")), "it names no StorageClass, and no PersistentVolume"),
        ],
        ids=["of a class that binds at once", "of a class that is not there", "without a class"],
    )
    def test_that_is_not_bound_is_awaited(self, found: Storage, words: str) -> None:
        assert words in found.waiting
        assert found.waiting.startswith("PersistentVolumeClaim weights is not bound: ")
        assert "kubectl -n team describe pvc weights" in found.waiting

    @pytest.mark.parametrize(
        "found",
        [BOUND, storage(), GONE, storage(make_claim("Pending", storageClassName="local"), storage_class=make_class())],
        ids=["bound", "none wanted", "missing", "bound on first use"],
    )
    def test_others_are_not_awaited(self, found: Storage) -> None:
        assert found.waiting == ""

    @pytest.mark.parametrize(
        ("claim", "storage_class", "want"),
        [
            (make_claim("Pending"), make_class(provisioner="ebs.csi"), True),
            (make_claim("Pending"), make_class(), False),
            (make_claim("Pending", dataSource={"kind": "VolumeSnapshot"}), make_class(provisioner="ebs.csi"), False),
            (make_claim("Pending"), make_class("Immediate", "ebs.csi"), False),
            (make_claim(), None, False),
        ],
        ids=["made on first use", "a volume that is there", "a copy", "made at once", "bound"],
    )
    def test_a_volume_yet_to_be_made_is_empty(self, claim: Object, storage_class: Object | None, want: bool) -> None:
        assert storage(claim, storage_class=storage_class).may_be_empty is want

    @pytest.mark.parametrize(
        ("modes", "one_pod", "one_node"),
        [
            (("ReadWriteOncePod",), True, True),
            (("ReadWriteOnce",), False, True),
            (("ReadWriteOnce", "ReadOnlyMany"), False, False),
            (("ReadWriteMany",), False, False),
        ],
    )
    def test_who_may_use_it(self, modes: tuple[str, ...], one_pod: bool, one_node: bool) -> None:
        found = storage(make_claim("Bound", *modes))

        assert (found.one_pod, found.one_node) == (one_pod, one_node)

    def test_a_volume_that_can_do_more_than_was_asked_for_counts(self) -> None:
        claim = make_claim("Bound", "ReadWriteOnce")
        claim["status"]["accessModes"] = ["ReadWriteOnce", "ReadOnlyMany"]

        assert not storage(claim).one_node


@pytest.mark.parametrize(
    ("volume", "address", "want"),
    [
        (VOLUME, "hf://a/b", "weights"),
        (None, "hf://a/b", ""),
        (None, "pvc://theirs/llama", "theirs"),
        (None, "pvc://team:theirs/llama", "theirs"),
        (None, "pvc://other:theirs/llama", ""),
    ],
)
def test_which_claim_holds_the_weights(volume: Object | None, address: str, want: str) -> None:
    given = Volume.model_validate(volume) if volume else None

    assert wanted_claim(given, OME.weights({"storage": {"storageUri": address}}).claim, NAMESPACE) == want


Found = list[tuple[str, Kind]]


def said(found: Iterable[Finding]) -> Found:
    return [(one.field, one.kind) for one in found]


def findings(
    model: Object | None = None, around: Storage | None = BOUND, live: Object | None = None, **spec: Any
) -> list[Finding]:
    """Everything that is wrong with a task with this model."""
    task = make_spec(**({"model": model} if model else {}), **spec)
    surroundings = Surroundings(OME, model=live, runtime=None, storage=around)
    return check(task, shipped(), surroundings)


def live(address: str, path: str = "", kind: str = "ClusterBaseModel") -> Object:
    body = live_model()
    spec = {**body["spec"], "storage": {"storageUri": address, **({"path": path} if path else {})}}
    return {**body, "kind": kind, "metadata": {**body["metadata"], "name": "mine"}, "spec": spec}


MINE: Object = {"preset": None, "name": "mine"}


class TestTask:
    def test_a_preset_on_a_claim_is_a_model_of_its_own_that_is_not_downloaded(self) -> None:
        model = make_spec(model={"volume": VOLUME}).model
        wanted = OME.wanted_model(model, shipped(), NAMESPACE)

        assert wanted is not None
        assert wanted["spec"]["storage"] == {"storageUri": f"vendor://autotuner/volume/{MODEL}"}
        assert wanted["spec"]["modelArchitecture"] == "LlamaForCausalLM"
        assert wanted["metadata"]["name"].startswith(f"{MODEL}-")
        assert wanted["kind"] == "ClusterBaseModel"
        assert findings({"volume": VOLUME}) == []

    def test_the_claims_content_does_not_enter_the_models_name(self) -> None:
        names = set()
        for name in ("weights", "others"):
            wanted = OME.wanted_model(make_spec(model={"volume": {"claimName": name}}).model, shipped(), NAMESPACE)
            assert wanted is not None
            names.add(wanted["metadata"]["name"])

        assert len(names) == 1

    def test_a_missing_claim_is_not_found(self) -> None:
        assert said(findings({"volume": VOLUME}, GONE)) == [("model.volume.claimName", Kind.CLAIM_MISSING)]

    def test_nothing_is_said_of_a_cluster_that_nobody_looked_at(self) -> None:
        assert findings({"volume": VOLUME}, around=None) == []

    @pytest.mark.parametrize(
        "found",
        [
            storage(make_claim("Pending", storageClassName="local"), storage_class=make_class()),
            storage(make_claim("Pending", storageClassName="fast"), storage_class=make_class("Immediate")),
        ],
        ids=["bound on first use", "not bound yet"],
    )
    def test_an_unbound_claim_is_legal(self, found: Storage) -> None:
        assert findings({"volume": VOLUME}, found) == []

    @pytest.mark.parametrize(
        ("volume", "field", "kind", "details"),
        [
            ({"mountPath": "/"}, "mountPath", Kind.MOUNT_ON_SYSTEM, {"mount": "/"}),
            ({"mountPath": "/dev/shm"}, "mountPath", Kind.MOUNT_ON_SYSTEM, {"mount": "/dev/shm"}),
            ({"mountPath": "/models/../etc"}, "mountPath", Kind.PATH_WITH_PARENT, {}),
            ({"mountPath": "/a/{{.Name}}"}, "mountPath", Kind.PATH_EXPANDED, {"mark": "{{"}),
            ({"subPath": "$(HOME)"}, "subPath", Kind.PATH_EXPANDED, {"mark": "$("}),
            ({"subPath": "../x"}, "subPath", Kind.PATH_WITH_PARENT, {}),
            ({"subPath": "/x"}, "subPath", Kind.PATH_ABSOLUTE, {}),
        ],
    )
    def test_impossible_paths(self, volume: Object, field: str, kind: Kind, details: Object) -> None:
        first, *_ = findings({"volume": {**VOLUME, **volume}})

        assert first == Finding(f"model.volume.{field}", kind, details)

    def test_a_volume_replaces_the_presets_storage(self) -> None:
        found = findings({"volume": VOLUME, "overrides": {"storage": {"path": "/x"}}})

        assert said(found) == [("model.overrides.storage", Kind.STORAGE_AND_VOLUME)]

    @pytest.mark.parametrize("mount", ["/models/llama", "/models", "/models/llama/deeper"])
    def test_a_folder_where_ome_mounts_the_models_own(self, mount: str) -> None:
        found = findings({**MINE, "volume": {**VOLUME, "mountPath": mount}}, live=live("hf://a/b", "/models/llama"))

        details = {"mount": mount, "path": "/models/llama", "owner": "the storage.path of ClusterBaseModel mine"}
        assert found == [Finding("model.volume.mountPath", Kind.MOUNT_OVERLAPS, details)]

    def test_a_folder_where_the_runtime_mounts_something(self) -> None:
        spec = make_spec(model={"volume": {**VOLUME, "mountPath": "/cache"}}, runtime=NAMED_RUNTIME)
        mounts = {"runner": {"image": "x", "volumeMounts": [{"name": "fast", "mountPath": "/cache"}]}}
        runtime = merged(make_runtime(), {"spec": {"engineConfig": mounts}})
        case = Case(spec, shipped(), Surroundings(OME, None, runtime))

        details = {"mount": "/cache", "path": "/cache", "owner": "the runtime's volume fast"}
        assert list(storage_problems(case)) == [Finding("model.volume.mountPath", Kind.MOUNT_OVERLAPS, details)]

    def test_a_model_on_a_claim_of_its_own_takes_no_other(self) -> None:
        found = findings({**MINE, "volume": VOLUME}, live=live("pvc://team:theirs/llama"))

        assert said(found) == [("model.volume", Kind.VOLUME_AND_MODEL_CLAIM)]

    def test_a_model_on_a_claim_of_another_namespace(self) -> None:
        details = {"model": "ClusterBaseModel mine", "claim": "theirs", "namespace": "other"}

        assert findings(MINE, Storage(NAMESPACE), live("pvc://other:theirs/llama")) == [
            Finding("model.name", Kind.CLAIM_IN_OTHER_NAMESPACE, details)
        ]

    def test_a_model_on_a_claim_that_is_gone(self) -> None:
        around = Storage(NAMESPACE, claim_name="theirs")

        assert said(findings(MINE, around, live("pvc://team:theirs/llama"))) == [("model.name", Kind.CLAIM_MISSING)]

    @pytest.mark.parametrize(
        ("modes", "placement", "want"),
        [
            (("ReadWriteOnce",), "Any", [("benchmark.placement", Kind.TOKENIZER_ON_ONE_NODE_CLAIM)]),
            (("ReadWriteOnce",), "OtherNode", [("benchmark.placement", Kind.TOKENIZER_ON_ONE_NODE_CLAIM)]),
            (("ReadWriteOnce",), "SameNode", []),
            (("ReadOnlyMany",), "OtherNode", []),
            (("ReadWriteOncePod",), "SameNode", [("benchmark.tokenizer.source", Kind.TOKENIZER_ON_ONE_POD_CLAIM)]),
        ],
    )
    def test_a_tokenizer_on_the_claim(self, modes: tuple[str, ...], placement: str, want: Found) -> None:
        benchmark = {"placement": placement, "tokenizer": FROM_MODEL}

        assert said(findings({"volume": VOLUME}, storage(make_claim("Bound", *modes)), benchmark=benchmark)) == want

    def test_a_benchmark_that_does_not_read_the_claim_may_be_anywhere(self) -> None:
        benchmark = {"placement": "OtherNode"}

        assert findings({"volume": VOLUME}, storage(make_claim("Bound", "ReadWriteOncePod")), benchmark=benchmark) == []

    @pytest.mark.parametrize(
        ("modes", "selector", "want"),
        [
            (("ReadWriteOnce",), None, [Kind.CLAIM_FOR_ONE_NODE]),
            (("ReadWriteOnce",), {"kubernetes.io/hostname": "node-a"}, []),
            (("ReadWriteOncePod",), {"kubernetes.io/hostname": "node-a"}, [Kind.CLAIM_FOR_ONE_POD]),
            (("ReadWriteMany",), None, []),
        ],
    )
    def test_engines_side_by_side(self, modes: tuple[str, ...], selector: Object | None, want: list[Kind]) -> None:
        spec = make_spec(model={"volume": VOLUME}, placement={"nodeSelector": selector})
        case = Case(spec, shipped(), Surroundings(OME, None, None, storage=storage(make_claim("Bound", *modes))))

        details = {"claim": "PersistentVolumeClaim weights", "engines": 2}

        assert list(storage_problems(case, parallel=2)) == [
            Finding("search.parallelExperiments", kind, details) for kind in want
        ]
        assert list(storage_problems(case)) == []

    @pytest.mark.parametrize("level", ["baseline", "restricted"])
    def test_host_paths_where_pod_security_forbids_them(self, level: str) -> None:
        around = Storage(NAMESPACE, labels={"pod-security.kubernetes.io/enforce": level})

        (finding,) = findings(around=around)

        assert (finding.field, finding.kind) == ("model.preset", Kind.MODEL_PATH_FORBIDDEN)
        assert finding.details == {
            "path": "/raid/models/meta/llama-3-2-1b-instruct",
            "model": f"ClusterBaseModel {MODEL}",
            "product": "OME",
            "level": level,
            "namespace": "team",
        }
        assert findings({"volume": VOLUME}, replace(BOUND, labels=around.labels)) == []

    def test_a_volume_does_not_keep_ome_from_mounting_the_models_own_path(self) -> None:
        around = replace(BOUND, labels={"pod-security.kubernetes.io/enforce": "restricted"})

        found = findings({**MINE, "volume": {**VOLUME, "mountPath": "/weights"}}, around, live("hf://a/b", "/raid/x"))

        assert said(found) == [("model.name", Kind.OWN_MODEL_PATH_FORBIDDEN)]

    def test_a_runtimes_host_path_where_pod_security_forbids_it(self) -> None:
        around = replace(BOUND, labels={"pod-security.kubernetes.io/enforce": "baseline"})
        volumes = [{"name": "fast", "hostPath": {"path": "/nvme"}}, {"name": "shm", "emptyDir": {}}]
        spec = make_spec(model={"volume": VOLUME}, runtime=NAMED_RUNTIME)
        case = Case(spec, shipped(), Surroundings(OME, None, make_runtime(volumes=volumes), storage=around))

        details = {"volume": "fast", "level": "baseline", "namespace": "team"}
        assert list(storage_problems(case)) == [Finding("runtime.name", Kind.RUNTIME_PATH_FORBIDDEN, details)]

    @pytest.mark.parametrize("labels", [{}, {"pod-security.kubernetes.io/enforce": "privileged"}])
    def test_host_paths_elsewhere(self, labels: Mapping[str, str]) -> None:
        assert findings(around=Storage(NAMESPACE, labels=labels)) == []

    @pytest.mark.parametrize(
        ("command", "env", "address", "refused"),
        [
            (["serve", "--model-path=$(MODEL_PATH)"], [], "vendor://a/b/c", True),
            (["serve", "--model-path=$(MODEL_PATH)"], [{"name": "MODEL_PATH", "value": "/x"}], "vendor://a/b/c", False),
            (["serve", "--model-path=org/name"], [], "vendor://a/b/c", False),
            (["serve", "--model-path=$(MODEL_PATH)"], [], "pvc://team:theirs/llama", False),
        ],
        ids=["none", "at a path of the runtime's own", "of the hub", "on a claim of the model's"],
    )
    def test_an_engine_without_weights(
        self, command: list[str], env: list[Object], address: str, refused: bool
    ) -> None:
        spec = make_spec(model=MINE, runtime=NAMED_RUNTIME, benchmark={"tokenizer": HUB})
        runtime = merged(make_runtime(), {"spec": {"engineConfig": {"runner": {"command": command, "env": env}}}})
        case = Case(spec, shipped(), Surroundings(OME, live(address), runtime))

        details = {"model": "ClusterBaseModel mine", "variable": "MODEL_PATH", "product": "OME"}
        finding = Finding("model.name", Kind.MODEL_WITHOUT_WEIGHTS, details)
        assert list(storage_problems(case)) == ([finding] if refused else [])


class TestWarnings:
    def found(self, around: Storage | None = BOUND, model: Object | None = None, **volume: Any) -> list[Finding]:
        spec = make_spec(model={**(MINE if model else {}), "volume": {**VOLUME, **volume}})
        return warnings(spec, shipped(), Surroundings(OME, model, None, storage=around))

    def test_nothing_to_warn_of(self) -> None:
        assert self.found() == []

    def test_a_volume_that_will_be_empty(self) -> None:
        found = storage(make_claim("Pending", storageClassName="x"), storage_class=make_class(provisioner="ebs.csi"))

        assert said(self.found(found)) == [("model.volume.claimName", Kind.VOLUME_MAY_BE_EMPTY)]

    def test_a_model_that_is_downloaded_for_nothing(self) -> None:
        details = {"model": "ClusterBaseModel mine", "path": "/raid/x", "product": "OME"}

        assert self.found(model=live("hf://a/b", "/raid/x")) == [
            Finding("model.volume", Kind.MODEL_MOUNTED_TOO, details)
        ]

    def test_a_runtime_that_does_not_look_there(self) -> None:
        spec = make_spec(model={"volume": VOLUME}, runtime=NAMED_RUNTIME)

        found = warnings(spec, shipped(), Surroundings(OME, None, make_runtime(), storage=BOUND))
        found = [one for one in found if one.field == "model.volume"]

        details = {"variable": "MODEL_PATH", "mount": "/models"}
        assert found == [Finding("model.volume", Kind.VOLUME_NOT_READ, details)]


class TestReadiness:
    """What keeps a task that has started from asking for accelerators."""

    TASK = started(model={"volume": VOLUME})

    def plan(self, found: Storage | None, model: Object | None = None, **around: Any) -> tuple[tuple[str, str], str]:
        plan = decide(observed(self.TASK, model=model or live_model(), storage=found, **around), after(1))
        assert not plan.create_experiments
        return condition(plan.status, "ModelReady"), plan.status.message or ""

    def test_a_claim_that_is_gone(self) -> None:
        ready, message = self.plan(GONE)

        assert ready == ("False", "NotFound")
        assert message.startswith("PersistentVolumeClaim weights does not exist in namespace team;")

    def test_a_claim_that_is_lost(self) -> None:
        assert self.plan(storage(make_claim("Lost")))[0] == ("False", "Failed")

    def test_a_claim_that_is_not_bound(self) -> None:
        ready, message = self.plan(storage(make_claim("Pending", storageClassName="")))

        assert ready == ("False", "Waiting")
        assert "is not bound" in message

    def test_a_claim_that_is_bound_on_first_use_keeps_nobody_waiting(self) -> None:
        found = storage(make_claim("Pending", storageClassName="local"), storage_class=make_class())
        plan = decide(observed(self.TASK, storage=found), after(1))

        assert plan.create_experiments
        assert plan.create_experiments[0]["spec"]["service"]["volume"]["claimName"] == "weights"

    def test_a_model_that_is_not_ready_counts_although_the_weights_are_elsewhere(self) -> None:
        ready, message = self.plan(BOUND, live_model("In_Transit"))

        assert ready == ("False", "Waiting")
        assert message.endswith(
            "; its weights are on PersistentVolumeClaim weights, but OME puts engines only on nodes where the model is"
            " Ready"
        )

    NODES = ({"metadata": {"name": "node-a", "labels": {"pool": "cpu"}}, "status": {}},)

    def test_a_model_that_is_ready_where_no_engine_may_run(self) -> None:
        task = started(placement={"nodeSelector": {"pool": "gpu"}})
        model = live_model(nodesReady=["node-a"])

        plan = decide(observed(task, model=model, nodes=self.NODES), after(1))

        assert condition(plan.status, "ModelReady") == ("False", "Waiting")
        assert (plan.status.message or "").startswith(
            f"ClusterBaseModel {MODEL} is Ready on node-a, but on no node with pool=gpu, where the engines shall run:"
        )

    @pytest.mark.parametrize(
        "nodes", [(), ({"metadata": {"name": "node-a", "labels": {"pool": "gpu"}}, "status": {}},)]
    )
    def test_a_model_that_may_be_ready_where_engines_run(self, nodes: tuple[Object, ...]) -> None:
        task = started(placement={"nodeSelector": {"pool": "gpu"}})

        plan = decide(observed(task, model=live_model(nodesReady=["node-a"]), nodes=nodes), after(1))

        assert plan.create_experiments


class TestExperiment:
    """One that somebody made by hand ends before it asks for accelerators."""

    def ending(self, found: Storage | None, model: Object | None = None, **spec: Any) -> Ending | None:
        return find(seen(make_experiment(**spec), storage=found, model=model or make_model()), after(1))

    def test_on_a_claim_that_is_missing(self) -> None:
        ending = self.ending(GONE, service={"volume": VOLUME})

        assert ending is not None
        assert (ending.reason, ending.message) == (
            "ModelNotReady",
            "service.volume.claimName: PersistentVolumeClaim weights does not exist in namespace team; create it, or"
            " name another",
        )

    def test_on_a_claim_for_one_node(self) -> None:
        found = storage(make_claim("Bound", "ReadWriteOnce"))
        ending = self.ending(found, service={"volume": VOLUME}, benchmark={"tokenizer": FROM_MODEL})

        assert ending is not None
        assert ending.message.startswith("benchmark.placement: PersistentVolumeClaim weights is ReadWriteOnce")

    def test_with_a_tokenizer_that_is_nowhere(self) -> None:
        ending = self.ending(Storage(NAMESPACE), make_model(path=""), benchmark={"tokenizer": FROM_MODEL})

        assert ending is not None
        assert ending.message.startswith("benchmark.tokenizer.source: ModelVolume needs service.volume or a model")

    def test_with_all_it_needs_goes_on(self) -> None:
        assert self.ending(BOUND, service={"volume": VOLUME}, benchmark={"tokenizer": FROM_MODEL}) is None

    @pytest.mark.parametrize(
        ("service", "words"),
        [
            (
                None,
                "check that /models/llama on node-a has the model's files: if OME's model agent keeps them elsewhere",
            ),
            ({"volume": VOLUME}, "check that folder meta/llama of PersistentVolumeClaim weights has the model's files"),
            ({"volume": {"claimName": "weights"}}, "check that the root of PersistentVolumeClaim weights has"),
        ],
        ids=["on the node", "in a folder of a claim", "at the root of a claim"],
    )
    def test_whose_engine_found_no_weights_says_where_to_look(self, service: Object | None, words: str) -> None:
        experiment = make_experiment(service=service or {})
        log = "OSError: /models does not appear to have a file named config.json"
        found = seen(experiment, root=make_isvc(experiment), engine=[make_pod(ended=terminated(1))], engine_log=log)

        ending = find(found, after(61))

        assert ending is not None
        assert ending.reason == "ModelNotReady"
        assert words in ending.message

    def test_whose_folder_is_missing_ends_at_once(self) -> None:
        experiment = make_experiment(service={"volume": VOLUME})
        words = 'failed to create subPath directory for volumeMount "autotuner-model" of container "ome-container"'
        pod = make_pod(waiting=("CreateContainerConfigError", words))

        ending = find(seen(experiment, root=make_isvc(experiment), engine=[pod]), after(6))

        assert ending is not None
        assert (ending.reason, ending.message) == (
            "ModelNotReady",
            f"the engine's container cannot be made: {words}; check that folder meta/llama of PersistentVolumeClaim"
            " weights has the model's files",
        )
