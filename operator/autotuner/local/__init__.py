"""One machine as a cluster: an API in this process, kept in a folder, and a node that runs pods here.

The controllers are the operator's own; what an experiment asks for are the same objects as on a cluster.
"""
