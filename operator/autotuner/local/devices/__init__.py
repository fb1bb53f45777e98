"""The accelerators of this machine: which there are, what a node would say of them, and who uses them."""
