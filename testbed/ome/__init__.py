"""A stand-in for the Open Model Engine 0.1.5: ``python -m testbed.ome --kubeconfig FILE``.

It plays OME's controller and model agent as they were observed on a real API server. It installs small CRDs of its
own (unless others are there, such as OME's real ones), creates namespace ``ome``, prints ``ready`` and works until
SIGTERM. To play a manager that is down, stop the process; the next one takes everything up where it finds it.
With ``--install-only`` it ends after the installation. Do that before a kube-controller-manager starts: its garbage
collector learns of new kinds only once a minute, and until then foreground deletion of their objects hangs.

What it does

* InferenceService: finalizer, checks, merge of runtime and engine, ConfigMap, Deployment, two Services, HPA,
  PodDisruptionBudget, status and events. The kube-controller-manager makes the pods.
* Failures are OME's: a Warning event whose count grows while the status stays empty (RuntimeValidationError,
  ModelReconcileError, DeploymentModeError ...), or nothing at all: an unnamed runner, ``{{ messages }}`` in the
  arguments, GPU limit unequal to request, no replicas, a model with dots in its name, a name of 64 characters.
* Like OME it is not woken by runtimes and models: it looks again with its next back-off (5 ms, doubling) or when
  the InferenceService or one of its children changes. Any change of labels or annotations rolls the pods.
* Deletion: the finalizer goes at once, the children by garbage collection. While the model does not exist it stays.
* ClusterBaseModel, BaseModel: finalizer, In_Transit, then Ready or Failed from the ConfigMaps of the nodes; writes
  of others into the status are undone. The agent fills in the ConfigMaps and labels the nodes.

What it leaves out: webhooks. A ValidatingAdmissionPolicy refuses bad names, a decoder without engine and unknown
autoscaler classes with OME's words; there is no defaulting; a missing model, which OME refuses with 403, becomes the
event ModelReconcileError. Only mode RawDeployment with an engine is played; a runtime is never selected by itself.

Switches

Annotation ``testbed.autotuner.io/ome`` with one or more words, comma-separated, on the InferenceService or on the
(Cluster)ServingRuntime that it names:

* ``silent``: the ConfigMap of the model and then nothing.
* ``never-ready``: the pod runs, its readiness probe fails.
* ``unschedulable``: the pod finds no node.
* ``quota``: the pod is refused, "exceeded quota".
* ``slow-stop``: the pod stays, terminating, ``testbed.autotuner.io/slow-stop-seconds`` (5) after its deletion.
* ``late-url``: url and address appear only together with Ready.
* ``stuck-deletion``: OME's finalizer stays until the annotation goes and OME looks again.
* ``crash-reported``: a crash of the engine reaches modelStatus at once; else only if something else wakes OME.
* ``warn``: the two harmless warnings (InternalError, UpdateFailed) that healthy services show too.

On a (Cluster)BaseModel: ``testbed.autotuner.io/model: Failed`` or ``Never``, and
``testbed.autotuner.io/model-delay-seconds`` for the time of the download.
"""
