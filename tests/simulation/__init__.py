"""Disasters by the thousand: the operator's own controllers in a cluster that exists in memory and in made-up time.

`python -m tests.simulation` plays histories, each drawn from a seed: tasks, nodes, engines, and what goes wrong.
Nothing of the operator is replaced but its time, its network and the cluster around it. `--seed N --trace` plays one
history again, to the letter.
"""
