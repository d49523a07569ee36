"""Makes the checkpoints of data/: `python -m utils.course.build [NAME ...]`; `--check` compares them with the manifest."""
from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import time

import torch

from utils.course import run_command
from utils.models import load
from utils.settings import CourseError, course_folder

OURS = ("MANIFEST.json", "README.md")  # in data/ itself, written by hand or by this module


def find_recipes() -> dict:
    """What the lists RECIPES of data/*/recipes.py hold: `world/name` -> function(folder) that fills the empty data/world/name."""
    worlds = sorted(path.parent.name for path in course_folder("data").glob("*/recipes.py"))
    return {f"{world}/{make.__name__}": make
            for world in worlds for make in importlib.import_module(f"data.{world}.recipes").RECIPES}


RECIPES = find_recipes()


def known(name: str) -> None:
    """Raise CourseError if there is no recipe `name`."""
    if name not in RECIPES:
        raise CourseError(f"there is no recipe {name!r}; the recipes are: {', '.join(RECIPES)}")


def build(name: str) -> float:
    """Run the recipe `name` in a temporary folder, put the result in place of data/`name`, and renew the manifest.

    Returns the CPU seconds it took. If the recipe fails or is interrupted, data/ stays as it was. Raises CourseError for an
    unknown name, or for a recipe that makes no file or a file over 4 MB.
    """
    known(name)
    data = course_folder("data")
    new, old, done = data / "new.tmp" / name, data / "old.tmp" / name, False
    if old.exists():  # an earlier build was killed before it was done
        shutil.rmtree(data / name, ignore_errors=True)
        old.rename(data / name)
    shutil.rmtree(data / "new.tmp", ignore_errors=True)
    new.mkdir(parents=True)
    try:
        torch.set_num_threads(1)
        start = time.process_time()
        RECIPES[name](new)
        seconds = time.process_time() - start
        made = sorted(path for path in new.rglob("*") if path.is_file())
        if not made:
            raise CourseError(f"the recipe {name!r} made no file")
        if large := [path.name for path in made if path.stat().st_size > 4e6]:
            raise CourseError(f"the recipe {name!r} made {large[0]} of more than 4 MB, too large to ship")
        listed = load.manifest() if (data / "MANIFEST.json").exists() else {}
        listed = {path: entry for path, entry in listed.items() if entry["recipe"] in RECIPES and entry["recipe"] != name}
        for path in made:
            path.chmod(0o644)
        listed |= {f"{name}/{path.relative_to(new).as_posix()}": {
            "sha256": load.sha256(path), "recipe": name, "seconds": round(seconds)} for path in made}
        (data / "MANIFEST.tmp").write_text(json.dumps(dict(sorted(listed.items())), indent=1) + "\n")
        if (data / name).exists():
            old.parent.mkdir(parents=True, exist_ok=True)
            (data / name).rename(old)
        (data / name).parent.mkdir(exist_ok=True)
        new.rename(data / name)
        os.replace(data / "MANIFEST.tmp", data / "MANIFEST.json")
        done = True
    finally:
        if old.exists() and not done:
            shutil.rmtree(data / name, ignore_errors=True)
            old.rename(data / name)
        shutil.rmtree(data / "new.tmp", ignore_errors=True)
        shutil.rmtree(data / "old.tmp", ignore_errors=True)
    return seconds


def check() -> list[str]:
    """What is wrong with data/: one line per file that is missing, altered or unlisted, and per recipe without output."""
    data, listed = course_folder("data"), load.manifest()
    problems = []
    for path, entry in listed.items():
        if entry["recipe"] not in RECIPES:
            problems.append(f"data/{path}: listed as made by {entry['recipe']}, which is no recipe")
        elif not (data / path).is_file():
            problems.append(f"data/{path}: missing")
        elif load.sha256(data / path) != entry["sha256"]:
            problems.append(f"data/{path}: altered (its SHA-256 is not the listed one)")
    present = {path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    problems += [f"data/{path}: no recipe made this file" for path in sorted(present - set(listed) - set(OURS))]
    made = {entry["recipe"] for entry in listed.values()}
    return problems + [f"data/{name}: not built yet" for name in RECIPES if name not in made]


def main() -> int:
    """Command line of `make data` and `make data-check`; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m utils.course.build", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="recipes to run; all when none is given")
    parser.add_argument("--check", action="store_true", help="compare data/ with its manifest, build nothing")
    arguments = parser.parse_args()
    if arguments.check:
        problems = check()
        print("\n".join(problems) or f"data/ holds the {len(load.manifest())} files that its manifest lists.")
        return 1 if problems else 0
    for name in arguments.names:
        known(name)
    for name in arguments.names or RECIPES:
        print(f"data/{name}: built in {build(name):.0f} CPU seconds")
    return 0


if __name__ == "__main__":
    run_command(main)
