"""A stand-in for KServe's controller of InferenceServices: ``python -m testbed.kserve --kubeconfig FILE``.

It plays the mode Standard as it was observed with KServe 0.20 on a real API server. It installs small CRDs of its own
unless others are there, prints ``ready`` and works until SIGTERM. To play a manager that is down, stop the process.

What it does

* The engine's container is the runtime's with the InferenceService's on top. Arguments are the exception: the runtime's
  come first, those of the InferenceService after them. A shell's script in the runtime therefore never reads them.
* Arguments, variables and the like are Go templates over the object's metadata; one that cannot be filled in is final.
* Labels and annotations of the object, of its predictor and of its runtime go to the Deployment and its pods, so that
  every edit of one rolls the pods. ``app`` is KServe's own, and the only thing by which Deployment and Service select.
* Deployment and Service are called ``NAME-predictor``; the Service leads from port 80 to the engine's first port.
* An edit of a runtime rolls all InferenceServices of it.
* Conditions lag by a second and lie: Ready and PredictorReady follow the Deployment's Available, which stays True over
  a rollout that cannot be scheduled; a slow start and a crash read alike; ``observedGeneration`` is the Deployment's.
* InvalidSpec (runtime missing or without the engine's container, no runtime for a format, a bad template) and
  ReconcileFailed (a name that is too long, an object that the API server refuses) stay until somebody edits.
* A healthy InferenceService gets the event InternalError too, as from a write conflict.
* The finalizer goes at once, whatever pods are left; the rest is the garbage collector's.
* ``stop`` deletes the Deployment; with ``disable-auto-update`` nothing is carried out once it is Ready.
* Any Deployment or Service that bears the two labels of a predictor under another name is deleted, whoever owns it.

What it leaves out: webhooks (old forms are not rewritten, a custom predictor's container is not renamed), downloads of
a model, the agent, autoscalers, ingresses, transformers, several nodes and Knative.
"""
