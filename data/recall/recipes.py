"""Recipes of the RECALL world: the reader of long contexts."""
from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from data import recall, write_card
from utils.models import tiny

KEYS = 16  # the longest contexts of the training have so many keys


def recall_batch(model, tokenizer, rng: np.random.Generator, rows: int, keys: int, count: int, kind: str | None = None):
    """(input_ids, labels, links) of `rows` dialogues on contexts of `keys` keys, with `count` queries each.

    The labels are -100 but at the answers. `links` (rows, count) holds the token of the link that a query on two hops passes
    through, -100 for other queries.
    """
    drawn = recall.contexts(rng, rows, keys)
    asked = [recall.queries(rng, context, count, kind) for context in drawn]
    input_ids = recall.encode(model, tokenizer, [recall.dialogue(*pair) for pair in zip(drawn, asked)])
    labels = torch.full_like(input_ids, -100)
    labels[:, 2 - 3 * count::3] = input_ids[:, 2 - 3 * count::3]
    links = [[tokenizer.convert_tokens_to_ids(context.path(query)[0][0]) if query.kind == "two hops" else -100
              for query in queries] for context, queries in zip(drawn, asked)]
    return input_ids, labels, torch.tensor(links)


def recall_loss(model, input_ids, labels, links, weight: float = 0.5):
    """Loss on the answers, plus `weight` times the loss of naming the link of a two-hop query after the second layer.

    Without this help the second hop is learned much later than the first.
    """
    output = model(input_ids=input_ids, labels=labels, use_cache=False, output_hidden_states=True)
    halfway = output.hidden_states[2][:, 1 - 3 * links.shape[1]::3]
    return output.loss + weight * F.cross_entropy(model.lm_head(model.model.norm(halfway)).flatten(0, 1), links.flatten())


@torch.no_grad()
def start_near_look_ups(model, seed: int) -> None:
    """Give a fresh Llama attention that nearly looks things up, so that minutes of training do (mimetic initialization).

    Keys start as copies of the queries, so a token attends to its own kind, and output projections as transposed value
    projections, so a head passes on what it sees. The first head of the first layer starts on the previous token and is
    that layer's only head that writes; all others start out turned away from their own position.
    """
    generator = torch.Generator().manual_seed(seed)
    model.model.embed_tokens.weight.normal_(0, 0.15, generator=generator)
    frequency = model.model.rotary_emb.inv_freq
    for layer in model.model.layers:
        attention, half, d = layer.self_attn, layer.self_attn.head_dim // 2, layer.self_attn.head_dim
        layer.mlp.down_proj.weight.zero_()
        attention.q_proj.weight.normal_(0, 0.2, generator=generator)
        attention.k_proj.weight.copy_(1.5 * attention.q_proj.weight)
        attention.v_proj.weight.normal_(0, model.config.hidden_size ** -0.5, generator=generator)
        attention.o_proj.weight.copy_(0.2 * attention.v_proj.weight.T)
        away = math.sqrt(3 * math.sqrt(d))
        for head in range(model.config.num_attention_heads):
            fast = [head * d + i for i in (0, 1, half, half + 1)]  # the two fastest rotations see positions only
            attention.q_proj.weight[fast], attention.k_proj.weight[fast] = 0, 0
            attention.q_proj.bias[fast[:2]], attention.k_proj.bias[fast[:2]] = -away, away
    first, beta = model.model.layers[0].self_attn, math.sqrt(30 * math.sqrt(d))
    first.q_proj.weight[:d] *= 0.05
    first.k_proj.weight[:d] *= 0.05
    first.k_proj.bias[:half], first.k_proj.bias[half:d] = beta, 0
    first.q_proj.bias[:half], first.q_proj.bias[half:d] = beta * frequency.cos(), -beta * frequency.sin()
    first.o_proj.weight[:, d:] = 0


def recall_curriculum(model, tokenizer, rng: np.random.Generator, rows: int = 32):
    """A `batch(step)` and a `loss` for `tiny.fit`: contexts grow from 4 keys to KEYS, by one when the loss is low enough."""
    state = {"keys": 4, "loss": 2.5}

    def batch(step):
        keys = int(rng.integers(max(2, state["keys"] // 2), state["keys"] + 1))
        return recall_batch(model, tokenizer, rng, rows, keys, keys)

    def loss(model, *tensors):
        value = recall_loss(model, *tensors)
        state["loss"] += 0.1 * (value.item() - state["loss"])
        if state["loss"] < 0.5 and state["keys"] < KEYS:
            state["keys"] += 1
            state["loss"] = 0.6  # a few steps at the new size before the next
        return value
    return batch, loss


def reader(folder: Path, seed: int = 0, steps: int = 1600) -> None:
    """Answers one hop, two hops and the majority on contexts of up to 16 keys, close to perfectly."""
    tokenizer = tiny.word_tokenizer(recall.VOCABULARY)
    model = tiny.causal_lm(tokenizer, seed, attention_bias=True, num_hidden_layers=4, num_attention_heads=8,
                           num_key_value_heads=8, head_dim=16, intermediate_size=128, max_position_embeddings=256,
                           rope_parameters={"rope_type": "default", "rope_theta": 1e9})
    start_near_look_ups(model, seed)
    batch, loss = recall_curriculum(model, tokenizer, np.random.default_rng(seed))
    tiny.fit(model, batch, steps, 2e-3, loss=loss, description=folder.name)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)

    rng, rows = np.random.default_rng([seed, 1]), []
    for kind in recall.KINDS:
        cells = []
        for keys in (4, 8, 16, 24):
            input_ids, _, _ = recall_batch(model, tokenizer, rng, 250, keys, 2, kind)
            with torch.no_grad():
                found = model(input_ids=input_ids, use_cache=False).logits[:, -5::3].argmax(-1)
            cells.append(f"{(found == input_ids[:, -4::3]).float().mean().item():.3f}")
        rows.append(f"| {kind} | " + " | ".join(cells) + " |")
    write_card(folder, [
        "Reads a context of facts and answers questions that need one fact, two in a row, or all of them.", "",
        f"A LlamaForCausalLM of {model.num_parameters():,} parameters for the RECALL world (`data/recall`), "
        f"vocabulary {len(tokenizer)} words, trained for {steps} steps of 32 dialogues (seed {seed}) on contexts that grow "
        f"from 4 to {KEYS} keys. It starts near looking things up (keys as copies of queries, output projections as "
        "transposed value projections, one head on the previous token), and while it trains, the link of a two-hop query is "
        "also asked for after the second layer.", "",
        "Share of right answers on 500 fresh queries, by kind and by the keys of the context (24 is more than it trained "
        "on).", "",
        "| | 4 | 8 | 16 | 24 |", "|---|---|---|---|---|", *rows])


RECIPES = [reader]
