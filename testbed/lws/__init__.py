"""A stand-in for LWS, the controller of LeaderWorkerSets: ``python -m testbed.lws --kubeconfig FILE``.

It does what the controller of 0.10 and main after it was seen to do on a real control plane. The StatefulSets are real,
and so are their pods' names, events and deletion: nothing here makes or deletes a worker's pod.

* One StatefulSet of leaders, `NAME`; for each leader pod, once it exists (with startupPolicy LeaderReady: once it is
  ready), one of workers, `NAME-G`, which the pod owns. One headless Service, `NAME`, without ports.
* Labels `leaderworkerset.sigs.k8s.io/name`, `group-index`, `worker-index`, `template-revision-hash` and annotation
  `size` on pods; of the templates' own labels all. LWS_LEADER_ADDRESS, LWS_GROUP_SIZE and LWS_WORKER_INDEX come first
  in every container. The labels of the set go to its StatefulSets, not to pods.
* RecreateGroupOnPodRestart, the default: at the first restart of any container, and when a pod of the group is being
  deleted, the leader is deleted in the foreground, so that the whole group is made anew without any back-off and all
  that it printed is gone; an event RecreateGroup is all that tells. With None containers restart in place.
* Deleted in the background, the set is gone at once, and workers are told to end only when their leader is gone.
* Available appears with the first success, a second late, stays True while pods are terminating, and is True at once
  with no replicas. Nothing says that anything has failed.
* An edit of either template replaces whole groups, leaders first.
* Two sets one of whose names is that of a group of the other fight for a StatefulSet; the later one gets nothing.
* Pods of another kind that bear the label `name` without the annotation are denied.

What it leaves out: webhooks (a label of a worker's pod comes a moment after it), subdomainPolicy UniquePerReplica,
rollout strategies, subgroups, exclusive placement.
"""
