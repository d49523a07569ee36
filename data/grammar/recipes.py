"""Recipe of the GRAMMAR world: a decoder that turns records into reports."""
from __future__ import annotations

from pathlib import Path

import numpy as np
from transformers import OPTConfig

from data import grammar, write_card
from utils.models import tiny

STEPS, BATCH, LEARNING_RATE = 2500, 32, 3e-3


def reporter(folder: Path) -> None:
    """Turns records into reports, in every domain and clause order, close to without a mistake."""
    tokenizer, rng = tiny.word_tokenizer(grammar.VOCABULARY), np.random.default_rng(0)
    model = tiny.causal_lm(tokenizer, 0, OPTConfig, hidden_size=48, word_embed_proj_dim=48, num_hidden_layers=6, ffn_dim=192,
                           num_attention_heads=4, max_position_embeddings=64, init_std=0.08, dropout=0.0, attention_dropout=0.0)

    def batch(step):
        drawn = grammar.records(rng, BATCH)
        return tiny.pack(tokenizer, [record.prompt for record in drawn], [record.report for record in drawn])

    tiny.fit(model, batch, STEPS, LEARNING_RATE, description=folder.name)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)

    rows = []
    for name in grammar.DOMAINS:
        test = grammar.records(np.random.default_rng([0, 1]), 500, [name])
        written = tiny.sample(model, tokenizer, [record.prompt for record in test], 19, temperature=0).texts
        rows.append(f"| {name} | {np.mean([text == record.report for text, record in zip(written, test)]):.3f} |")
    write_card(folder, [
        "Turns a record of a contest into a report of four clauses, in the clause order that the prompt asks for.", "",
        f"An OPTForCausalLM of {model.num_parameters():,} parameters for the GRAMMAR world (`data/grammar`), "
        f"vocabulary {len(tokenizer)} words, trained from fresh weights (seed 0) for {STEPS} steps of {BATCH} records at a "
        f"learning rate of {LEARNING_RATE:g}, the loss on the reports alone.", "",
        "Share of 500 fresh records whose whole report is right, greedy.", "",
        "| domain | exact match |", "|---|---|", *rows])


RECIPES = [reporter]
