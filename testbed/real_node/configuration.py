"""What the node's programs read: their configuration files and flags."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from autotuner.kubernetes_object import Object
from testbed.real_node.place import DNS_IP, NODE_IP, POD_NET, SERVICE_NET, Place
from testbed.real_node.programs import Programs

_ETCD = "http://127.0.0.1:2379"
_ETCD_PEER = "http://127.0.0.1:2380"
_CONTAINERD = """\
version = 2
root = "{run}/containerd"
state = "/run/containerd"
oom_score = 0
[grpc]
  address = "{socket}"
[ttrpc]
  address = "{socket}.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{run}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  disable_apparmor = true
  restrict_oom_score_adj = true # a virtual machine may lack CAP_SYS_RESOURCE
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{run}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""
_RESOLVER = """\
nameserver {dns}
search default.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
"""


def write_files(place: Place) -> None:
    """Write everything that the programs read, keys and kubeconfigs apart."""
    run = place.run
    (run / "cni").mkdir()
    (run / "containerd.toml").write_text(_CONTAINERD.format(run=run, socket=place.socket))
    (run / "cni" / "10-bridge.conflist").write_text(json.dumps(_network()))
    (run / "kubelet.yaml").write_text(yaml.safe_dump(_kubelet(place)))
    (run / "kube-proxy.yaml").write_text(yaml.safe_dump(_proxy(place)))
    (run / "resolv.conf").write_text("")  # what pods with dnsPolicy Default get: no server at all
    (run / "host-resolv.conf").write_text(_RESOLVER.format(dns=DNS_IP))


def commands(place: Place, programs: Programs) -> dict[str, list[str | Path]]:
    """Returns how each daemon of the node is started, by name."""
    run, control_plane = place.run, programs.control_plane
    quiet = ["--leader-elect=false", "--secure-port=0"]
    return {
        "containerd": ["containerd", "-c", run / "containerd.toml"],
        "etcd": [control_plane, "etcd", *_etcd_flags(run)],
        "kube-apiserver": [control_plane, "kube-apiserver", *_apiserver_flags(place)],
        "kube-controller-manager": [
            *(control_plane, "kube-controller-manager", f"--kubeconfig={run}/controller-manager.conf"),
            f"--service-account-private-key-file={place.keys}/sa.key",
            f"--root-ca-file={place.keys}/ca.crt",
            "--use-service-account-credentials=true",
            "--controllers=*,-nodeipam,-service-lb-controller",
            *quiet,
        ],
        "kube-scheduler": [control_plane, "kube-scheduler", f"--kubeconfig={run}/scheduler.conf", *quiet],
        "kubelet": [
            *(programs.node, "kubelet", f"--config={run}/kubelet.yaml", f"--kubeconfig={run}/kubelet.conf"),
            *(f"--root-dir={run}/kubelet", f"--hostname-override={place.name}", f"--node-ip={NODE_IP}"),
        ],
        "kube-proxy": [programs.node, "kube-proxy", f"--config={run}/kube-proxy.yaml"],
    }


def _network() -> Object:
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": POD_NET}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": "/run/cni-ipam",
    }
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "node", "plugins": [{**bridge, "ipam": addresses}, ports]}


def _kubelet(place: Place) -> Object:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{place.keys}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{place.keys}/kubelet-serving.crt",
        "tlsPrivateKeyFile": f"{place.keys}/kubelet-serving.key",
        "containerRuntimeEndpoint": f"unix://{place.socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{place.control_group}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "clusterDNS": [DNS_IP],
        "clusterDomain": "cluster.local",
        "resolvConf": f"{place.run}/resolv.conf",
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "200Mi",
            **dict.fromkeys(("nodefs.available", "nodefs.inodesFree"), "0%"),
            **dict.fromkeys(("imagefs.available", "imagefs.inodesFree"), "0%"),
        },
        "nodeStatusUpdateFrequency": "5s",
    }


def _proxy(place: Place) -> Object:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": f"{place.run}/kube-proxy.conf"},
        "clusterCIDR": POD_NET,
        "hostnameOverride": place.name,
        "oomScoreAdj": 0,
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "iptables": {"minSyncPeriod": "100ms"},
    }


def _etcd_flags(run: Path) -> list[str]:
    return [
        *(f"--data-dir={run}/etcd", "--unsafe-no-fsync", "--name=node", f"--initial-cluster=node={_ETCD_PEER}"),
        *(f"--listen-client-urls={_ETCD}", f"--advertise-client-urls={_ETCD}"),
        *(f"--listen-peer-urls={_ETCD_PEER}", f"--initial-advertise-peer-urls={_ETCD_PEER}"),
    ]


def _apiserver_flags(place: Place) -> list[str]:
    keys = place.keys
    return [
        f"--etcd-servers={_ETCD}",
        *("--bind-address=0.0.0.0", f"--secure-port={place.port}", f"--advertise-address={NODE_IP}"),
        f"--service-cluster-ip-range={SERVICE_NET}",
        *("--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true"),
        f"--client-ca-file={keys}/ca.crt",
        *(f"--tls-cert-file={keys}/apiserver.crt", f"--tls-private-key-file={keys}/apiserver.key"),
        f"--kubelet-client-certificate={keys}/kubelet-client.crt",
        f"--kubelet-client-key={keys}/kubelet-client.key",
        f"--kubelet-certificate-authority={keys}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        *(f"--service-account-signing-key-file={keys}/sa.key", f"--service-account-key-file={keys}/sa.key"),
    ]
