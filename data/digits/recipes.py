"""Recipe of DIGITS: binary networks of several widths and strengths of the centre loss."""
from __future__ import annotations

from pathlib import Path

from data import write_card
from data.digits import nets

STRENGTHS, WIDTHS, WIDE, TRAININGS = (0, 2e-5, 5e-5, 1e-4, 2e-4), (24, 16, 12, 8), 32, 3
ARMS = [*((WIDE, strength, 1) for strength in STRENGTHS), *((WIDE, 1e-4, centres) for centres in (2, 4, 8)),
        *((width, 0, 1) for width in WIDTHS)]                         # (width, strength, centres)


def binary(folder: Path) -> None:
    """All nets of lesson 25, three trainings of each arm."""
    made, rows = [], []
    for width, strength, centres in ARMS:
        found = []
        for seed in range(TRAININGS):
            net = nets.train(width, seed, strength, centres)
            made.append(({"width": width, "strength": strength, "centres": centres, "seed": seed}, net))
            found.append(nets.accuracy(net))
        rows.append(f"| {width} | {strength:g} | {centres} | " + " | ".join(f"{value:.1f}" for value in found) + " |")
    nets.save(made, folder)
    write_card(folder, [
        "Binary convolutional networks for 8x8 digits, with and without a loss that pulls filters toward centres.", "",
        f"{TRAININGS} trainings of each arm (`data/digits/nets.py`), {nets.EPOCHS} epochs of {nets.BATCH} images a step, Adam, learning "
        "rate 0.003 with a cosine schedule. Binary weights as bits, the rest in half precision. Load them with `data.digits.nets.load`.",
        "", "Right answers on the 600 test images, in percent.", "",
        "| width | strength | centres | training 0 | training 1 | training 2 |", "|---|---|---|---|---|---|", *rows], library="")


RECIPES = [binary]
