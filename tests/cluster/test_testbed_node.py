"""The testbed's nodes behave as kubelets do, as far as the operator and OME can tell."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from autotuner.kubernetes_object import Object
from testbed import Testbed
from testbed.api import Api, ApiError
from testbed.waiting import gone, phase, ready, until, waiting
from tests.cluster.pods import SHELL, Pods, ended, pod, shell, web

DONE = phase("Succeeded", "Failed")


@pytest.fixture
def pods(api: Api, namespace: str) -> Pods:
    return Pods(api, namespace)


async def test_a_pod_that_ends_well_succeeds_with_its_message(pods: Pods) -> None:
    found = await pods.run(pod(shell("echo hello; printf done > /dev/termination-log")), DONE)
    assert found["status"]["phase"] == "Succeeded"
    assert ended(found)["exitCode"] == 0
    assert ended(found)["reason"] == "Completed"
    assert ended(found)["message"] == "done"
    assert await pods.log() == "hello\n"


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -TERM $$$$", 143), ("kill -KILL $$$$", 137)])
async def test_exit_codes_and_deaths_by_signal_are_reported(pods: Pods, script: str, code: int) -> None:
    found = await pods.run(pod(shell(script)), DONE)
    assert found["status"]["phase"] == "Failed"
    assert (ended(found)["exitCode"], ended(found)["reason"]) == (code, "Error")


async def test_a_missing_program_is_a_start_error(pods: Pods) -> None:
    found = await pods.run(pod({"name": "main", "image": SHELL, "command": ["no-such-program"]}), DONE)
    assert (ended(found)["exitCode"], ended(found)["reason"]) == (128, "StartError")
    assert "no-such-program" in ended(found)["message"]


async def test_the_log_is_the_message_of_a_failure_only(pods: Pods) -> None:
    fallback = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    script = "yes line | head -n 3000; echo last; exit "
    failed = await pods.run(pod(shell(script + "1", **fallback), name="failed"), DONE)
    well = await pods.run(pod(shell(script + "0", **fallback), name="well"), DONE)
    assert ended(failed)["message"].endswith("line\nlast\n")
    assert len(ended(failed)["message"].splitlines()) == 80
    assert "message" not in ended(well)


async def test_a_long_message_keeps_its_last_4096_bytes(pods: Pods) -> None:
    script = "head -c 5000 /dev/zero | tr '\\0' x > /dev/termination-log; printf end >> /dev/termination-log"
    message = ended(await pods.run(pod(shell(script)), DONE))["message"]
    assert len(message) == 4096
    assert message.endswith("xend")


async def test_containers_of_a_pod_share_the_room_for_messages(pods: Pods) -> None:
    script = "head -c 4000 /dev/zero | tr '\\0' x > /dev/termination-log"
    first = [shell(script) | {"name": f"first-{number}"} for number in range(5)]
    found = await pods.run(pod(shell(script), initContainers=first), DONE)
    entries = [*found["status"]["initContainerStatuses"], *found["status"]["containerStatuses"]]
    assert [len(entry["state"]["terminated"]["message"]) for entry in entries] == [2048] * 6


async def test_variables_come_from_secrets_config_maps_and_fields(api: Api, namespace: str, pods: Pods) -> None:
    await api.create(
        f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "c"}, "data": {"A": "1", "B": "2"}}
    )
    await api.create(
        f"/api/v1/namespaces/{namespace}/secrets", {"metadata": {"name": "s"}, "stringData": {"key": "hidden"}}
    )
    env: list[Object] = [
        {"name": "ONE", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "A"}}},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "URL", "value": "http://$(IP)/$$(IP)/$(UNKNOWN)"},
    ]
    script = 'echo "$ONE $KEY $NAME $LABEL $URL $B $1"'
    container: Object = {"name": "main", "image": SHELL, "command": ["sh", "-c", script, "sh"], "args": ["$(NAME)"]}
    container |= {"env": env, "envFrom": [{"configMapRef": {"name": "c"}}]}
    found = await pods.run(pod(container), DONE)
    address = found["status"]["podIP"].replace("10.", "127.", 1)
    assert await pods.log() == f"1 hidden pod pod http://{address}/$(IP)/$(UNKNOWN) 2 pod\n"


async def test_volumes_are_at_their_mount_paths(api: Api, namespace: str, pods: Pods, tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("weights\n")
    await api.create(
        f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "c"}, "data": {"file": "text\n"}}
    )
    volumes: list[Object] = [
        {"name": "scratch", "emptyDir": {}},
        {"name": "config", "configMap": {"name": "c", "items": [{"key": "file", "path": "below/renamed"}]}},
        {"name": "host", "hostPath": {"path": str(tmp_path), "type": "Directory"}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "tests"}}]}},
    ]
    mounts = [
        {"name": "scratch", "mountPath": "/data"},
        {"name": "config", "mountPath": "/data/config"},
        {"name": "host", "mountPath": "/mnt/models"},
        {"name": "token", "mountPath": "/var/run/tokens"},
    ]
    first = shell("echo from init > /data/shared", volumeMounts=mounts) | {"name": "first"}
    script = 'cat /data/shared /data/config/below/renamed "$MODEL"; test -s /var/run/tokens/token && echo token'
    main = shell(script, volumeMounts=mounts, env=[{"name": "MODEL", "value": "/mnt/models/model.txt"}])
    found = await pods.run(pod(main, initContainers=[first], volumes=volumes), DONE)
    assert await pods.log() == "from init\ntext\nweights\ntoken\n"
    assert found["status"]["phase"] == "Succeeded"
    assert (tmp_path / "model.txt").exists(), "a hostPath outlives its pods"


async def make_claim(api: Api, namespace: str, folder: Path) -> None:
    """A claim that is bound to a folder of this machine."""
    name = f"{namespace}-volume"
    volume: Object = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadOnlyMany"],
        "storageClassName": "",
        "hostPath": {"path": str(folder)},
        "claimRef": {"namespace": namespace, "name": "weights"},
    }
    await api.create("/api/v1/persistentvolumes", {"metadata": {"name": name}, "spec": volume})
    claim: Object = {"accessModes": ["ReadOnlyMany"], "storageClassName": "", "volumeName": name}
    claim |= {"resources": {"requests": {"storage": "1Gi"}}}
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    await api.create(path, {"metadata": {"name": "weights"}, "spec": claim})
    await until(api, path, "weights", phase("Bound"))


async def test_a_claim_is_mounted(api: Api, namespace: str, pods: Pods, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "model.txt").write_text("weights\n")
    await make_claim(api, namespace, tmp_path)
    claim = {"name": "claimed", "persistentVolumeClaim": {"claimName": "weights", "readOnly": True}}
    mount = {"name": "claimed", "mountPath": "/mnt/models", "readOnly": True}
    reader = shell("cat /mnt/models/model.txt", volumeMounts=[{**mount, "subPath": "below"}])

    await pods.run(pod(reader, volumes=[claim]), DONE)
    assert await pods.log() == "weights\n"

    misled = shell("true", volumeMounts=[{**mount, "subPath": "nowhere"}])
    found = await pods.run(pod(misled, name="misled", volumes=[claim]), waiting("CreateContainerConfigError"))
    state = found["status"]["containerStatuses"][0]["state"]["waiting"]
    assert state["message"] == 'failed to create subPath directory for volumeMount "claimed" of container "main"'
    assert not (tmp_path / "nowhere").exists()


async def test_a_missing_config_map_holds_a_container_back(api: Api, namespace: str, pods: Pods) -> None:
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "A"}}}]
    found = await pods.run(pod(shell("echo $A", env=env)), waiting("CreateContainerConfigError"))
    assert found["status"]["containerStatuses"][0]["state"]["waiting"]["message"] == 'configmap "late" not found'
    await api.create(
        f"/api/v1/namespaces/{namespace}/configmaps", {"metadata": {"name": "late"}, "data": {"A": "here"}}
    )
    await until(api, pods.path, "pod", DONE)
    assert await pods.log() == "here\n"


@pytest.mark.parametrize(
    ("image", "policy", "reason", "words"),
    [
        (
            "example/unknown:1",
            "IfNotPresent",
            "ErrImagePull",
            'failed to pull and unpack image "example/unknown:1"',
        ),
        ("example/unknown:1", "IfNotPresent", "ImagePullBackOff", 'Back-off pulling image "example/unknown:1"'),
        ("example/unknown:1", "Never", "ErrImageNeverPull", "is not present with pull policy of Never"),
        ("Not A Name", "IfNotPresent", "InvalidImageName", "invalid reference format"),
    ],
)
async def test_images_that_cannot_be_had(pods: Pods, image: str, policy: str, reason: str, words: str) -> None:
    container = {"name": "main", "image": image, "imagePullPolicy": policy, "command": ["true"]}
    found = await pods.run(pod(container), waiting(reason))
    assert words in found["status"]["containerStatuses"][0]["state"]["waiting"]["message"]
    assert found["status"]["phase"] == "Pending"


@pytest.mark.parametrize(("name", "module"), [("operator", "kopf"), ("benchmark", "genai_bench")])
async def test_our_images_are_environments_with_their_locks_as_identity(pods: Pods, name: str, module: str) -> None:
    script = f"import importlib.util, sys; print(bool(importlib.util.find_spec('{module}')))"
    container = {"name": "main", "image": f"example.org/autotuner/{name}:v1", "command": ["python", "-c", script]}
    found = await pods.run(pod(container), DONE)
    assert await pods.log() == "True\n"
    assert found["status"]["containerStatuses"][0]["imageID"].startswith("sha256:")


WHO_AM_I = """
import base64, json, os, ssl, urllib.request
config = json.load(open(os.environ["KUBECONFIG"]))
cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
headers = {"Authorization": "Bearer " + user["token"], "Content-Type": "application/json"}
url = cluster["server"] + "/apis/authentication.k8s.io/v1/selfsubjectreviews"
authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
request = urllib.request.Request(url, json.dumps(review).encode(), headers)
answer = urllib.request.urlopen(request, context=ssl.create_default_context(cadata=authority))
print(json.load(answer)["status"]["userInfo"]["username"])
"""


async def test_a_pod_with_a_token_reaches_the_api_as_its_service_account(pods: Pods, namespace: str) -> None:
    container = {"name": "main", "image": SHELL, "command": ["python3", "-c", WHO_AM_I]}
    await pods.run(pod(container, automountServiceAccountToken=True), DONE)
    assert await pods.log() == f"system:serviceaccount:{namespace}:default\n"


async def test_a_pod_without_a_token_has_no_kubeconfig(pods: Pods) -> None:
    await pods.run(pod(shell('echo "<$KUBECONFIG>"')), DONE)
    assert await pods.log() == "<>\n"


async def test_probes_decide_over_started_ready_and_alive(api: Api, pods: Pods, tmp_path: Path) -> None:
    def probe(file: str, failures: int) -> dict[str, object]:
        command = {"command": ["test", "-e", f"/state/{file}"]}
        return {"exec": command, "periodSeconds": 1, "timeoutSeconds": 20, "failureThreshold": failures}

    (tmp_path / "alive").touch()
    container = shell("exec sleep 60", volumeMounts=[{"name": "state", "mountPath": "/state"}])
    container |= {"startupProbe": probe("started", 20), "readinessProbe": probe("ready", 1)}
    container |= {"livenessProbe": probe("alive", 1)}
    body = pod(container, volumes=[{"name": "state", "hostPath": {"path": str(tmp_path)}}])
    found = await pods.run(body, phase("Running"))
    assert not started(found)
    (tmp_path / "started").touch()
    assert not ready(await until(api, pods.path, "pod", started))
    (tmp_path / "ready").touch()
    await until(api, pods.path, "pod", ready)
    (tmp_path / "ready").unlink()
    await until(api, pods.path, "pod", lambda item: not ready(item))
    (tmp_path / "alive").unlink()
    assert ended(await until(api, pods.path, "pod", DONE))["exitCode"] == 143


def started(item: Object) -> bool:
    statuses = item["status"].get("containerStatuses") or [{}]
    return bool(statuses[0].get("started"))


async def test_a_crashing_container_backs_off(pods: Pods, api: Api) -> None:
    found = await pods.run(pod(shell("echo try; exit 7"), restartPolicy="Always"), waiting("CrashLoopBackOff"))
    status = found["status"]["containerStatuses"][0]
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] == 7
    assert "back-off 10s restarting failed container=main" in status["state"]["waiting"]["message"]
    assert found["status"]["phase"] == "Running"
    assert await pods.log(previous=True) == "try\n"


async def test_a_container_killed_for_memory(pods: Pods) -> None:
    body = pod(shell("sleep 60"), annotations={"testbed.autotuner.io/oom-killed": "true"})
    assert ended(await pods.run(body, DONE))["reason"] == "OOMKilled"


async def test_a_failing_init_container_fails_the_pod(pods: Pods) -> None:
    found = await pods.run(pod(shell("true"), initContainers=[shell("exit 4") | {"name": "first"}]), DONE)
    assert found["status"]["phase"] == "Failed"
    assert found["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 4
    assert found["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"


async def test_a_stubborn_pod_is_killed_after_its_grace_with_all_its_children(
    bed: Testbed, api: Api, pods: Pods
) -> None:
    script = "trap '' TERM; setsid sleep 4321 & echo up; while :; do sleep 0.1; done"
    await pods.run(pod(shell(script), terminationGracePeriodSeconds=1), ready)
    begun = time.monotonic()
    await api.delete(f"{pods.path}/pod")
    await gone(api, pods.path, "pod")
    assert 1 <= time.monotonic() - begun < 3
    assert not [command for command in bed.leftovers() if "4321" in command]


async def test_a_polite_pod_leaves_at_once(api: Api, pods: Pods) -> None:
    await pods.run(pod(shell("exec sleep 60"), terminationGracePeriodSeconds=30), ready)
    begun = time.monotonic()
    await api.delete(f"{pods.path}/pod")
    await gone(api, pods.path, "pod")
    assert time.monotonic() - begun < 1


async def test_a_forced_deletion_leaves_no_process(bed: Testbed, api: Api, pods: Pods) -> None:
    await pods.run(pod(shell("trap '' TERM; while :; do sleep 0.111; done")), ready)
    await api.delete(f"{pods.path}/pod", {"gracePeriodSeconds": 0})
    async with asyncio.timeout(5):
        while [command for command in bed.leftovers() if "0.111" in command]:
            await asyncio.sleep(0.02)


async def test_a_pod_fails_at_its_deadline(pods: Pods) -> None:
    found = await pods.run(pod(shell("exec sleep 60"), activeDeadlineSeconds=1), DONE)
    assert (found["status"]["phase"], found["status"]["reason"]) == ("Failed", "DeadlineExceeded")


async def test_logs_can_be_cut_and_followed(pods: Pods, api: Api, tmp_path: Path) -> None:
    script = "printf 'a\\nb\\nc\\n'; until [ -e /state/go ]; do sleep 0.02; done; echo late"
    container = shell(script, volumeMounts=[{"name": "state", "mountPath": "/state"}])
    await pods.run(pod(container, volumes=[{"name": "state", "hostPath": {"path": str(tmp_path)}}]), ready)
    async with asyncio.timeout(5):
        while await pods.log(tailLines=2) != "b\nc\n":
            await asyncio.sleep(0.02)
    lines = []
    async for line in api.follow(f"{pods.path}/pod/log", follow=True):
        lines.append(line)
        if line == b"c":
            (tmp_path / "go").touch()
    assert lines == [b"a", b"b", b"c", b"late"]


async def test_a_deployment_is_reached_by_its_services_name(api: Api, namespace: str, pods: Pods) -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [web()], "terminationGracePeriodSeconds": 1}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    ports = [{"port": 80, "targetPort": 8080}]
    await api.create(
        f"/api/v1/namespaces/{namespace}/services",
        {"metadata": {"name": "web"}, "spec": {"selector": labels, "ports": ports}},
    )
    assert "503" in await call(pods, "early", f"http://web.{namespace}.svc/")
    await api.create(deployments, {"metadata": {"name": "web"}, "spec": spec})
    await until(api, deployments, "web", lambda item: item["status"].get("readyReplicas") == 2)
    await until_endpoints(api, namespace, 2)
    for number, name in enumerate((f"web.{namespace}", f"web.{namespace}.svc", f"web.{namespace}.svc.cluster.local")):
        assert "200" in await call(pods, f"call-{number}", f"http://{name}/")
    found = (await api.list(pods.path, labelSelector="app=web"))["items"]
    assert {item["spec"]["nodeName"] for item in found} == {"node-a", "node-b"}
    assert "200" in await call(pods, "direct", f"http://{found[0]['status']['podIP']}:8080/")


async def call(pods: Pods, name: str, url: str) -> str:
    script = (
        "import urllib.request, urllib.error\n"
        f"try: print(urllib.request.urlopen('{url}').status)\n"
        "except urllib.error.HTTPError as error: print(error.code)"
    )
    await pods.run(pod({"name": "main", "image": SHELL, "command": ["python3", "-c", script]}, name=name), DONE)
    return await pods.log(name)


async def until_endpoints(api: Api, namespace: str, count: int) -> None:
    path = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    async with asyncio.timeout(10):
        async for _, item in api.watch(path):
            serving = [entry for entry in item.get("endpoints") or [] if entry["conditions"]["ready"]]
            if len(serving) == count:
                return


async def test_a_job_ends_with_its_pods_message(api: Api, namespace: str, pods: Pods) -> None:
    report = json.dumps({"throughput": 12.5})
    template = pod(shell(f"printf '{report}' > /dev/termination-log"))["spec"]
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
    await api.create(jobs, {"metadata": {"name": "job"}, "spec": {"backoffLimit": 0, "template": {"spec": template}}})
    job = await until(api, jobs, "job", lambda item: bool(item["status"].get("completionTime")))
    assert job["status"]["succeeded"] == 1
    (found,) = (await api.list(pods.path))["items"]
    assert json.loads(ended(found)["message"]) == {"throughput": 12.5}


async def test_gpus_limit_what_fits(api: Api, pods: Pods) -> None:
    resources = {"limits": {"nvidia.com/gpu": "9"}}
    unschedulable = "Insufficient nvidia.com/gpu"
    found = await pods.run(
        pod(shell("true", resources=resources)),
        lambda item: any(unschedulable in entry.get("message", "") for entry in item["status"].get("conditions") or []),
    )
    assert found["status"]["phase"] == "Pending"


async def test_a_log_of_a_pod_that_waits_is_refused(pods: Pods) -> None:
    await pods.run(pod({"name": "main", "image": "example/unknown:1"}), waiting("ImagePullBackOff"))
    with pytest.raises(ApiError) as refusal:
        await pods.log()
    assert refusal.value.status == 400
