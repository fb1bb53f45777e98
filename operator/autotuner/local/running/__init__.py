"""A task on one machine from its file to its answer: the operator's controllers on an API kept in a folder."""
