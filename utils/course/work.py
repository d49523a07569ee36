"""`python -m utils.course.work`: a copy of the notebooks to work in, work/, which git ignores and updates never overwrite."""
from __future__ import annotations

import argparse

import nbformat

from utils.course import notebook, run_command
from utils.settings import ROOT


def _sources(path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


def copy() -> list[str]:
    """Bring work/ up to date and return a line for each lesson that was kept back.

    work/.original/ keeps each lesson as it was copied. One that changed since is copied anew; if the learner wrote something
    into theirs, it is set aside as NN_slug.mine-1.ipynb.
    """
    notes = []
    for path in notebook.all_paths():
        inside = path.relative_to(ROOT / "notebooks")
        mine, original = ROOT / "work" / inside, ROOT / "work" / ".original" / inside
        if mine.exists() and original.exists() and _sources(original) == _sources(path):
            continue
        if mine.exists() and not (original.exists() and _sources(original) == _sources(mine)):
            number = next(i for i in range(1, 1000) if not mine.with_suffix(f".mine-{i}.ipynb").exists())
            aside = mine.rename(mine.with_suffix(f".mine-{number}.ipynb"))
            notes.append(f"{inside} has changed: yours is now {aside.name}, beside the new one")
        for target in (mine, original):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return notes


def main() -> None:
    """Command line of `make work`."""
    argparse.ArgumentParser(prog="python -m utils.course.work", description=__doc__).parse_args()
    for note in copy():
        print(note)


if __name__ == "__main__":
    run_command(main)
