"""What runs on one machine for the pods of a cluster: the life of a pod, and processes in the place of containers."""
