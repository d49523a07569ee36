"""Recipes of SPEECH: encoders that differ in their windows or positions, each trained from several seeds."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from data import speech, write_card
from data.speech import encoder
from utils.models import tiny

WINDOWS, FULL, NARROW = ((16, 4), (16, 0), (16, 0), (16, 4)), (None,) * 4, ((2, 4), (2, 0), (2, 0), (2, 4))
STEPS = 1000


def _train(folder: Path, about: str, trainings: int = 2, lr: float = encoder.TRAINING["lr"], **sizes) -> None:
    """Train encoders of `sizes` from seeds 0, 1, ..., on data of the same seeds, and write them with a card to `folder`."""
    models, rows = [], []
    test = np.random.default_rng([0, 1])
    sets = [speech.utterances(test, 400), speech.utterances(test, 60, (20, 30)), speech.utterances(test, 20, (80, 80))]
    for seed in range(trainings):
        models.append(encoder.Encoder(**sizes, seed=seed))
        losses = tiny.fit(models[-1], encoder.batches(seed), STEPS, loss=encoder.ctc_loss, description=f"{folder.name} {seed}",
                          **encoder.TRAINING | {"lr": lr})
        models[-1].eval()
        rates = [encoder.wer(models[-1], each) for each in sets]
        rows.append(f"| {seed} | {np.mean(losses[-100:]):.3f} | " + " | ".join(f"{rate:.2f}" for rate in rates) + " |")
    encoder.save(models, folder)
    parameters = sum(weight.numel() for weight in models[0].parameters())
    write_card(folder, [
        about, "",
        f"{trainings} training{'s' if trainings > 1 else ''} of a CTC recogniser of {parameters:,} parameters "
        f"(`data/speech/encoder.py`; 4 layers of width {models[0].config['d_model']}) from fresh weights, {STEPS:,} steps of 16 "
        f"utterances of 2 to 7 words from a pool of 6,000, learning rate {lr:g}. Weights in half precision. Load it with "
        "`data.speech.encoder.load`.", "",
        "Word error rate in percent on fresh utterances: 400 of 2 to 7 words, 60 of 20 to 30, 20 of 80; and the mean training "
        "loss per word of the last 100 steps.", "",
        "| seed | loss | 2 to 7 | 20 to 30 | 80 |", "|---|---|---|---|---|", *rows], library="")


def stream(folder: Path) -> None:
    """The streaming encoder of lesson 12: windows with a little look-ahead, no positions."""
    _train(folder, "Sliding windows of 16 frames, 4 frames of look-ahead in the first and the last layer, no positions.",
           trainings=3, windows=WINDOWS)


def stream_rope(folder: Path) -> None:
    """The same windows, with rotary positions."""
    _train(folder, "The windows of `stream`, with rotary positions.", windows=WINDOWS, positions="rope")


def narrow(folder: Path) -> None:
    """Windows that hardly hold a word."""
    _train(folder, "Windows of 2 frames, look-ahead as in `stream`, no positions.", windows=NARROW)


def full_rope(folder: Path) -> None:
    """Full attention with rotary positions."""
    _train(folder, "Full attention with rotary positions.", windows=FULL, positions="rope")


def full_none(folder: Path) -> None:
    """Full attention without positions."""
    _train(folder, "Full attention without positions.", windows=FULL)


def full_sinusoidal(folder: Path) -> None:
    """Full attention with sinusoidal positions."""
    _train(folder, "Full attention with sinusoidal positions added to the input.", windows=FULL, positions="sinusoidal")


def full_large(folder: Path) -> None:
    """Full attention with rotary positions, six times the parameters."""
    _train(folder, "Full attention with rotary positions, six times the parameters of the others.", trainings=1, lr=2e-3,
           windows=FULL, positions="rope", d_model=120)


RECIPES = [stream, stream_rope, narrow, full_rope, full_none, full_sinusoidal, full_large]
