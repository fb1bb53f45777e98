"""Stories on a real cluster: a node of this machine, or the one that KUBECONFIG names.

The operator is installed by its chart from images, OME's part is played by the stand-in unless the cluster has OME.
"""
