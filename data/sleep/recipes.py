"""Recipes of the SLEEP world: reasoners that can take notes before they are asked."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import Lfm2Config

from data import sleep, write_card
from utils.models import tiny


def batches(tokenizer, rng: np.random.Generator, batch_size: int = 48):
    """A `batch(step)` for `tiny.fit`: texts of `sleep.training_text`, with labels on the learned pieces."""
    def batch(step):
        drawn = [sleep.training_text(rng, context) for context in sleep.contexts(rng, batch_size)]
        rows = [[(token, learned) for words, learned in pieces for token in tokenizer.convert_tokens_to_ids(words.split())]
                for pieces in drawn]
        input_ids = torch.full((batch_size, max(map(len, rows))), tokenizer.pad_token_id)
        labels = torch.full_like(input_ids, -100)
        for i, row in enumerate(rows):
            tokens, learned = map(torch.tensor, zip(*row))
            input_ids[i, :len(row)] = tokens
            labels[i, :len(row)] = torch.where(learned, tokens, -100)
        return input_ids, labels
    return batch


def _sleep_model(folder: Path, seed: int, steps: int, about: str) -> None:
    """Train a note-taking reasoner for `steps`; save it with its card in `folder`."""
    tokenizer = tiny.word_tokenizer(sleep.VOCABULARY)
    model = tiny.causal_lm(tokenizer, seed, Lfm2Config, hidden_size=64, num_hidden_layers=4, intermediate_size=176,
                           layer_types=["conv", "full_attention"] * 2, num_attention_heads=4, num_key_value_heads=4,
                           block_auto_adjust_ff_dim=False, max_position_embeddings=128, initializer_range=0.06)
    tiny.fit(model, batches(tokenizer, np.random.default_rng(seed)), steps, description=folder.name)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)

    def complete(prompts: list[str]) -> list[str]:
        inputs = tokenizer(prompts, padding=True, return_tensors="pt", return_token_type_ids=False)
        output = model.generate(**inputs, max_new_tokens=48, do_sample=False)[:, inputs.input_ids.shape[1]:]
        return [text.replace("<pad>", "").strip() for text in tokenizer.batch_decode(output)]

    rng = np.random.default_rng([seed, 1])
    contexts = sleep.contexts(rng, 300)
    notes = complete([f"{context.text} <notes>" for context in contexts])
    noted = [sleep.noted_values(context, text) == context.values for context, text in zip(contexts, notes)]
    rows = [f"| whole notes | {np.mean(noted):.2f} / {np.mean([len(text.split()) for text in notes]):.1f} | | |"]
    for name, known in (("answers without notes", [""] * 300),
                        ("answers with its notes", [f"<notes> {text} " for text in notes])):
        cells = []
        for extra in range(3):
            asked = [sleep.queries(rng, context, 1, extra)[0] for context in contexts]
            texts = complete([f"{context.text} {part}{query.text}" for context, part, query in zip(contexts, known, asked)])
            right = np.mean([context.correct(query, text) for context, query, text in zip(contexts, asked, texts)])
            cells.append(f"{right:.2f} / {np.mean([len(text.split()) for text in texts]):.1f}")
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    write_card(folder, [
        about, "",
        f"An Lfm2ForCausalLM (short convolutions and attention in turn) of {model.num_parameters():,} parameters for the "
        f"SLEEP world (`data/sleep`), vocabulary {len(tokenizer)} words, trained from fresh weights (seed {seed}) "
        f"for {steps} steps of 48 texts at a learning rate of 3e-3.", "",
        "Accuracy / mean tokens on 300 fresh contexts, greedy, by the number of operations that the query adds.", "",
        "| | 0 | 1 | 2 |", "|---|---|---|---|", *rows])


def reasoner(folder: Path) -> None:
    """Takes notes on a context, answers from them, and thinks when there are none; close to perfect in all three."""
    _sleep_model(folder, 0, 1800,
                 "Takes notes on a context before it is asked, answers from them, and thinks when there are none.")


def reasoner_early(folder: Path) -> None:
    """The same recipe with a fifth of the steps: its notes err, so several of them can outvote one."""
    _sleep_model(folder, 0, 340, "The recipe of `sleep/reasoner` cut to fewer steps: its notes are often wrong.")


RECIPES = [reasoner, reasoner_early]
