"""A stand-in for KServe's controller of LLMInferenceServices: ``python -m testbed.llmisvc --kubeconfig FILE``.

It plays one engine on one node as it was observed with KServe 0.20 on a real API server. It installs small CRDs of its
own, a preset and a ConfigMap in namespace ``kserve``, prints ``ready`` and works until SIGTERM.

What it does

* Preset, base references and the object are merged in this order: containers and variables by name, arguments as one
  list. What results is a Go template; one that cannot be filled in is CombineBaseError, final.
* The preset starts the simulated engine by ``bash -c SCRIPT --`` with an ``eval`` at its end, so that a shell reads the
  arguments once more. With a command of its own, the object loses all of the preset's flags.
* Deployment ``NAME-kserve`` and Service ``NAME-kserve-workload-svc``; longer names are shortened with a hash.
* Labels of the object reach no pod; ``spec.labels`` do, are stronger than the controller's own, and become part of the
  Deployment's selector, which nobody can change: an edit of them is ReconcileSingleNodeWorkloadError.
* Edits of a preset, a base reference or the ConfigMap roll the services that use them.
* Conditions come a second late. WorkloadsReady follows the Deployment's Available, which stays True over a rollout that
  cannot be scheduled; slow starts and crashes read alike; with a router nothing here is Ready, for want of a gateway.
* The finalizer goes after half a second, whatever pods are left. Annotation ``testbed.autotuner.io/llmisvc:
  leaves-pods`` plays the race in which the object is gone before them, in spite of a deletion in the foreground.
* ``enableLLMInferenceServiceTLS`` in the ConfigMap makes port and probes HTTPS; no engine here answers by that.

What it leaves out: several nodes (ConfigNotFound), prefill, routers and schedulers, autoscalers, downloads, webhooks.
"""
