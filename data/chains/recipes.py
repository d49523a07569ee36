"""Recipes of the CHAINS world: the tiny reasoners."""
from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import torch

from data import chains
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


def long_winded(seed: int):
    """`chains/imperfect` after 15 more supervised steps on long answers, some with steps left out: (model, tokenizer).

    It writes long answers and often leaps over steps it cannot do in its head: a long reasoner with something to learn.
    """
    model, tokenizer = load("chains/imperfect")
    batch = batches(tokenizer, np.random.default_rng([seed, 1]), [1, 2, 3, 4, 5], {"verbose": 0.4, "mixed": 0.6})
    tiny.fit(model, batch, 15, lr=1e-3, warmup=5, description=f"run {seed}, supervised")
    return model, tokenizer


def _taxed(folder: Path, cap: int) -> None:
    """Reinforcement learning under four rules for length, five times each: see the card that this writes."""
    test, runs, group_size, buffer = chains.problems(np.random.default_rng(0), 500), [], 8, cap - 4
    arms, temperatures = {"no penalty": None, "standard": 0, "DAP": 1, "blind": 1}, (1.0, 0.6, 0.0)

    def reward(arm, gamma):
        def pay(problems, rollouts, correct):
            penalty = ((cap - buffer - rollouts.lengths.float()) / buffer).clamp(max=0.0)
            solved = correct.float().reshape(-1, group_size).mean(1).repeat_interleave(group_size)
            if arm == "blind":
                solved = solved.mean()
            return correct.float() + penalty * torch.where(correct, solved ** gamma, 1.0)
        return None if gamma is None else pay

    for seed in range(5):
        start, tokenizer = long_winded(seed)
        for arm, gamma in arms.items():
            policy, rng = copy.deepcopy(start), np.random.default_rng([seed, 2])
            history = rl.train(policy, tokenizer, lambda step: chains.problems(rng, 6, rng.integers(1, 6, size=6).tolist()),
                               40, torch.Generator().manual_seed(seed), reward(arm, gamma), group_size, lr=5e-4,
                               max_new_tokens=cap, description=f"run {seed}, cap {cap}, {arm}")
            scores = {str(temperature): [[round(value, 4) for value in pair] for pair in rl.evaluate(
                policy, tokenizer, test, torch.Generator().manual_seed(seed), temperature=temperature).by_n().values()]
                for temperature in temperatures}
            runs.append({"run": seed, "arm": arm, "scores": scores, "tokens": [round(step.tokens, 2) for step in history],
                         "accuracy": [round(step.accuracy, 4) for step in history]})
    (folder / "runs.json").write_text("[\n" + ",\n".join(map(json.dumps, runs)) + "\n]\n")
    table = [f"| {arm} | " + " | ".join(f"{100 * a:.1f} / {t:.1f}" for a, t in (
        np.mean([run["scores"][str(temperature)] for run in runs if run["arm"] == arm], (0, 1))
        for temperature in temperatures)) + " |" for arm in arms]
    (folder / "README.md").write_text("\n".join([
        "---", "license: mit", "---", f"# {folder.parent.name}/{folder.name}", "",
        "Recorded reinforcement-learning runs, no weights: a long-winded variant of `chains/imperfect` (15 supervised steps on "
        "40 % verbose and 60 % mixed answers) after 40 policy-gradient steps of 6 problems x 8 rollouts, learning rate 5e-4, "
        "without a length penalty, with the standard one, with the difficulty-aware one (DAP, gamma 1), and with a blind copy of DAP "
        "that takes the mean solve rate of the batch for every group's; five runs each. "
        f"Answers are cut at {cap} tokens in training; the buffer is {buffer}. The runs of one number share start and problems.",
        "", "`runs.json` holds per run: `scores` (temperature -> accuracy and mean tokens at difficulty 1 to 5, on 500 fresh "
        "problems, at most 64 tokens), and `tokens` and `accuracy` of each training step's rollouts.", "",
        "Mean over the runs, accuracy in % / tokens per answer, by temperature (0.0 is greedy):", "",
        "| arm | " + " | ".join(map(str, temperatures)) + " |", "|---" * 4 + "|", *table, ""]))


def taxed_50(folder: Path) -> None:
    """Runs with every answer allowed to end: the longest style takes 48 tokens."""
    _taxed(folder, 50)


def taxed_32(folder: Path) -> None:
    """Runs with a cap that cuts the long style from difficulty 4 on."""
    _taxed(folder, 32)


def taxed_24(folder: Path) -> None:
    """Runs with a cap that the short style just fits."""
    _taxed(folder, 24)


RECIPES = [imperfect, strong, verbose, taxed_50, taxed_32, taxed_24]
