"""Shared scaffolding of the course: cards, claims, cost meters, plots and tiny models.

A lesson's method is never in here; it is written out in the lesson's notebook.
"""
import logging
import os

from utils.settings import course_threads

# One thread unless COURSE_THREADS says otherwise. The numeric libraries read these when they are first imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, str(course_threads()))
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
logging.getLogger("matplotlib").setLevel(logging.ERROR)  # a first run builds font caches, and says so in the first cell

from utils.lesson import Lesson  # noqa: E402
from utils.progress import progress  # noqa: E402

__all__ = ["Lesson", "progress"]
