"""Recipes of MAPS: a decoder of one layer at its ceiling, and what lesson 14 trains for it: coprocessors and their rivals."""
from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch

from data import maps, write_card
from data.maps import models
from data.maps import ARROW, ASK, HOPS, PLACE, PLACES
from utils.models import tiny
from utils.models.load import load

BASE_STEPS, STEPS, LR, TRAININGS = 2400, 3000, 1e-3, 3


def fresh(seed: int):
    """A Llama of one layer with new weights; keys start as copies of queries, so that equal things attend to each other."""
    model = tiny.causal_lm(maps.tokenizer, seed, num_hidden_layers=1)
    for layer in model.model.layers:
        layer.self_attn.k_proj.load_state_dict(layer.self_attn.q_proj.state_dict())
    return model


@torch.no_grad()
def compose_embeddings(model, seed: int) -> None:
    """Let the embedding of `3>5` begin as a vector for "from 3" plus one for "to 5", that of `3^2` as "from 3" plus "two"."""
    generator, table = torch.Generator().manual_seed(seed), model.model.embed_tokens.weight
    table.normal_(0, 0.15, generator=generator)
    source, target, hop = (0.15 * torch.randn(n, table.shape[1], generator=generator) for n in (PLACES, PLACES, HOPS))
    table[PLACE:PLACE + PLACES] = source
    table[ASK:ASK + PLACES * HOPS] = (source[:, None] + hop).flatten(0, 1)
    table[ARROW:] = (source[:, None] + target).flatten(0, 1)


def text_batches(rng: np.random.Generator, modes=maps.MODES, rows: int = 64):
    """`batch(step)` -> input_ids and labels (rows * modes, 14) of questions of 1 to HOPS hops, labels on the answers."""
    def batch(step):
        prompts, answers = map(torch.cat, zip(*(maps.draw(rng, rows, mode) for mode in modes)))
        return torch.cat([prompts, answers], 1), torch.cat([torch.full_like(prompts, -100), answers], 1)
    return batch


@torch.no_grad()
def jumps(predict, count: int = 1000) -> str:
    """A row of a card: right answers to fresh questions of 1 to HOPS hops, from `predict(prompts)` -> logits (rows, words)."""
    cells = []
    for hops in range(1, HOPS + 1):
        prompts, answers = maps.draw(np.random.default_rng([hops, 1]), count, "jump", hops)
        cells.append(f"{(predict(prompts).argmax(-1) == answers[:, 0]).float().mean().item():.1%}")
    return "| " + " | ".join(cells) + " |"


def at_once(model):
    """What `jumps` asks of a model that answers without latents."""
    return lambda prompts: model(input_ids=prompts, use_cache=False).logits[:, -1]


HEAD = ["First place of the answer right, 1,000 fresh jumps for each number of hops:", "", "| 1 | 2 | 3 |", "|---|---|---|"]


def base(folder: Path, seed: int = 0) -> None:
    """The decoder: walks any way, jumps one arrow."""
    model = fresh(seed)
    compose_embeddings(model, seed)
    losses = tiny.fit(model, text_batches(np.random.default_rng(seed)), BASE_STEPS, lr=3e-3, description=folder.name)
    model.eval().save_pretrained(folder)
    maps.tokenizer.save_pretrained(folder)
    write_card(folder, [
        "Walks any way along the arrows of a map, and jumps one.", "",
        f"A LlamaForCausalLM of {model.num_parameters():,} parameters for the MAPS world (`data/maps`), one layer, trained for "
        f"{BASE_STEPS:,} steps of 64 walks and 64 jumps of 1 to {HOPS} hops (seed {seed}, learning rate 3e-3), the loss on the "
        f"{maps.AHEAD} places of the answer. Embeddings of arrows and questions begin as sums of a vector per place, keys as copies "
        f"of queries. Mean loss of the last 100 steps: {np.mean(losses[-100:]):.3f}.", "", *HEAD, jumps(at_once(model))])


def _decoder():
    return load("maps/base")[0].requires_grad_(False)


def _ship(folder: Path, about: str, make, batch, loss, predict) -> None:
    """Train TRAININGS of what `make(decoder, training)` returns, and write them with a card; `predict`: see `jumps`."""
    decoder, made, rows = _decoder(), [], []
    for training in range(TRAININGS):
        made.append(make(decoder, training))
        tiny.fit(made[-1], batch(np.random.default_rng(training)), STEPS, lr=LR, loss=loss(decoder),
                 description=f"{folder.name} {training}")
        rows.append(jumps(predict(decoder, made[-1].eval())))
    models.save(made, folder)
    trained = sum(value.numel() for value in made[0].parameters() if value.requires_grad)
    write_card(folder, [
        about, "",
        f"{TRAININGS} trainings of {trained:,} parameters: {STEPS:,} steps of 64 jumps of 1 to {HOPS} hops, learning rate {LR:g}, loss "
        f"on the {maps.AHEAD} places of the answer (load them with `data.maps.models.load`).", "", *HEAD, *rows], library="")


def _notes(folder: Path, about: str, make) -> None:
    """Notes for the frozen decoder."""
    _ship(folder, about + " The decoder is frozen.", make, lambda rng: lambda step: maps.draw(rng, 64, "jump"), models.ahead_loss,
          lambda decoder, notes: lambda prompts: models.ahead_logits(decoder, notes, prompts, prompts[:, :maps.AHEAD])[:, 0])


def _free(folder: Path, about: str, make) -> None:
    """A whole decoder, free to change."""
    _ship(folder, about + " All of it is free to change.", lambda decoder, training: make(decoder).requires_grad_(True),
          lambda rng: text_batches(rng, ("jump",)), lambda decoder: tiny.lm_loss, lambda decoder, model: at_once(model))


def deepened(decoder):
    """A copy of the decoder with its layers copied on top."""
    model = copy.deepcopy(decoder)
    model.model.layers.extend(copy.deepcopy(list(decoder.model.layers)))
    model.config.num_hidden_layers = len(model.model.layers)
    for i, layer in enumerate(model.model.layers):
        layer.self_attn.layer_idx = i
    return model


def four(folder: Path) -> None:
    """The coprocessor of lesson 14."""
    _notes(folder, "A coprocessor with 4 latents, started from the decoder's weights.",
           lambda decoder, training: models.Coprocessor(decoder, 4, seed=training))


def eight(folder: Path) -> None:
    """Twice as many latents."""
    _notes(folder, "A coprocessor with 8 latents, started from the decoder's weights.",
           lambda decoder, training: models.Coprocessor(decoder, 8, seed=training))


def scratch(folder: Path) -> None:
    """The same from fresh weights."""
    _notes(folder, "A coprocessor with 4 latents, started from fresh weights.",
           lambda decoder, training: models.Coprocessor(decoder, 4, fresh(1 + training), seed=training))


def pause(folder: Path) -> None:
    """The rival that knows nothing of the cache."""
    _notes(folder, "Four pause tokens: learned vectors, blind to the cache.",
           lambda decoder, training: models.Pause(decoder, 4, seed=training))


def finetuned(folder: Path) -> None:
    """The rival without a second model: the decoder itself goes on learning."""
    _free(folder, "The decoder itself, trained on.", copy.deepcopy)


def deeper(folder: Path) -> None:
    """The rival with as many layers as decoder and coprocessor together."""
    _free(folder, "The decoder with its layer copied on top.", deepened)


RECIPES = [base, four, eight, scratch, pause, finetuned, deeper]
