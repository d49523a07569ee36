"""Recipes of the CHAINS world: the tiny reasoners."""
from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch

from data import chains
from data.chains import two_steps
from utils.models import rl, tiny
from utils.models.load import load


def batches(tokenizer, rng: np.random.Generator, levels, mix, batch_size: int = 40):
    """A `batch(step)` for `tiny.fit`: each batch has problems of one difficulty, drawn from the list `levels`.

    `mix`: style -> weight of the answers (see `chains.write`), or a function of the difficulty that returns one.
    """
    def batch(step):
        n = levels[rng.integers(len(levels))]
        drawn = chains.problems(rng, batch_size, n)
        weights = mix(n) if callable(mix) else mix
        return tiny.pack(tokenizer, [problem.prompt for problem in drawn],
                         [chains.write(rng, problem, weights) for problem in drawn])
    return batch


def _train(folder: Path, seed: int, stages, about: str, knows=chains.FIRST_WORDS) -> None:
    """Train a reasoner through `stages` of (steps, learning rate, levels, mix); save it with its card in `folder`.

    The card holds its accuracy in its own choice of style, and in each style of `knows` (style -> words it begins with).
    """
    tokenizer, rng = tiny.word_tokenizer(chains.VOCABULARY), np.random.default_rng(seed)
    model = tiny.causal_lm(tokenizer, seed)
    model.generation_config.suppress_tokens = tokenizer.convert_tokens_to_ids(["<pad>", "<bos>", *chains.RESERVED])
    for i, (steps, lr, levels, mix) in enumerate(stages, start=1):
        tiny.fit(model, batches(tokenizer, rng, levels, mix), steps, lr, description=f"{folder.name}, stage {i}")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)

    test = chains.problems(np.random.default_rng([seed, 1]), 1200, chains.DIFFICULTIES)
    rows = []
    for style, first in {"its own choice": (), **knows}.items():
        outcome = rl.evaluate(model, tokenizer, test, torch.Generator().manual_seed(seed), first=first)
        rows.append(f"| {style} | " + " | ".join(f"{accuracy:.2f} / {tokens:.1f}"
                                                 for accuracy, tokens in outcome.by_n().values()) + " |")
    recipe = [f"| {i} | {steps} | {lr:g} | {' '.join(map(str, levels))} | " + "; ".join(
        f"{'n = 1' if n == 1 else 'other n' if callable(mix) else 'any n'}: " + ", ".join(
            f"{style} {weight:g}" for style, weight in (mix(n) if callable(mix) else mix).items())
        for n in ((1, 2) if callable(mix) else (0,))) + " |" for i, (steps, lr, levels, mix) in enumerate(stages, start=1)]
    (folder / "README.md").write_text("\n".join([
        "---", "license: mit", "library_name: transformers", "---", f"# {folder.parent.name}/{folder.name}", "", about, "",
        f"A LlamaForCausalLM of {model.num_parameters():,} parameters for the CHAINS world (`data/chains`), "
        f"vocabulary {len(tokenizer)} words, trained from fresh weights (seed {seed}) on right answers, the loss on "
        "the answers alone, 40 answers of one difficulty to a batch.", "",
        "| stage | steps | learning rate | difficulties drawn from | styles of the answers |", "|---|---|---|---|---|", *recipe, "",
        "Accuracy / mean tokens on 200 fresh problems of each difficulty, sampled at temperature 1, by the style that the "
        "first token is held to. No model has trained on n = 6.", "",
        "| style | " + " | ".join(f"n = {n}" for n in chains.DIFFICULTIES) + " |", "|---" * 7 + "|", *rows, ""]))


def imperfect(folder: Path) -> None:
    """Knows every style and errs often on hard problems: reinforcement learning has something to improve."""
    first = {"verbose": 0.30, "concise": 0.30, "direct": 0.15, "mixed": 0.25}
    easy = {"verbose": 0.20, "concise": 0.20, "direct": 0.50, "mixed": 0.10}
    then = {"verbose": 0.25, "concise": 0.30, "direct": 0.20, "mixed": 0.25}
    _train(folder, 0, [(150, 3e-3, [1, 2, 2, 3], first), (150, 3e-3, [1, 2, 3, 4, 5, 5], first),
                              (240, 2e-3, [1, 1, 2, 3, 4, 5], lambda n: easy if n == 1 else then)],
                  "Knows every style, errs often on hard problems: a policy that reinforcement learning can improve.")


def strong(folder: Path) -> None:
    """Masters both written styles and is verbose by default: steering and distillation need skill."""
    first = {"verbose": 0.30, "concise": 0.30, "direct": 0.15, "mixed": 0.25}
    easy = {"verbose": 0.35, "concise": 0.35, "direct": 0.30}
    then = {"verbose": 0.50, "concise": 0.50}
    _train(folder, 0, [(150, 3e-3, [1, 2, 2, 3], first), (150, 3e-3, [1, 2, 3, 4, 5, 5], first),
                              (1300, 3e-3, [1, 2, 3, 4, 5], lambda n: easy if n == 1 else then),
                              (60, 3e-4, [2, 3, 4, 5], {"verbose": 0.85, "concise": 0.15})],
                  "Writes verbose and concise answers equally well; left to itself it is verbose, as distilled reasoners are.")


def verbose(folder: Path) -> None:
    """Knows the verbose style only, and never saw a short step: what a distilled reasoner is before anyone shortens it."""
    only = {"verbose": 1.0}
    _train(folder, 0, [(150, 3e-3, [1, 2, 2, 3], only), (200, 3e-3, [1, 2, 3, 4, 5, 5], only),
                       (500, 2e-3, [1, 2, 3, 4, 5, 5], only)],
           "Solves every chain in verbose steps and has never seen another style.", knows={})


TWO_STEPS_FIT = {"steps": 470, "batch": 64, "lr": 1.5e-3}  # as many steps as lesson 42 gives its two stages together


def _two_steps(folder: Path, text, about: str, double: bool = False) -> None:
    """Go on from chains/strong with `text(problem)` as the answer to the two-step problems that are not held out.

    `double`: put a second copy of the layers on top of the first before training.
    """
    model, tokenizer = load("chains/strong")
    if double:
        model.model.layers.extend(copy.deepcopy(list(model.model.layers)))
        for i, layer in enumerate(model.model.layers):
            layer.self_attn.layer_idx = i
        model.config.num_hidden_layers = len(model.model.layers)
        model.config.layer_types = None
    if chains.RESERVED[0] in text(two_steps.EXAMPLE):  # a reserved word's own embedding is a bad start: take the mean word's
        embedding = model.get_input_embeddings().weight.data
        embedding[tokenizer.convert_tokens_to_ids(chains.RESERVED[0])] = embedding[:-len(chains.RESERVED)].mean(0)
    train, test = two_steps.split()
    rng = np.random.default_rng(42)

    def batch(step):
        drawn = [train[i] for i in rng.choice(len(train), TWO_STEPS_FIT["batch"], replace=False)]
        return tiny.pack(tokenizer, [problem.prompt for problem in drawn], [text(problem) for problem in drawn])

    tiny.fit(model, batch, TWO_STEPS_FIT["steps"], TWO_STEPS_FIT["lr"], description=folder.name)
    model.generation_config.suppress_tokens = tokenizer.convert_tokens_to_ids(["<pad>", "<bos>", *chains.RESERVED[1:]])
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    accuracy = [rl.evaluate(model, tokenizer, part, temperature=0.0).accuracy for part in (train, test)]
    (folder / "README.md").write_text("\n".join([
        "---", "license: mit", "library_name: transformers", "---", f"# chains/{folder.name}", "", about, "",
        f"A LlamaForCausalLM of {model.num_parameters():,} parameters and {len(model.model.layers)} layers, `chains/strong` trained "
        f"further for {TWO_STEPS_FIT['steps']} steps of {TWO_STEPS_FIT['batch']} problems, learning rate {TWO_STEPS_FIT['lr']:g}, on "
        f"{len(train)} of the {len(train) + len(test)} problems of two steps (`data/chains/two_steps.py`). An answer looks like "
        f"`{text(two_steps.EXAMPLE)}`.", "",
        "| greedy accuracy | |", "|---|---|", f"| the {len(train)} problems trained on | {accuracy[0]:.3f} |",
        f"| the {len(test)} problems held out | {accuracy[1]:.3f} |", ""]))


def two_direct(folder: Path) -> None:
    """The answer at once."""
    _two_steps(folder, lambda problem: problem.solution("direct"),
               "Answers at once: a rival of the hidden thought in lesson 42.")


def two_pause(folder: Path) -> None:
    """A pause token, then the answer: one more position to compute in, and nothing else."""
    _two_steps(folder, lambda problem: f"{chains.RESERVED[0]} {problem.solution('direct')}",
               "Writes one pause token and the answer: a rival of the hidden thought in lesson 42.")


def two_values(folder: Path) -> None:
    """The two values and the answer, no other word: a thought that is written and yet short."""
    _two_steps(folder, lambda problem: f"{problem.values[1]} {problem.values[2]} {problem.solution('direct')}",
               "Writes the two values and the answer: a rival of the hidden thought in lesson 42.")


def two_deep(folder: Path) -> None:
    """The answer at once, from twice the layers."""
    _two_steps(folder, lambda problem: problem.solution("direct"),
               "Answers at once, from twice the layers: a rival of the hidden thought in lesson 42.", double=True)


RECIPES = [imperfect, strong, verbose, two_direct, two_pause, two_values, two_deep]
