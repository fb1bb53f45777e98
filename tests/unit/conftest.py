from hypothesis import settings

# The same examples on every machine and every run; a slow machine is no failure.
settings.register_profile("project", deadline=None, derandomize=True, database=None)
settings.load_profile("project")
