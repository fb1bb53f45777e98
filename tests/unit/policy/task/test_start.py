"""The beginning of a task: an invalid spec, the start, model and runtime."""

from __future__ import annotations

from datetime import timedelta

import pytest

from autotuner.kubernetes_object import Object
from autotuner.policy.conditions import find
from autotuner.policy.events import Event
from autotuner.policy.evidence import experiment_spec
from autotuner.policy.task.decide import decide, finished, refuse
from autotuner.validation_messages import Finding, Kind
from tests.unit.builders import after, at, condition, written
from tests.unit.task_builders import MODEL, live_model, live_runtime, make_task, observed, started

RUNTIME_NAME = live_runtime()["metadata"]["name"]
VLLM_PARAMETERS = [{"name": "max-num-seqs", "values": [8, 16]}]


def mine(body: Object, task: Object) -> Object:
    """A live object that this task created."""
    return {**body, **experiment_spec.mark_created_for(body, task)}


SHADOW = Finding(
    "runtime.preset",
    Kind.OBJECT_SHADOWED,
    {"hiding": "ServingRuntime x", "namespace": "team", "hidden": "ClusterServingRuntime", "product": "OME"},
)


class TestInvalid:
    TASK = make_task(runtime={"preset": "simulated-sglan"}, benchmark={"requestParams": {"model": "x"}})
    MESSAGE = (
        "runtime.preset: no preset is called simulated-sglan; did you mean simulated-sglang?;"
        " benchmark.requestParams.model: set by the benchmark itself; remove it"
    )

    def test_everything_that_is_wrong_is_said_and_nothing_created(self) -> None:
        plan = decide(observed(self.TASK), after(1))

        assert plan.status.message == self.MESSAGE
        assert condition(plan.status, "Valid") == ("False", "UnknownPreset")
        assert condition(plan.status, "Succeeded") == ("Unknown", "InvalidSpec")
        assert condition(plan.status, "Finished") == ("False", "InvalidSpec")
        assert (plan.status.phase, plan.status.start_time) == ("Pending", None)
        assert plan.events == (("Warning", "UnknownPreset", self.MESSAGE),)
        assert plan.create_model is plan.create_runtime is None
        assert not plan.create_experiments
        assert plan.look_again == after(11)

    def test_is_told_once(self) -> None:
        first = decide(observed(self.TASK), after(1))
        again = decide(observed(written(self.TASK, first.status)), after(20))

        assert again.events == ()
        assert again.status == first.status

    def test_another_mistake_is_told_again(self) -> None:
        first = decide(observed(self.TASK), after(1))
        task = make_task(runtime={"preset": "nonsense"})

        again = decide(observed(written(task, first.status)), after(20))

        assert [event.reason for event in again.events] == ["UnknownPreset"]

    def test_fixing_it_starts_the_task(self) -> None:
        first = decide(observed(self.TASK), after(1))

        plan = decide(observed(written(make_task(), first.status)), after(20))

        assert condition(plan.status, "Valid") == ("True", "Valid")
        assert plan.status.start_time == at(20)

    def test_a_missing_object_is_awaited(self) -> None:
        task = make_task(model={"preset": None, "name": "my-model"})

        plan = decide(observed(task, model=None), after(1))

        assert condition(plan.status, "Valid") == ("False", "NotFound")
        assert plan.status.message == "model.name: ClusterBaseModel my-model does not exist; create it, or name another"
        assert plan.look_again == after(3)

    def test_a_mistake_is_told_also_while_suspended(self) -> None:
        task = make_task(suspend=True, runtime={"preset": "nonsense"})

        plan = decide(observed(task), after(1))

        assert condition(plan.status, "Valid") == ("False", "UnknownPreset")
        assert plan.status.phase == "Suspended"

    def test_a_spec_that_cannot_be_read_is_refused_with_its_reason(self) -> None:
        plan = refuse(make_task(), "search.strategy: Input should be 'Random' or 'Grid'", after(1))

        assert condition(plan.status, "Valid") == ("False", "InvalidSpec")
        assert condition(plan.status, "Finished") == ("False", "InvalidSpec")
        assert plan.status.phase == "Pending"
        assert plan.status.message == "search.strategy: Input should be 'Random' or 'Grid'"


class TestStart:
    def test_is_written_before_anything_is_created(self) -> None:
        plan = decide(observed(model=None, runtime=None), after(5))

        assert plan.status.start_time == at(5)
        assert plan.create_model is plan.create_runtime is None
        assert not plan.create_experiments
        assert plan.look_again == after(5)
        assert plan.status.phase == "Running"
        assert plan.status.message == "started: 4 configurations to choose from"
        assert condition(plan.status, "ModelReady") == ("Unknown", "Waiting")
        assert condition(plan.status, "RuntimeReady") == ("Unknown", "Waiting")
        assert condition(plan.status, "Succeeded") == ("Unknown", "Running")
        assert condition(plan.status, "Finished") == ("False", "Running")
        assert plan.status.experiments is not None
        assert plan.status.experiments.summary == "0/3"
        assert plan.events == (("Normal", "Running", plan.status.message),)

    def test_a_single_configuration_is_one(self) -> None:
        task = make_task(parameters=[{"name": "tp-size", "values": [1]}])

        assert decide(observed(task), after(5)).status.message == "started: 1 configuration to choose from"

    def test_is_previewed_while_suspended(self) -> None:
        plan = decide(observed(make_task(suspend=True), model=None, runtime=None, wanted_runtime=None), after(5))

        assert plan.status.start_time is None
        assert plan.status.phase == "Suspended"
        assert plan.status.message == (
            "suspended; 4 configurations to choose from, at most 0.7 GPU-hours; ConfigMap chat-preview shows the first"
            " InferenceService; set suspend: false to start"
        )
        assert condition(plan.status, "Valid") == ("True", "Valid")
        assert condition(plan.status, "Succeeded") == ("Unknown", "Suspended")
        assert plan.create_model is plan.create_runtime is None
        assert not plan.create_experiments
        resolved = plan.status.resolved
        assert resolved is not None
        assert (resolved.model, resolved.runtime, resolved.configurations) == (MODEL, RUNTIME_NAME, 4)

    def test_a_preview_is_forgotten_at_the_start(self) -> None:
        task = make_task(suspend=True)
        task = written(task, decide(observed(task), after(5)).status)
        task["spec"]["suspend"] = False

        plan = decide(observed(task), after(6))
        later = decide(observed(written(task, plan.status)), after(7))

        assert plan.status.start_time == at(6)
        assert (plan.status.resolved, later.status.preview) == (None, None)

    def test_is_remembered(self) -> None:
        plan = decide(observed(started()), after(60))

        assert plan.status.start_time == at(0)


class TestModel:
    def test_is_created_from_its_preset_when_missing(self) -> None:
        task = started()
        plan = decide(observed(task, model=None, runtime=None, wanted_runtime=None), after(1))

        assert plan.create_model is not None
        assert plan.create_model["metadata"]["name"] == MODEL
        assert plan.create_model["metadata"]["annotations"] == {"autotuner.io/created-for": "uid-chat"}
        assert plan.status.message == f"creating ClusterBaseModel {MODEL} as model.preset says"
        assert condition(plan.status, "ModelReady") == ("False", "Waiting")
        assert plan.status.created is None
        assert plan.look_again == after(1)

    def test_is_said_to_be_created_when_it_was(self) -> None:
        task = started()
        model = mine(live_model("In_Transit"), task)

        plan = decide(observed(task, model=model, runtime=None), after(1))

        assert plan.status.created is not None
        assert plan.status.created.cluster_base_model == MODEL
        assert plan.create_model is None

    @pytest.mark.parametrize(
        ("state", "words"),
        [("In_Transit", "it is In_Transit"), ("", "it is without a state"), ("Importing", "it is Importing")],
    )
    def test_is_awaited(self, state: str, words: str) -> None:
        plan = decide(observed(started(), model=live_model(state), runtime=None), after(1))

        assert (plan.status.message or "").startswith(f"waiting for ClusterBaseModel {MODEL} to be Ready ({words}): ")
        assert condition(plan.status, "ModelReady") == ("False", "Waiting")
        assert plan.status.created is None
        assert plan.look_again == after(3)
        assert plan.create_runtime is None
        assert not plan.create_experiments

    def test_that_failed_ends_the_task(self) -> None:
        model = live_model("Failed", nodesFailed=["node-a"])
        plan = decide(observed(started(), model=model), after(1))

        assert finished(plan.status)
        assert condition(plan.status, "Succeeded") == ("False", "ModelNotReady")
        assert condition(plan.status, "ModelReady") == ("False", "Failed")
        assert plan.status.message == (
            f"ClusterBaseModel {MODEL}: OME's model agent could not make it ready on node-a; check free space and"
            " rights at /raid/models/meta/llama-3-2-1b-instruct on the node, access to hf://meta-llama/Llama-3.2-1B-Instruct"
            " and the token in Secret hf-token of namespace ome; the log of its pod there says why (DaemonSet"
            " ome-model-agent-daemonset in namespace ome)"
        )
        assert plan.events == (("Warning", "ModelNotReady", plan.status.message),)

    def test_that_stays_away_ends_the_task_exactly_in_time(self) -> None:
        task = started(model={"readyTimeoutSeconds": 60})
        waiting = decide(observed(task, model=live_model("In_Transit")), after(10))
        task = written(task, waiting.status)

        before = decide(observed(task, model=live_model("In_Transit")), after(70) - timedelta(milliseconds=1))
        plan = decide(observed(task, model=live_model("In_Transit")), after(70))

        assert not finished(before.status)
        assert before.look_again == after(70)
        assert condition(plan.status, "Succeeded") == ("False", "ModelNotReady")
        assert condition(plan.status, "ModelReady") == ("False", "Timeout")
        assert (plan.status.message or "").startswith(
            f"not Ready for 60 s (model.readyTimeoutSeconds): waiting for ClusterBaseModel {MODEL} to be Ready"
            " (it is In_Transit): "
        )

    def test_that_was_ready_has_its_whole_time_again(self) -> None:
        task = started(model={"readyTimeoutSeconds": 60})
        task = written(task, decide(observed(task), after(1)).status)

        lost = decide(observed(task, model=live_model("In_Transit")), after(9000))

        assert not finished(lost.status)
        late = decide(observed(written(task, lost.status), model=live_model("In_Transit")), after(9060))
        assert condition(late.status, "Succeeded") == ("False", "ModelNotReady")

    def test_that_is_deleted_is_asked_for(self) -> None:
        task = started(model={"preset": None, "name": "my-model", "kind": "BaseModel"})
        plan = decide(observed(task, model=None, wanted_model=None), after(1))

        assert plan.status.message == "BaseModel my-model is gone; re-create it"
        assert condition(plan.status, "ModelReady") == ("False", "NotFound")

    def test_of_a_preset_is_asked_for_where_nothing_may_be_created(self) -> None:
        plan = decide(observed(started(), model=None, may_create=False), after(1))

        assert plan.create_model is None
        assert plan.status.message == f"ClusterBaseModel {MODEL} is gone; re-create it"

    def test_differs_from_the_preset_and_is_used_as_found(self) -> None:
        model = live_model()
        model["spec"] = {**model["spec"], "storage": {"path": "/elsewhere"}, "vendor": "me"}

        plan = decide(observed(started(), model=model), after(1))

        found = find(plan.status.conditions, "ModelReady")
        assert found is not None and found.status == "True"
        assert found.message.startswith(f"ClusterBaseModel {MODEL} is used as found; it differs in ")
        assert "vendor" in found.message and "storage" in found.message
        assert Event("Warning", "ModelDiffers", found.message) in plan.events

    def test_that_differs_is_told_once(self) -> None:
        model = live_model()
        model["spec"] = {**model["spec"], "vendor": "me"}
        task = started()

        first = decide(observed(task, model=model, runtime=None), after(1))
        again = decide(observed(written(task, first.status), model=model, runtime=None), after(2))

        assert [one.reason for one in first.events] == ["ModelDiffers"]
        assert again.events == ()

    def test_refused_by_the_api_server_ends_the_task(self) -> None:
        plan = decide(observed(started(), model=None, rejection=("ClusterBaseModel", "forbidden")), after(1))

        assert condition(plan.status, "Succeeded") == ("False", "AdmissionRejected")
        assert condition(plan.status, "ModelReady") == ("False", "Failed")
        assert plan.status.message == "the API server refused the ClusterBaseModel: forbidden"


class TestRuntime:
    def test_is_created_from_its_preset_when_missing(self) -> None:
        plan = decide(observed(started(), runtime=None), after(1))

        assert plan.create_runtime is not None
        assert plan.create_runtime["metadata"]["name"] == RUNTIME_NAME
        assert plan.status.message == f"creating ClusterServingRuntime {RUNTIME_NAME} as runtime.preset says"
        assert condition(plan.status, "ModelReady") == ("True", "Ready")
        assert condition(plan.status, "RuntimeReady") == ("False", "Waiting")
        assert plan.look_again == after(1)

    def test_is_resolved_once_it_is_there(self) -> None:
        task = started()
        plan = decide(observed(task, runtime=mine(live_runtime(), task)), after(1))

        assert condition(plan.status, "RuntimeReady") == ("True", "Ready")
        assert plan.status.resolved is not None
        assert plan.status.resolved.dump() == {
            "model": MODEL,
            "runtime": RUNTIME_NAME,
            "backend": "OME",
            "engine": "SGLang",
            "configurations": 4,
            "estimated": False,
        }
        assert plan.status.created is not None
        assert plan.status.created.dump() == {"clusterServingRuntime": RUNTIME_NAME}

    @pytest.mark.parametrize("field", ["modelFormat", "modelFramework"])
    def test_a_model_that_ome_could_not_compare_is_told_apart(self, field: str) -> None:
        model = live_model()
        del model["spec"][field]
        plan = decide(observed(started(), model=model, runtime=None), after(5))

        assert condition(plan.status, "RuntimeReady") == ("False", "Incompatible")
        assert f"without spec.{field}" in (plan.status.message or "")
        assert plan.create_runtime is None
        assert plan.look_again is not None

    def test_that_is_hidden_from_ome_stops_everything_until_it_is_not(self) -> None:
        plan = decide(observed(started(), shadow=SHADOW), after(1))

        assert condition(plan.status, "RuntimeReady") == ("False", "Shadowed")
        assert plan.status.message == SHADOW.message
        assert not plan.create_experiments
        assert plan.look_again == after(3)

    def test_that_is_hidden_before_the_start_is_a_mistake_in_the_spec(self) -> None:
        plan = decide(observed(shadow=SHADOW), after(1))

        assert condition(plan.status, "Valid") == ("False", "InvalidSpec")
        assert plan.look_again == after(3)

    def test_that_is_named_and_gone_is_asked_for(self) -> None:
        named = {"preset": None, "name": "my-runtime", "engine": "VLLM"}
        task = started(runtime=named, parameters=VLLM_PARAMETERS, baseline=None)
        plan = decide(observed(task, runtime=None, wanted_runtime=None), after(1))

        assert plan.status.message == "ClusterServingRuntime my-runtime does not exist; create it"
        assert condition(plan.status, "RuntimeReady") == ("False", "NotFound")
        assert plan.look_again == after(3)

    def test_of_a_preset_is_asked_for_where_nothing_may_be_created(self) -> None:
        plan = decide(observed(started(), runtime=None, may_create=False), after(1))

        assert plan.create_runtime is None
        assert plan.status.message == f"ClusterServingRuntime {RUNTIME_NAME} does not exist; create it"

    def test_of_an_older_preset_is_not_replaced_under_another_name(self) -> None:
        task = started()
        task = written(task, decide(observed(task), after(1)).status)
        newer = live_runtime()
        newer["metadata"] = {"name": "simulated-sglang-newer"}

        plan = decide(observed(task, runtime=None, wanted_runtime=newer), after(2))

        assert plan.create_runtime is None
        assert plan.status.message == f"ClusterServingRuntime {RUNTIME_NAME} does not exist; create it"
        assert plan.look_again == after(4)

    def test_refused_by_the_api_server_ends_the_task(self) -> None:
        plan = decide(observed(started(), runtime=None, rejection=("ClusterServingRuntime", "denied")), after(1))

        assert condition(plan.status, "RuntimeReady") == ("False", "Failed")
        assert condition(plan.status, "Succeeded") == ("False", "AdmissionRejected")


def test_a_namespace_that_is_being_deleted_is_told_as_that() -> None:
    words = "unable to create new content in namespace team because it is being terminated"
    plan = decide(observed(started(), runtime=None, rejection=("ClusterServingRuntime", words)), after(1))

    assert condition(plan.status, "Succeeded") == ("False", "NamespaceDeleted")
