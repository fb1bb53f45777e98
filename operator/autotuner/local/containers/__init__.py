"""Workloads as containers of this machine, by the API that Docker and Podman share."""
