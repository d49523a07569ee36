"""MAPS: eight places with one arrow out of each, and questions about where a walk along the arrows leads.

A prompt is a map of eight arrows in random order (`3>5` leads from 3 to 5; no two arrows lead to the same place), a mode, and a
question: `4^2` asks for the place two arrows after 4. The answer goes on for AHEAD places: in mode `walk` it names every place on
the way from the first arrow on, in mode `jump` the place asked for and the ones after it.

    <bos> 6>4 0>1 5>7 7>2 1>0 4>5 2>3 3>6 walk 6^2   4 5 7
    <bos> 6>4 0>1 5>7 7>2 1>0 4>5 2>3 3>6 jump 6^2   5 7 2

Models of this world: `base`, a decoder that walks any way and jumps one; for it the coprocessors `four` and `eight` and their
rivals `scratch`, `pause`, `finetuned` and `deeper` (lesson 14).
"""
from __future__ import annotations

import numpy as np
import torch

from utils.models import tiny

PLACES, HOPS, AHEAD = 8, 3, 3
MODES = ("walk", "jump")
VOCABULARY = ["<pad>", "<bos>", "<eos>", *MODES, *map(str, range(PLACES)),
              *(f"{a}^{h}" for a in range(PLACES) for h in range(1, HOPS + 1)),
              *(f"{a}>{b}" for a in range(PLACES) for b in range(PLACES))]
PLACE, ASK, ARROW = (VOCABULARY.index(word) for word in ("0", "0^1", "0>0"))
tokenizer = tiny.word_tokenizer(VOCABULARY)


def draw(rng: np.random.Generator, count: int, mode: str, hops=None) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids of `count` prompts (count, 11) and their answers (count, AHEAD).

    `hops`: the arrows asked for, 1 to HOPS, one number or one per prompt; drawn if None. Raises ValueError for an unknown mode and
    for hops out of range.
    """
    if mode not in MODES:
        raise ValueError(f"the mode is one of {', '.join(MODES)}; found {mode!r}")
    hops = rng.integers(1, HOPS + 1, count) if hops is None else np.broadcast_to(hops, count)
    if hops.min() < 1 or hops.max() > HOPS:
        raise ValueError(f"a question asks for 1 to {HOPS} hops; found {hops.min()} to {hops.max()}")
    to = rng.permuted(np.tile(np.arange(PLACES), (count, 1)), axis=1)            # to[i, a]: where a leads on map i
    order = rng.permuted(np.tile(np.arange(PLACES), (count, 1)), axis=1)
    arrows = ARROW + order * PLACES + np.take_along_axis(to, order, 1)
    way = [start := rng.integers(PLACES, size=count)]
    for _ in range(HOPS + AHEAD):
        way.append(to[np.arange(count), way[-1]])
    first = hops if mode == "jump" else np.ones(count, int)
    answers = PLACE + np.take_along_axis(np.stack(way, 1), first[:, None] + np.arange(AHEAD), 1)
    ends = np.stack([np.full(count, VOCABULARY.index(mode)), ASK + start * HOPS + hops - 1], 1)
    prompts = np.hstack([np.full((count, 1), tokenizer.bos_token_id), arrows, ends])
    return torch.tensor(prompts), torch.tensor(answers)


def stops(prompts: torch.Tensor) -> list[torch.Tensor]:
    """The places (0-7) at the start and after 1 to HOPS arrows, HOPS + 1 tensors (rows,), read off `prompts` (rows, 11)."""
    way, arrows = [(prompts[:, -1] - ASK) // HOPS], prompts[:, 1:1 + PLACES] - ARROW
    for _ in range(HOPS):
        way.append((arrows % PLACES)[arrows // PLACES == way[-1][:, None]])
    return way
