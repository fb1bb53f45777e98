#!/bin/bash
# The first process of the node, in new pid, net, mount, uts and ipc namespaces: makes of them what a node needs, then
# becomes the pause program. first-process.sh RUN CONTROL-GROUP NAME NODE-IP SERVICE-NET PAUSE
set -eu
run=$1 group=$2 name=$3 node_ip=$4 service_net=$5 pause=$6

read -r pid _ </proc/self/stat # /proc is still the machine's: this is the pid out there
echo "$pid" >"$run/node.pid"
for hierarchy in /sys/fs/cgroup/*/; do
	[ -e "$hierarchy/cgroup.clone_children" ] || continue # not of version 1
	mkdir -p "$hierarchy$group/sys" # sys is for the daemons; the kubelet makes kubepods beside it
	if [ -e "$hierarchy/cpuset.cpus" ]; then
		for folder in "$hierarchy$group" "$hierarchy$group/sys"; do
			cat "$hierarchy/cpuset.cpus" >"$folder/cpuset.cpus"
			cat "$hierarchy/cpuset.mems" >"$folder/cpuset.mems"
		done
	fi
	echo 0 >"$hierarchy$group/sys/cgroup.procs"
done

mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p "$run"/var/{up,work} "$run"/kubelet "$run"/sys
mount -t overlay -o "lowerdir=/var,upperdir=$run/var/up,workdir=$run/var/work" overlay /var
mkdir -p /var/lib/kubelet /run/lock
mount --bind "$run/kubelet" /var/lib/kubelet
mount --bind "$run/host-resolv.conf" /etc/resolv.conf
for setting in vm/overcommit_memory=1 kernel/panic=10 kernel/panic_on_oops=1; do # what the kubelet sets is for the node alone
	file=$run/sys/$(basename "${setting%%=*}")
	echo "${setting##*=}" >"$file"
	mount --bind "$file" "/proc/sys/${setting%%=*}"
done
mount --make-rshared /
hostname "$name"

ip link set lo up
ip link add node0 type bridge
ip addr add "$node_ip/24" dev node0
ip link set node0 up
ip route add "$service_net" dev node0 # a route must exist before an address can be translated; nothing leads out of the node
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
touch "$run/node.ready"
exec "$pause"
