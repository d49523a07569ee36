"""Test settings: stored outputs are those of the default seed and thread count, whatever the caller's shell says."""
import os

for name in ("COURSE_SEED", "COURSE_THREADS"):
    os.environ.pop(name, None)
