"""DIGITS: scikit-learn's 1,797 handwritten digits of 8x8 pixels, 1,197 to train on and 600 to test on, always the same.

Networks of this world (`nets.py`): small convolutional nets whose three middle layers have binary inputs and weights. The
checkpoint `binary` holds three trainings of each of several widths and strengths of the centre loss (lesson 25).
"""
from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits

TRAIN = 1197


def images() -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """(images, labels) to train on and to test on; images (n, 1, 8, 8) from -1 to 1, labels (n,)."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = torch.from_numpy(x[order]).float().view(-1, 1, 8, 8) / 8 - 1, torch.from_numpy(y[order]).long()
    return (x[:TRAIN], y[:TRAIN]), (x[TRAIN:], y[TRAIN:])
