"""`python -m utils.course.sweep NN --seeds 5`: runs a lesson under COURSE_SEED 1..5 and prints every claim's values and margin."""
from __future__ import annotations

import argparse
import os
import sys

from utils import cards
from utils.course import notebook, run_command, scoreboard
from utils.settings import CourseError


def sweep(number: int, seeds: int) -> bool:
    """Run lesson `number` under COURSE_SEED 1..`seeds`, print a line per claim, return whether every claim held at every seed.

    The margin is the smallest distance between a measured value and the end of its claim's interval, negative when it
    lies outside, in the claim's own unit. A claim that an earlier error kept from being measured shows as `-`.
    """
    card, path = cards.load(number), notebook.find(number)
    measured, clean = {claim.id: [] for claim in card.claims}, True
    for seed in range(1, seeds + 1):
        os.environ["COURSE_SEED"] = str(seed)
        done = notebook.execute(path, keep_going=True)
        values = scoreboard.claim_values(done)
        for id, found in measured.items():
            found.append(values.get(id))
        errors = scoreboard.errors(done)
        clean = clean and not errors
        print(f"COURSE_SEED={seed}: " + ("every cell ran" if not errors else "; ".join(errors)), flush=True)
    print(f"\n{'claim':28}{'holds':>14}{'margin':>10}   values at seeds 1..{seeds}")
    for claim in card.claims:
        values = measured[claim.id]
        margin = min((claim.holds.margin(value) for value in values if value is not None), default=float("nan"))
        print(f"{claim.id:28}{claim.holds.text:>14}{margin:10.3g}   " + "  ".join("-" if v is None else f"{v:.4g}" for v in values))
    return clean and all(value is not None and value in claim.holds for claim in card.claims for value in measured[claim.id])


def main() -> None:
    """Command line of `make sweep`; leaves with an error when a claim failed at some seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number", type=int, help="the lesson's number")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds, counted from 1")
    arguments = parser.parse_args()
    if arguments.seeds < 1:
        raise CourseError(f"SEEDS={arguments.seeds}: give at least one seed")
    if not sweep(arguments.number, arguments.seeds):
        sys.exit("not every claim held at every seed")


if __name__ == "__main__":
    run_command(main)
