"""A Kubernetes cluster of local processes, for the demo and the tests. See README.md here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_ROOT = Path(__file__).parents[1]


class TestbedError(Exception):
    """The testbed did not start or did not do as told; its own words are on standard error."""


class Testbed:
    """A running testbed. Ends with `stop`, with the `with` block, or with this process, however that ends."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    def __init__(self, process: subprocess.Popen[str], about: dict[str, Any]) -> None:
        self._process = process
        self.identity: str = about["identity"]
        self.kubeconfig = Path(about["kubeconfig"])
        self.folder = Path(about["folder"])
        self.logs = self.folder / "logs"

    @classmethod
    def start(
        cls,
        ome: bool = True,
        audit: bool = False,
        keep: bool = False,
        folder: Path | None = None,
        vllm: bool = False,
        kueue: bool = False,
        ipv6: bool = False,
        kserve: bool = False,
        lws: bool = False,
        llmisvc: bool = False,
        usual_limits: bool = False,
    ) -> Testbed:
        """Starts a testbed and returns when it can be used: seconds, but minutes when the control plane is not built.

        Args:
            ome: with the stand-in for OME's controller and model agent.
            audit: write ``logs/audit.log``.
            keep: let it outlive this process; ``python -m testbed down FOLDER`` stops it.
            vllm: with a real vLLM as image ``vllm/vllm-openai-cpu``; it is installed if it is not there.
            kueue: with the real Kueue and a ClusterQueue ``gpus``; it is built if it is not there.
            ipv6: services have IPv6 addresses alone; the pods' processes keep IPv4.
            kserve: with the stand-in for KServe's controller of InferenceServices.
            lws: with the stand-in for LWS's controller of LeaderWorkerSets.
            llmisvc: with the stand-in for its controller of LLMInferenceServices.
            usual_limits: the controller manager's and scheduler's clients are limited as Kubernetes has it, 20
                requests a second; else 500, for tests that are not about it.
            folder: its folder, which must be empty; a new temporary one by default.

        Raises:
            TestbedError: it did not start.
        """
        flags = {"--no-ome": not ome, "--audit": audit, "--keep": keep, "--vllm": vllm, "--kueue": kueue}
        flags |= {
            "--usual-limits": usual_limits,
            "--ipv6": ipv6,
            "--kserve": kserve,
            "--llmisvc": llmisvc,
            "--lws": lws,
        }
        words = [sys.executable, "-m", "testbed", "up", "--control", *(flag for flag, on in flags.items() if on)]
        if folder is not None:
            words += ["--dir", str(folder)]
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT, start_new_session=True
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise TestbedError(f"the testbed ended with {process.wait()}")
        return cls(process, json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends everything and removes the folder."""
        if self._process.poll() is None:
            self._process.terminate()
        self._process.communicate()

    def control(self, command: str, service: str) -> None:
        """Does `start`, `stop` or `kill` to one service (etcd, kube-apiserver, ..., node, spare-node, ome).

        Raises:
            TestbedError: it could not be done.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": command, "service": service}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "the testbed has ended"}')
        if "error" in answer:
            raise TestbedError(answer["error"])

    def stop_apiserver(self) -> None:
        """Takes the API server away at once, as a crash does."""
        self.control("kill", "kube-apiserver")

    def start_apiserver(self) -> None:
        """Brings the API server back; returns when it is ready."""
        self.control("start", "kube-apiserver")

    def kill_node(self) -> None:
        """Kills the nodes and their pods' processes, as a power cut does."""
        self.control("kill", "node")

    def start_node(self) -> None:
        """Brings the nodes back."""
        self.control("start", "node")

    def start_spare_node(self) -> None:
        """Adds `node-c`, a node that can fail by itself, or brings it back; returns when it is registered."""
        self.control("start", "spare-node")

    def kill_spare_node(self) -> None:
        """Kills `node-c` and its pods' processes, as a power cut does; its object stays in the API."""
        self.control("kill", "spare-node")

    def remove_spare_node(self) -> None:
        """Takes `node-c`, which has to run, out of the cluster."""
        self.control("stop", "spare-node")

    def kill_ome(self) -> None:
        """Kills the stand-in for OME's controller."""
        self.control("kill", "ome")

    def start_ome(self) -> None:
        """Brings the stand-in for OME's controller back."""
        self.control("start", "ome")

    def kill_kserve(self) -> None:
        """Kills the stand-in for KServe's controller."""
        self.control("kill", "kserve")

    def start_kserve(self) -> None:
        """Brings the stand-in for KServe's controller back."""
        self.control("start", "kserve")

    def kill_lws(self) -> None:
        """Kills the stand-in for LWS's controller."""
        self.control("kill", "lws")

    def start_lws(self) -> None:
        """Brings the stand-in for LWS's controller back."""
        self.control("start", "lws")

    def kill_kueue(self) -> None:
        """Kills Kueue: its webhooks refuse everything until it is back."""
        self.control("kill", "kueue")

    def start_kueue(self, **settings: Any) -> None:
        """Brings Kueue back, with these of its settings changed; None takes one away."""
        from testbed.kueue.install import configure

        configure(self.folder / "kueue", settings)
        self.control("start", "kueue")

    def leftovers(self) -> list[str]:
        """Returns the command lines of the pods' processes that are alive."""
        from testbed.supervisor import containers

        return [process.command for process in containers(self.identity)]
