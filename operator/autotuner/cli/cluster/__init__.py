"""Commands on tasks, experiments, models, runtimes and what serves in a cluster."""
