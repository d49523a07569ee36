"""Recipes of the RULEBOOK world: a small and a large reasoner trained on the same texts."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from data import rulebook, write_card
from utils.models import tiny

BATCH = 64


def _reasoner(folder: Path, about: str, steps: int, lr: float, **sizes) -> None:
    """Train a reasoner of the given sizes on both formats; save it with its card in `folder`."""
    tokenizer, rng = tiny.word_tokenizer(rulebook.VOCABULARY), np.random.default_rng(0)
    model = tiny.causal_lm(tokenizer, 0, max_position_embeddings=64, **sizes)

    def batch(step):
        drawn = [problem for name in rulebook.FORMATS for problem in rulebook.problems(rng, BATCH // 2, name)]
        return tiny.pack(tokenizer, [problem.prompt for problem in drawn], [problem.solution(rng) for problem in drawn])

    losses = tiny.fit(model, batch, steps, lr, description=folder.name)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)

    rows, generator = [], torch.Generator().manual_seed(0)
    for name in rulebook.FORMATS:
        test = rulebook.problems(np.random.default_rng([0, 1]), 500, name)
        prompts = [problem.prompt for problem in test]
        texts = tiny.sample(model, tokenizer, prompts, 50, temperature=0.6, generator=generator).texts
        right = np.array([text.split()[-3:] == ["#", str(problem.answer), "<eos>"] for problem, text in zip(test, texts)])
        first = [problem.step_right(problem.start, text.split(";")[0] + ";") for problem, text in zip(test, texts)]
        mode = np.array([problem.mode for problem in test])
        cells = [right.mean(), np.mean(first), right[mode < 2].mean(), right[mode >= 5].mean()]
        rows.append(f"| {name} | " + " | ".join(f"{cell:.3f}" for cell in cells) + " |")
    write_card(folder, [
        about, "",
        f"A LlamaForCausalLM of {model.num_parameters():,} parameters (layers: {model.config.num_hidden_layers}, width: "
        f"{model.config.hidden_size}) for the RULEBOOK world (`data/rulebook`), vocabulary {len(tokenizer)} words, "
        f"trained from fresh weights (seed 0) for {steps} steps of {BATCH} problems, half in each format, at a learning rate "
        f"of {lr:g}, the loss on the thoughts and answers; mean loss of the last 50 steps {np.mean(losses[-50:]):.3f}.", "",
        "Share of 500 fresh problems, sampled at temperature 0.6.", "",
        "| format | answer right | first step right | answer right, modes 0-1 | answer right, modes 5-9 |",
        "|---|---|---|---|---|", *rows])


def small(folder: Path) -> None:
    """Knows the frequent modes, guesses in the rare ones."""
    _reasoner(folder, "Too small to hold the whole rule book: it knows the frequent modes and guesses in the rare ones.",
              700, 8e-3, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=44)


def large(folder: Path) -> None:
    """Knows the whole rule book."""
    _reasoner(folder, "Holds the whole rule book; trained on the same texts as `rulebook/small`.",
              1500, 5e-3, hidden_size=32, num_hidden_layers=4, num_attention_heads=4, intermediate_size=88)


RECIPES = [small, large]
