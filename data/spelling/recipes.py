"""Recipes of SPELLING: an autoregressive model, and masked diffusion language models made from such models."""
from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from data import spelling, write_card
from data.spelling import G, MASK, P
from utils.models import tiny

AR_STEPS, DLM_STEPS = 800, 3000


def causal_batches(rng: np.random.Generator, rows: int = 32):
    """`batch(step)` -> input_ids and labels (rows, P + G) of prompts with one good answer each, labels on the answer only."""
    def batch(step):
        prompts, pairs = spelling.draw(rng, rows)
        answers = spelling.answer_ids(pairs)
        return torch.cat([prompts, answers], dim=1), torch.cat([torch.full_like(prompts, -100), answers], dim=1)
    return batch


def bidirectional(ar):
    """A copy of a causal Llama in which every token attends to every other."""
    dlm = copy.deepcopy(ar)
    dlm.config.is_causal = False
    for layer in dlm.model.layers:
        layer.self_attn.is_causal = False
    return dlm


def masked_batches(rng: np.random.Generator, rows: int = 24):
    """`batch(step)` -> input_ids (rows, P + G) with a share r of the answer masked, answers, weights 1/r at masks (rows, G)."""
    def batch(step):
        prompts, pairs = spelling.draw(rng, rows)
        answers = spelling.answer_ids(pairs)
        r = torch.from_numpy(0.15 + 0.85 * (np.arange(rows) + rng.random(rows)) / rows).float()[:, None]     # spread evenly
        hidden = torch.from_numpy(rng.random((rows, G))) < r
        return torch.cat([prompts, answers.masked_fill(hidden, MASK)], dim=1), answers, hidden / r
    return batch


def masked_loss(model, input_ids, answers, weights):
    """Cross-entropy at the masked slots times 1/r; the output at a token predicts the next position, as in Dream."""
    logits = model(input_ids=input_ids, use_cache=False).logits[:, P - 1:-1]
    return (weights * F.cross_entropy(logits.mT, answers, reduction="none")).mean()


def _ar(seed: int):
    """An AR of two layers, trained; 800 steps bring it to its ceiling."""
    model = tiny.causal_lm(spelling.tokenizer, seed, num_hidden_layers=2, hidden_size=64, intermediate_size=128)
    tiny.fit(model, causal_batches(np.random.default_rng([seed, 1])), AR_STEPS, lr=4e-3, description=f"AR {seed}")
    return model


def _write(folder: Path, model, lines: list[str]) -> None:
    """Save a model with the tokenizer of the world and its card."""
    model.save_pretrained(folder)
    spelling.tokenizer.save_pretrained(folder)
    write_card(folder, lines)


def ar(folder: Path) -> None:
    """The autoregressive model, from seed 0."""
    model = _ar(0).eval()
    prompts, pairs = spelling.draw(np.random.default_rng([0, 9]), 1000)
    with torch.no_grad():
        answers = prompts
        for _ in range(G):
            answers = torch.cat([answers, model(input_ids=answers, use_cache=False).logits[:, -1:].argmax(-1)], dim=1)
    right = spelling.right(answers[:, P:], pairs).float().mean().item()
    _write(folder, model, [
        "Writes an answer from left to right.", "",
        f"A causal LlamaForCausalLM of {model.num_parameters():,} parameters for the SPELLING world (`data/spelling`), trained "
        f"for {AR_STEPS} steps of 32 answers (seed 0, learning rate 4e-3). {right:.1%} of 1,000 fresh prompts are answered right "
        "by greedy decoding."])


def _dlm(folder: Path, seed: int) -> None:
    """A DLM made from the AR of the same seed; its card tells how right it is with one and with several tokens per step."""
    model = bidirectional(_ar(seed))
    losses = tiny.fit(model, masked_batches(np.random.default_rng([seed, 3])), DLM_STEPS, lr=2.5e-3, loss=masked_loss,
                      description=f"DLM {seed}")
    model.eval()
    rows = []
    for u in (1, 3, 7, 21):
        prompts, pairs = spelling.draw(np.random.default_rng([seed, 9]), 1000)
        x = F.pad(prompts, (0, G), value=MASK)
        while (x == MASK).any():
            with torch.no_grad():
                best = model(input_ids=x, use_cache=False).logits[:, P - 1:-1].softmax(-1).max(-1)
            sure = best.values.masked_fill(x[:, P:] != MASK, -1)
            kept = sure >= sure.topk(u).values[:, -1:]
            x[:, P:] = torch.where(kept & (x[:, P:] == MASK), best.indices, x[:, P:])
        rows.append(f"| {u} | {spelling.right(x[:, P:], pairs).float().mean().item():.1%} |")
    _write(folder, model, [
        "Fills in masked answers; every token attends to every other.", "",
        f"A LlamaForCausalLM of {model.num_parameters():,} parameters for the SPELLING world (`data/spelling`): the causal AR of "
        f"seed {seed} (as `ar`), made bidirectional (`recipes.bidirectional`: do so again after loading) and trained for "
        f"{DLM_STEPS:,} steps of 24 masked answers, learning rate 2.5e-3. The output at a token predicts the next position. Mean "
        f"loss of the last 100 steps: {np.mean(losses[-100:]):.3f}.", "",
        "Right answers to 1,000 fresh prompts, by the tokens unmasked per step, the surest first:", "",
        "| per step | right |", "|---|---|", *rows])


def dlm_0(folder: Path) -> None:
    """The first training."""
    _dlm(folder, 0)


def dlm_1(folder: Path) -> None:
    """A second training, from another seed."""
    _dlm(folder, 1)


def dlm_2(folder: Path) -> None:
    """A third training, from another seed."""
    _dlm(folder, 2)


RECIPES = [ar, dlm_0, dlm_1, dlm_2]
