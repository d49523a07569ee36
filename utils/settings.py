"""Where the course lives on disk and what the environment asks of it (COURSE_SEED, COURSE_THREADS)."""
from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class CourseError(Exception):
    """Something about the course's files or settings is wrong; the message says what, and what to do."""


def course_folder(name: str) -> Path:
    """The folder `name` of the repository that `utils` belongs to; CourseError if `utils` lies away from its repository."""
    folder = ROOT / name
    if not folder.is_dir():
        raise CourseError(f"{folder} does not exist: utils runs from inside a clone of the course. "
                          "Clone the repository and install it in place with `pip install -e .` (or use `make lab`).")
    return folder


def check_clone() -> None:
    """Raise CourseError if Python skips asserts, on which lessons rest, or if this code and the working folder are of two clones."""
    if not __debug__:
        raise CourseError("Python runs with -O or PYTHONOPTIMIZE set, which skips every assert: nothing here would be checked, and "
                          "every answer would be right. Unset PYTHONOPTIMIZE and restart the kernel.")
    here = next((folder for folder in (Path.cwd(), *Path.cwd().parents)
                 if (folder / "seeds").is_dir() and (folder / "utils" / "lesson.py").is_file()), ROOT)
    if here.resolve() != ROOT:
        raise CourseError(f"this notebook lies in {here}, but this environment runs the course's code from {ROOT}. "
                          f"Run `pip install --no-deps -e .` (or `make lab`) in {here}, and restart the kernel.")


def _whole_number(variable: str, default: int, least: int) -> int:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or not least <= int(text) < 1_000_000:
        raise CourseError(f"{variable}={text!r} is not usable: set it to a whole number from {least} to 999999, "
                          f"or unset it for the default, {default}.")
    return int(text)


def course_seed() -> int:
    """Return COURSE_SEED, the shift applied to every lesson's seed (0 when unset); CourseError if it is no whole number."""
    return _whole_number("COURSE_SEED", default=0, least=0)


def course_threads() -> int:
    """Return COURSE_THREADS, the number of CPU threads a lesson may use (1 when unset); CourseError if not a whole number."""
    return _whole_number("COURSE_THREADS", default=1, least=1)
