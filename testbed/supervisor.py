"""Starts the programs of a testbed, restarts or kills single ones on demand, and ends them all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autotuner.kubernetes_object import Object
from testbed import kubeconfig, processes
from testbed.api import Api, ApiError, install_crds
from testbed.controlplane import ControlPlane, find_programs, free_port
from testbed.gomodule import SetupError
from testbed.kubernetes import chosen
from testbed.kueue import build as build_kueue
from testbed.kueue import install as kueue
from testbed.kueue import shipped as shipped_with_kueue
from testbed.node.agent import LABEL
from testbed.vllm_cpu import ENGINE_TITLE, ENGINES, FORK_SERVER
from testbed.vllm_cpu import environment as vllm_cpu

ROOT = Path(__file__).parents[1]
_POLL_SECONDS = 0.02
_NODES = ("node-a", "node-b")
_SPARE = "node-c"
_STAND_INS = ("ome", "kserve", "llmisvc", "lws")  # switches of Options, services and modules of one name


@dataclass(frozen=True)
class Options:
    """What kind of testbed is wanted."""

    folder: Path | None = None
    kubeconfig: Path | None = None
    ome: bool = True
    audit: bool = False
    vllm: bool = False
    kueue: bool = False
    ipv6: bool = False
    usual_limits: bool = False
    kserve: bool = False
    lws: bool = False
    llmisvc: bool = False


def say(text: str) -> None:
    """Prints a line of progress."""
    print(f"testbed: {text}", file=sys.stderr, flush=True)


class Service:
    """One program of the testbed, in a session of its own so that a terminal's Ctrl-C reaches only the supervisor."""

    def __init__(self, name: str, words: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self._words = words
        self._log = log
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._offset = 0

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Starts it; it may not be ready yet."""
        if self.alive:
            return
        with self._log.open("ab") as output:
            self._offset = output.tell()
            self._process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                cwd=ROOT,
                start_new_session=True,
            )

    async def stop(self, seconds: float) -> None:
        """Asks it to end and kills it when it takes longer."""
        if self._process is None or not self.alive:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """Kills it."""
        if self._process is not None and self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def check(self) -> None:
        """Raises SetupError with the end of its log when it was started and ended by itself."""
        if self._process is not None and not self.alive:
            tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
            raise SetupError(f"{self.name} ended during its start; the end of {self._log}:\n{tail}")

    async def said_ready(self) -> None:
        """Waits until it printed a line `ready`."""
        while b"\nready\n" not in b"\n" + self._log.read_bytes()[self._offset :]:
            self.check()
            await asyncio.sleep(_POLL_SECONDS)


def _listened_nets(table: str) -> set[int]:
    """The second bytes of the 127.N addresses on which something listens, from /proc/net/tcp: a leftover's, perhaps."""
    rows = [line.split() for line in table.splitlines()[1:]]
    # Addresses are little-endian hex; state 0A is LISTEN. 127.0 is everybody's.
    return {int(row[1][4:6], 16) for row in rows if row[3] == "0A" and row[1][6:8] == "7F"} - {0}


def _claim_net(first: int) -> tuple[int, socket.socket]:
    """Chooses the pods' net, 10.N and 127.N, so that no other testbed of this machine has it; held by a socket."""
    taken = _listened_nets(Path("/proc/net/tcp").read_text())
    for net in range(first, 128, -1):
        if net in taken:
            continue
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0autotuner-testbed-net-{net}")
        except OSError:
            claim.close()
        else:
            return net, claim
    raise SetupError("too many testbeds on this machine")


def foreign_kubeconfig(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Returns the kubeconfig of the cluster that the environment names, if it names one.

    Raises:
        SetupError: that cluster is not on this machine. Nobody should find nodes of this kind in a shared cluster.
    """
    name = environment.get("KUBECONFIG")
    if not name:
        return None
    advice = "unset KUBECONFIG to get a control plane of the testbed's own"
    try:
        cluster = kubeconfig.load(Path(name))
    except (OSError, kubeconfig.KubeconfigError) as error:
        raise SetupError(f"KUBECONFIG={name} cannot be used ({error}); {advice}") from error
    if not cluster.local:
        raise SetupError(f"KUBECONFIG={name} leads to {cluster.server}, which is not on this machine; {advice}")
    return Path(name)


class Supervisor:
    """One testbed."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.identity = secrets.token_hex(8)
        self.folder = _new_folder(options.folder)
        self.logs = self.folder / "logs"
        self.logs.mkdir()
        self.kubeconfig = self.folder / "kubeconfig"
        self.services: dict[str, Service] = {}
        self._environment = {**os.environ, processes.TESTBED: self.identity}
        self._plane: ControlPlane | None = None
        self._kueue: kueue.Kueue | None = None
        self._guardian = self._start_guardian()

    def _start_guardian(self) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "testbed.guardian", self.identity, str(self.folder)]
        return subprocess.Popen(words, stdin=subprocess.PIPE, cwd=ROOT, start_new_session=True)

    async def start(self) -> None:
        """Starts everything and returns when it can be used.

        Raises:
            SetupError: something needed is missing or a program failed.
        """
        begun = time.monotonic()
        foreign = foreign_kubeconfig()
        if self._options.kueue and foreign is not None:
            raise SetupError("Kueue runs only with a control plane of the testbed's own; unset KUBECONFIG")
        if self._options.vllm:
            await self._start_engines()
        if foreign is None:
            await self._start_apiserver()
        else:
            say(f"using the cluster of KUBECONFIG={foreign}")
            shutil.copyfile(foreign, self.kubeconfig)
        async with Api(self.kubeconfig) as api:
            if foreign is not None and await _has_nodes(api):
                say("that cluster has a testbed's nodes already")
            else:
                await self._start_node(foreign)  # it waits for the API server itself: its imports take a second
                await self._start_controllers()
                await self._await_nodes(api)
        if self._options.vllm:
            say("waiting for vLLM's imports")
            await self.services["vllm"].said_ready()
        if self._options.kubeconfig is not None:
            shutil.copyfile(self.kubeconfig, self._options.kubeconfig)
        about = {"pid": os.getpid(), "identity": self.identity, "kubeconfig": str(self.kubeconfig)}
        (self.folder / "supervisor.json").write_text(json.dumps(about))
        say(f"ready after {time.monotonic() - begun:.1f} s")

    def _add(self, name: str, words: Sequence[str], variables: Mapping[str, str] | None = None) -> Service:
        service = Service(name, words, self.logs / f"{name}.log", {**self._environment, **(variables or {})})
        self.services[name] = service
        return service

    async def _start_engines(self) -> None:
        """Starts the server that forks engines: its imports take longer than all else, so it comes first."""
        environment = await asyncio.to_thread(vllm_cpu.build)
        variables = {**vllm_cpu.variables(environment), "LD_PRELOAD": vllm_cpu.preloaded(environment)}
        words = [str(environment / "bin" / "python"), str(FORK_SERVER), str(self.folder / ENGINES)]
        await self._add("vllm", words, variables).start()

    async def _start_apiserver(self) -> None:
        programs = await asyncio.to_thread(find_programs)
        options = self._options
        plane = self._plane = ControlPlane.prepare(
            self.folder, chosen(), options.audit, options.ipv6, options.usual_limits
        )
        configs = {user: plane.keys / f"{user.replace(':', '-')}.kubeconfig" for user in plane.tokens}
        configs["admin"] = self.kubeconfig
        flags = plane.flags(configs)
        for name in programs:
            self._add(name, [*programs[name], *flags[name]])
        say("starting etcd and kube-apiserver")
        for name in ("etcd", "kube-apiserver"):
            await self.services[name].start()
        while not (plane.certificate.exists() and plane.key.exists()):
            self._check("etcd", "kube-apiserver")
            await asyncio.sleep(_POLL_SECONDS)
        for user, path in configs.items():
            kubeconfig.write(path, plane.server, plane.certificate.read_bytes(), plane.tokens[user])

    async def _start_controllers(self) -> None:
        """Starts what needs an API server that is ready.

        The kinds come before kube-controller-manager: its garbage collector learns of later ones only every 30 s, and
        until then no foreground deletion of them gets on.
        """
        if self._plane is not None:
            await self._await_apiserver()
        stand_ins = [name for name in _STAND_INS if getattr(self._options, name)]
        if stand_ins:
            say(f"installing the kinds, starting the stand-ins of {', '.join(stand_ins)}")
            await self._start_stand_ins(stand_ins)
        if self._options.kueue:
            say("installing Kueue")
            await self._start_kueue()
        if self._plane is not None:
            say("starting kube-controller-manager, kube-scheduler")
            for name in ("kube-controller-manager", "kube-scheduler"):
                await self.services[name].start()

    async def _start_stand_ins(self, names: Sequence[str]) -> None:
        started = []
        for name in names:
            config = str(self._config_of(f"testbed-{name}"))
            started.append(self._add(name, [sys.executable, "-m", f"testbed.{name}", "--kubeconfig", config]))
            await started[-1].start()
        async with Api(self.kubeconfig) as api, asyncio.timeout(60):
            await install_crds(api)
            for stand_in in started:
                await stand_in.said_ready()

    async def _start_kueue(self) -> None:
        """Starts Kueue; before it runs, nothing that its webhooks look at can be made."""
        programs = await asyncio.to_thread(build_kueue)
        objects, settings = await asyncio.to_thread(shipped_with_kueue, programs)
        self._kueue = kueue.Kueue(self.folder / "kueue", settings, free_port(), free_port())
        variables = {"KUBECONFIG": str(self.kubeconfig)}
        service = self._add("kueue", [str(programs / "kueue"), *self._kueue.arguments()], variables)
        async with Api(self.kubeconfig) as api, asyncio.timeout(120):
            await self._kueue.apply(api, objects)
            await service.start()
            await self._await_kueue(api)
            await kueue.make_queue(api)

    async def _await_kueue(self, api: Api) -> None:
        assert self._kueue is not None, "there is a service of that name"
        ready = asyncio.create_task(self._kueue.ready(api))
        try:
            while not ready.done():
                self._check("kueue")
                await asyncio.wait({ready}, timeout=_POLL_SECONDS)
        finally:
            ready.cancel()
        await ready

    async def _await_apiserver(self, seconds: float = 60) -> None:
        async with Api(self.kubeconfig) as api, asyncio.timeout(seconds):
            ready = asyncio.create_task(api.ready())
            while not ready.done():
                self._check("etcd", "kube-apiserver")
                await asyncio.wait({ready}, timeout=_POLL_SECONDS)

    def _check(self, *names: str) -> None:
        for name in names:
            self.services[name].check()

    async def _start_node(self, foreign: Path | None) -> None:
        net, self._net_claim = _claim_net(244 if foreign is None else 200)
        words = [sys.executable, "-m", "testbed.node", "--kubeconfig", str(self._config_of("testbed-node"))]
        words += ["--folder", str(self.folder), "--testbed", self.identity, "--net", str(net)]
        if self._plane is not None:
            words += ["--certificate", str(self._plane.certificate), "--key", str(self._plane.key)]
        else:
            words += _own_certificate(self.folder)
        leave = [] if self._plane is not None else ["--unregister"]
        await self._add("node", [*words, *leave, "--nodes", *_NODES]).start()
        first = len(_NODES) + 1
        self._add("spare-node", [*words, "--unregister", f"--first={first}", "--nodes", _SPARE])  # started on demand

    def _config_of(self, user: str) -> Path:
        return self.kubeconfig if self._plane is None else self._plane.keys / f"{user}.kubeconfig"

    async def _await_nodes(self, api: Api, seconds: float = 60) -> None:
        """Waits until pods can be scheduled: nodes ready and free of taints, the default service account there."""
        async with asyncio.timeout(seconds):
            await self.services["node"].said_ready()
            while not await _can_schedule(api):
                self._check(*self.services)
                await asyncio.sleep(_POLL_SECONDS)

    async def control(self, command: str, name: str) -> None:
        """Carries out `start`, `stop` or `kill` of one service; a start returns when it is ready.

        Raises:
            SetupError: there is no such service, or it did not start.
        """
        service = self.services.get(name)
        if service is None:
            raise SetupError(f"no service {name}; there are: {', '.join(self.services)}")
        if command == "start":
            await service.start()
            if name == "kube-apiserver":
                await self._await_apiserver()
            elif name in ("node", "spare-node", *_STAND_INS):
                await service.said_ready()
            elif name == "kueue":
                async with Api(self.kubeconfig) as api, asyncio.timeout(60):
                    await self._await_kueue(api)
        elif command == "stop":
            await service.stop(10)
        elif command == "kill":
            await service.kill()
        else:
            raise SetupError(f"no command {command}")
        if name in ("node", "spare-node") and command != "start":
            kill_containers(self.identity, spare=name == "spare-node")

    async def stop(self) -> None:
        """Ends everything. What does not need to say goodbye is killed, by the guardian, which removes the folder."""
        leavers = [self.services[name] for name in ("ome", "node", "spare-node") if name in self.services]
        await asyncio.gather(*(service.stop(10 if self._plane is None else 3) for service in leavers))
        assert self._guardian.stdin is not None
        self._guardian.stdin.close()
        await asyncio.to_thread(self._guardian.wait)


def kill_containers(identity: str, *, spare: bool) -> None:
    """Kills the pods' processes of a testbed: those on its spare node, or all others."""
    there = {process.pid for process in processes.marked(processes.NODE, _SPARE)}
    for process in containers(identity):
        if (process.pid in there) == spare:
            processes.kill(process.pid)


def containers(identity: str) -> list[processes.Marked]:
    """Lists the living processes of a testbed's pods; those of forked engines have no marker of a container."""
    pods = {process.pid for process in processes.marked(processes.CONTAINER)}
    own = processes.marked(processes.TESTBED, identity)
    return [process for process in own if process.pid in pods or processes.title(process.pid) == ENGINE_TITLE]


def _new_folder(wanted: Path | None) -> Path:
    if wanted is None:
        return Path(tempfile.mkdtemp(prefix="autotuner-testbed-"))
    wanted.mkdir(parents=True, exist_ok=True)
    if any(wanted.iterdir()):
        raise SetupError(f"{wanted} is not empty, and the testbed removes its folder at the end")
    return wanted.resolve()


def _is_ready(node: Object) -> bool:
    conditions = node.get("status", {}).get("conditions") or []
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


async def _can_schedule(api: Api) -> bool:
    with contextlib.suppress(ApiError):
        await api.get("/api/v1/namespaces/default/serviceaccounts/default")
        nodes = [await api.get(f"/api/v1/nodes/{name}") for name in _NODES]
        return all(_is_ready(node) and not node["spec"].get("taints") for node in nodes)
    return False


async def _has_nodes(api: Api) -> bool:
    nodes = await api.list("/api/v1/nodes", labelSelector=f"{LABEL}=true")
    return any(_is_ready(node) for node in nodes["items"])


def _own_certificate(folder: Path) -> list[str]:
    """Makes a certificate for the nodes' logs where no control plane of ours has made one; without openssl no logs."""
    program = shutil.which("openssl")
    if program is None:
        say("no openssl: `kubectl logs` will not work for pods of the testbed's nodes")
        return []
    key, certificate = folder / "node.key", folder / "node.crt"
    request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=testbed-node"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([program, *request, *files], check=True, capture_output=True)
    return ["--certificate", str(certificate), "--key", str(key)]


def watch_parent() -> None:
    """Has the kernel send SIGTERM to this process when its parent dies."""
    import ctypes

    parent = os.getppid()
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)
