"""The life of one container: image, configuration, runs, probes, back-off."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path
from typing import Protocol

from autotuner.kubernetes_object import Object
from autotuner.local import podspec
from testbed import kubeconfig
from testbed.api import AWAY, ApiError
from testbed.node.container import Container, Run, now
from testbed.node.context import NETWORK, Context
from testbed.node.images import Environment, ImageError
from testbed.node.probes import Prober
from testbed.node.volumes import make_sub_paths, read_source

log = logging.getLogger(__name__)

PULL_SECONDS = "testbed.autotuner.io/pull-seconds"
OOM_KILLED = "testbed.autotuner.io/oom-killed"
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"

_FIRST_BACK_OFF, _LAST_BACK_OFF = 10.0, 300.0  # seconds, as the kubelet's
_PULL_ERROR_SHOWN = 0.3  # seconds between ErrImagePull and ImagePullBackOff


class Owner(Protocol):
    """What a container's life needs of its pod."""

    object: Object

    def changed(self) -> None:
        """Has the pod's status written."""


class Lifecycle:
    """Lives the lives of a pod's containers."""

    def __init__(self, node: Context, pod: Owner, folder: Path, address: str, volumes: dict[str, str]) -> None:
        self._node = node
        self._pod = pod
        self._folder = folder
        self._address = address
        self._volumes = volumes

    async def live(self, container: Container, policy: str) -> int:
        """Runs a container until its restart policy lets it rest; returns the last exit code."""
        delay = 0.0
        while True:
            environment = await self._pull(container)
            begun = asyncio.get_running_loop().time()
            code = await self._run(container, environment)
            self._pod.changed()
            if not podspec.wants_restart(policy, code):
                return code
            if asyncio.get_running_loop().time() - begun > 2 * _LAST_BACK_OFF:
                delay = 0.0
            if delay:
                await self._back_off(container, delay)
            delay = min(2 * delay, _LAST_BACK_OFF) if delay else _FIRST_BACK_OFF
            container.restarts += 1

    async def _back_off(self, container: Container, delay: float) -> None:
        metadata = self._pod.object["metadata"]
        who = f"container={container.name} pod={metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        message = f"back-off {delay:.0f}s restarting failed {who}"
        container.wait_for("CrashLoopBackOff", message)
        self._pod.changed()
        self._node.warn(self._pod.object, "BackOff", message)
        await asyncio.sleep(delay)

    async def _pull(self, container: Container) -> Environment:
        image, policy = container.spec["image"], container.spec.get("imagePullPolicy")
        annotations = self._pod.object["metadata"].get("annotations") or {}
        if not container.image_id:
            await asyncio.sleep(float(annotations.get(PULL_SECONDS, 0)))
        delay = _FIRST_BACK_OFF
        while True:
            try:
                environment = self._node.images.find(image, policy)
            except ImageError as error:
                container.wait_for(error.reason, error.message)
                self._pod.changed()
                self._node.warn(self._pod.object, "Failed", error.message)
                if error.reason == "ErrImagePull":
                    await asyncio.sleep(_PULL_ERROR_SHOWN)
                    message = f'Back-off pulling image "{image}": ErrImagePull: {error.message}'
                    container.wait_for("ImagePullBackOff", message)
                    self._pod.changed()
                await asyncio.sleep(delay)
                delay = min(2 * delay, _LAST_BACK_OFF)
            else:
                container.image_id = environment.image_id
                return environment

    async def _run(self, container: Container, environment: Environment) -> int:
        home = self._folder / "containers" / container.name
        home.mkdir(parents=True, exist_ok=True)
        ending = self._message_file(container)
        ending.write_bytes(b"")
        paths = podspec.mount_paths(container.spec, self._volumes, str(ending))
        variables, words = await self._configuration(container, environment, home, paths)
        work = container.spec.get("workingDir")
        folder = Path(podspec.localize(work, paths)) if work else home
        try:
            run = Run(words, variables, folder if folder.is_dir() else home, container.log, container.identity)
        except OSError as error:
            message = f'failed to start container "{container.name}": exec: "{words[0]}": {error.strerror}'
            container.end(128, "StartError", message, now())
            return 128
        container.begin_run(run)
        prober = Prober(self._node.probes, self._address, variables, paths, home, container.identity)
        health = asyncio.create_task(self._health(container, run, prober))
        self._pod.changed()
        try:
            code = await run.wait()
        finally:
            health.cancel()
        self.record_end(container, code)
        return code

    def record_end(self, container: Container, code: int) -> None:
        """Notes how a run ended, with its termination message."""
        policy = container.spec.get("terminationMessagePolicy")
        written = _tail(self._message_file(container), 4096)
        message = podspec.termination_message(policy, code, written, _tail(container.log, 2048))
        reason = "OOMKilled" if container.out_of_memory else "Error" if code else "Completed"
        container.end(code, reason, message, now())

    def _message_file(self, container: Container) -> Path:
        return self._folder / "containers" / f"{container.name}.termination"

    async def _configuration(
        self, container: Container, environment: Environment, home: Path, paths: dict[str, str]
    ) -> tuple[dict[str, str], list[str]]:
        """Returns variables and argument vector; waits for ConfigMaps and Secrets that do not exist yet."""
        scratch = home / "tmp"
        scratch.mkdir(exist_ok=True)
        base = {
            "PATH": environment.path,
            "HOME": str(home),
            "TMPDIR": str(scratch),
            "LANG": "C.UTF-8",
            "HOSTNAME": self._pod.object["metadata"]["name"],
            "AUTOTUNER_ADDRESS": self._address,  # two operators cannot both listen on all addresses
            **self._node.variables,
            **environment.variables,
            **self._identity(paths),
        }
        delay, told = 0.2, ""
        while True:
            try:
                return await self._configure(container, base, paths)
            except podspec.ConfigError as error:
                command = str(error) == "no command specified"
                container.wait_for("CreateContainerError" if command else "CreateContainerConfigError", str(error))
                self._pod.changed()
                if told != str(error):
                    told = str(error)
                    self._node.warn(self._pod.object, "Failed", f"Error: {error}")
            except (ApiError, *AWAY) as error:
                log.warning("configuration of %s: %s", container.identity, error)
            await asyncio.sleep(delay)
            delay = min(2 * delay, 2.0)

    def _identity(self, paths: dict[str, str]) -> dict[str, str]:
        """KUBECONFIG for a pod with a token: clients have the token's path in their own code, and it is not there."""
        account = paths.get(SERVICE_ACCOUNT)
        if account is None:
            return {}
        token, authority = Path(account, "token").read_text(), Path(account, "ca.crt").read_bytes()
        path = self._folder / "kubeconfig"
        kubeconfig.write(path, self._node.api.cluster.server, authority, token)
        return {"KUBECONFIG": str(path)}

    async def _configure(
        self, container: Container, base: dict[str, str], paths: dict[str, str]
    ) -> tuple[dict[str, str], list[str]]:
        pod, spec = self._pod.object, container.spec
        make_sub_paths(pod["spec"], spec, self._volumes)
        wanted = sorted(podspec.sources(spec))
        namespace = pod["metadata"]["namespace"]
        found = await asyncio.gather(*(read_source(self._node.api, namespace, kind, name) for kind, name in wanted))
        data = {
            source: None if content is None else {key: value.decode(errors="replace") for key, value in content.items()}
            for source, content in zip(wanted, found, strict=True)
        }
        variables = podspec.environment(pod, spec, base, self._address, data)
        variables |= {name: base[name] for name in NETWORK if name in base}
        words = podspec.command_line(spec, variables, paths)
        return {
            name: value if base.get(name) == value else podspec.localize(value, paths)
            for name, value in variables.items()
        }, words

    async def _health(self, container: Container, run: Run, prober: Prober) -> None:
        """Follows the probes of a run; kills it when the startup or liveness probe gives up."""
        startup = podspec.Probe.of(container.spec, "startupProbe")
        if startup is not None and not await self._until_started(container, startup, prober):
            await self._unhealthy(run, startup)
            return
        container.started = True
        readiness = podspec.Probe.of(container.spec, "readinessProbe")
        liveness = podspec.Probe.of(container.spec, "livenessProbe")
        container.ready = readiness is None
        self._pod.changed()
        if (self._pod.object["metadata"].get("annotations") or {}).get(OOM_KILLED) == "true":
            container.out_of_memory = True
            run.send(signal.SIGKILL)
            return
        async with asyncio.TaskGroup() as group:
            if readiness is not None:
                group.create_task(self._follow_readiness(container, readiness, prober))
            if liveness is not None:
                group.create_task(self._follow_liveness(run, liveness, prober))

    async def _until_started(self, container: Container, probe: podspec.Probe, prober: Prober) -> bool:
        await asyncio.sleep(probe.initial_delay)
        for failures in range(1, probe.failures + 1):
            passed, why = await prober.check(probe)
            if passed:
                return True
            self._node.warn(self._pod.object, "Unhealthy", f"Startup probe failed: {why}")
            if failures < probe.failures:
                await asyncio.sleep(probe.period)
        return False

    async def _follow_readiness(self, container: Container, probe: podspec.Probe, prober: Prober) -> None:
        await asyncio.sleep(probe.initial_delay)
        in_a_row, last = 0, False
        while True:
            passed, why = await prober.check(probe)
            in_a_row = in_a_row + 1 if passed == last else 1
            last = passed
            if passed != container.ready and in_a_row >= (probe.successes if passed else probe.failures):
                container.ready = passed
                self._pod.changed()
            if not passed and in_a_row == 1:
                self._node.warn(self._pod.object, "Unhealthy", f"Readiness probe failed: {why}")
            await asyncio.sleep(probe.period)

    async def _follow_liveness(self, run: Run, probe: podspec.Probe, prober: Prober) -> None:
        await asyncio.sleep(probe.initial_delay)
        failures = 0
        while failures < probe.failures:
            passed, why = await prober.check(probe)
            failures = 0 if passed else failures + 1
            if not passed:
                self._node.warn(self._pod.object, "Unhealthy", f"Liveness probe failed: {why}")
            if failures < probe.failures:
                await asyncio.sleep(probe.period)
        await self._unhealthy(run, probe)

    async def _unhealthy(self, run: Run, probe: podspec.Probe) -> None:
        grace = self._pod.object["spec"].get("terminationGracePeriodSeconds", 30)
        await run.stop(grace if probe.grace is None else probe.grace)


def _tail(path: Path, size: int) -> bytes:
    """Returns the end of a file, nothing where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - size))
            return file.read()
    except OSError:
        return b""
