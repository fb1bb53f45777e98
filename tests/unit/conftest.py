import os

from hypothesis import settings

# Two workers share two cores: where the threads of both wait for each other, a proposal takes ten times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# The same examples on every machine and every run; a slow machine is no failure.
settings.register_profile("project", deadline=None, derandomize=True, database=None)
settings.load_profile("project")
