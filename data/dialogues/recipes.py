"""Recipes of DIALOGUES: RxT and its rivals, all trained alike; and what the stages of RxT's training are good for."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from data import dialogues, write_card
from data.dialogues import models
from utils.models import tiny

STAGES = ((2, 100), (4, 200), (8, 700), (16, 500))  # (turns of a dialogue, steps): decoders over the history
RXT = ((8, 700), (16, 500))
ROWS, LENGTHS = 64, (4, 8, 16, 32, 64)


def answer_loss(model, ids: torch.Tensor) -> torch.Tensor:
    """Cross-entropy in nats of the answers from the second turn on; back-propagates through all turns before."""
    return F.cross_entropy(model(ids)[:, 1:].flatten(0, 1), ids[:, 1:, dialogues.ANSWER].flatten())


def curriculum(rng: np.random.Generator, stages=STAGES, rows: int = ROWS):
    """A `batch(step)` for `tiny.fit`: `rows` dialogues, whose turns grow from stage to stage."""
    turns = [turns for turns, steps in stages for _ in range(steps)]
    return lambda step: (dialogues.draw(rng, rows, turns[step]),)


def train(model, seed: int, stages=STAGES, description: str = "training"):
    """Train `model` in place on the answers; returns the losses of all steps."""
    return tiny.fit(model, curriculum(np.random.default_rng(seed), stages), sum(steps for _, steps in stages), 3e-3,
                    loss=answer_loss, weight_decay=0.01, description=description)


@torch.no_grad()
def accuracy(model, turns: int, count: int = 200) -> float:
    """Share of right answers from the second turn on, in fresh dialogues that are the same for every model."""
    ids = dialogues.draw(np.random.default_rng([turns, 1]), count, turns)
    return (model(ids)[:, 1:].argmax(-1) == ids[:, 1:, dialogues.ANSWER]).float().mean().item()


def _make(folder: Path, about: str, make, config: dict, stages=STAGES, trainings: int = 2, before=()) -> None:
    trained, rows = [], []
    for seed in range(trainings):
        torch.manual_seed(seed)
        trained.append(make(**config))
        for stage in before:
            stage(trained[-1], seed)
        train(trained[-1], seed, stages, description=f"{folder.name} {seed}")
        rows.append(f"| {seed} | " + " | ".join(f"{accuracy(trained[-1], turns):.3f}" for turns in LENGTHS) + " |")
    models.save(trained, folder, config)
    steps = ", ".join(f"{steps} of {turns}" for turns, steps in stages)
    parameters = sum(weight.numel() for weight in trained[0].parameters())
    write_card(folder, [
        about, "",
        f"{trainings} trainings of {parameters:,} parameters (`data/dialogues/models.py`) from fresh weights: steps of {ROWS} "
        f"dialogues, {steps} turns; AdamW, learning rate 0.003; loss on the answers from the second turn on. Weights in half "
        "precision. Load it with `data.dialogues.models.load`.", "",
        "Share of right answers from the second turn on, 200 fresh dialogues for each length in turns.", "",
        "| seed | " + " | ".join(map(str, LENGTHS)) + " |", "|---" * (len(LENGTHS) + 1) + "|", *rows], library="")


def rxt(folder: Path) -> None:
    """The Reactive Transformer of lesson 15."""
    _make(folder, "A Reactive Transformer: 16 slots, read before and updated after each answer. Stages 1 and 2 of the paper's "
          "training (`recipes.joint`), then stage 4.", models.RxT, {}, stages=RXT, trainings=3, before=(joint,))


def full(folder: Path) -> None:
    """The rival with the whole history."""
    _make(folder, "A decoder of two layers over the whole history.", models.History, {"window": None})


def window_1(folder: Path) -> None:
    """The rival whose state is closest to RxT's."""
    _make(folder, "A decoder of two layers; a token sees its own turn and the one before.", models.History, {"window": 1})


def window_14(folder: Path) -> None:
    """The rival that, with a cache, computes about as much per turn as RxT."""
    _make(folder, "A decoder of two layers; a token sees its own turn and 14 before.", models.History, {"window": 14})


def joint(model: models.RxT, seed: int, steps: int = 150, noise: float = 0.3) -> None:
    """The paper's stages 1 and 2: the encoder fills in masked words; the decoder reads its states of the turn before,
    detached and with noise, as if they were the memory."""
    rng, generator = np.random.default_rng([seed, 1]), torch.Generator().manual_seed(seed)
    guess, mask = torch.nn.Linear(models.D, models.WORDS), torch.nn.Parameter(torch.zeros(models.D))
    optimizer = torch.optim.AdamW([*model.parameters(), *guess.parameters(), mask], lr=3e-3, weight_decay=0.01)
    for _ in range(steps):
        ids = dialogues.draw(rng, 2 * ROWS, 2)
        turns = ids.flatten(0, 1)
        hidden = torch.rand(turns.shape, generator=generator) < 0.15
        states = model.encode(turns, lambda x: torch.where(hidden[..., None], mask, x))
        data = model.encode(ids[:, 0]).detach()
        data = data + noise * torch.randn(data.shape, generator=generator)
        found = model.decode(ids[:, 1, :dialogues.QUESTION], model.cache(data))
        loss = F.cross_entropy(guess(states[hidden]), turns[hidden]) + F.cross_entropy(found, ids[:, 1, dialogues.ANSWER])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def memory_alone(model: models.RxT, seed: int, steps: int = 150, turns: int = 4) -> None:
    """The paper's stage 3: memory attention learns to return (1 - w) STM + w ED, by cosine, without any question.

    A turn has 7 encoded words, the memory 16 slots: slot j gets word j modulo 7. The memory starts as noise; w is 0.9 in
    the first turn, then falls from 0.5 by a tenth a turn.
    """
    rng, generator = np.random.default_rng([seed, 3]), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.update.parameters(), lr=3e-3, weight_decay=0.01)
    word = torch.arange(models.SLOTS) % dialogues.TURN
    for _ in range(steps):
        ids = dialogues.draw(rng, ROWS, turns)
        with torch.no_grad():
            data = model.encode(ids.flatten(0, 1)).unflatten(0, (ROWS, turns))
        memory, loss = torch.randn(ROWS, models.SLOTS, models.D, generator=generator), 0
        for t, w in enumerate((0.9, 0.5, 0.4, 0.3)[:turns]):
            target = (1 - w) * memory.detach() + w * data[:, t, word]
            memory, _ = model.update(memory, data[:, t])
            loss = loss - F.cosine_similarity(memory, target, dim=-1).mean() / turns
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def rxt_alone(folder: Path) -> None:
    """RxT without the stages before the last."""
    _make(folder, "RxT from fresh weights: stage 4 of the paper's training alone.", models.RxT, {}, stages=RXT, trainings=3)


def rxt_whole(folder: Path) -> None:
    """RxT after all the paper's stages, memory attention alone included."""
    _make(folder, "RxT after all the paper's stages: 1 and 2 (`recipes.joint`), 3 (`recipes.memory_alone`), 4.", models.RxT, {},
          stages=RXT, trainings=3, before=(joint, memory_alone))


RECIPES = [rxt, rxt_alone, rxt_whole, full, window_1, window_14]
