"""What people are told of tasks and experiments: pure functions of the objects."""
