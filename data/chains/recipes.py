"""Recipes of the CHAINS world: the tiny reasoners."""
from __future__ import annotations

import copy
import json
import math
from pathlib import Path

import numpy as np
import torch

from data import chains, write_card
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
    write_card(folder, [
        about, "",
        f"A LlamaForCausalLM of {model.num_parameters():,} parameters for the CHAINS world (`data/chains`), "
        f"vocabulary {len(tokenizer)} words, trained from fresh weights (seed {seed}) on right answers, the loss on "
        "the answers alone, 40 answers of one difficulty to a batch.", "",
        "| stage | steps | learning rate | difficulties drawn from | styles of the answers |", "|---|---|---|---|---|", *recipe, "",
        "Accuracy / mean tokens on 200 fresh problems of each difficulty, sampled at temperature 1, by the style that the "
        "first token is held to. No model has trained on n = 6.", "",
        "| style | " + " | ".join(f"n = {n}" for n in chains.DIFFICULTIES) + " |", "|---" * 7 + "|", *rows])


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
    write_card(folder, [
        about, "",
        f"A LlamaForCausalLM of {model.num_parameters():,} parameters and {len(model.model.layers)} layers, `chains/strong` trained "
        f"further for {TWO_STEPS_FIT['steps']} steps of {TWO_STEPS_FIT['batch']} problems, learning rate {TWO_STEPS_FIT['lr']:g}, on "
        f"{len(train)} of the {len(train) + len(test)} problems of two steps (`data/chains/two_steps.py`). An answer looks like "
        f"`{text(two_steps.EXAMPLE)}`.", "",
        "| greedy accuracy | |", "|---|---|", f"| the {len(train)} problems trained on | {accuracy[0]:.3f} |",
        f"| the {len(test)} problems held out | {accuracy[1]:.3f} |"])


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


def wordy(rng: np.random.Generator):
    """`chains/imperfect` after 40 more supervised steps on mostly verbose answers: (model, tokenizer)."""
    model, tokenizer = load("chains/imperfect")
    easy = {"verbose": 0.5, "concise": 0.25, "direct": 0.25}
    batch = batches(tokenizer, rng, [1, 2, 3, 4, 5], lambda n: easy if n == 1 else {"verbose": 0.6, "concise": 0.25, "mixed": 0.15})
    tiny.fit(model, batch, 40, lr=1e-3, description="wordy")
    return model, tokenizer


def leaper(rng: np.random.Generator):
    """`chains/verbose` after 120 supervised steps that show it concise answers to short chains only, and leaps: (model, tokenizer)."""
    model, tokenizer = load("chains/verbose")
    mixes = {1: {"verbose": 0.5, "concise": 0.3, "direct": 0.2}} | dict.fromkeys(
        (2, 3), {"verbose": 0.5, "concise": 0.25, "mixed": 0.25}) | dict.fromkeys((4, 5), {"verbose": 0.6, "mixed": 0.4})
    tiny.fit(model, batches(tokenizer, rng, [1, 2, 3, 4, 5], mixes.get), 120, lr=2e-3, description="leaper")
    return model, tokenizer


class Explorer:
    """One run of lesson 46: an arm's reward and entropy bonus, with the memory of questions that CEEH keeps."""

    def __init__(self, arm: str, steps: int, group_size: int, beta: float, weight: float):
        self.arm, self.steps, self.step, self.group_size, self.acc_h, self.shortest = arm, steps, 0, group_size, {}, {}
        self.beta, self.weight = beta, weight

    def reward(self, problems, rollouts, correct):
        """B floats: right answers, less the arm's length term."""
        groups = zip(problems[::self.group_size], correct.numpy().reshape(-1, self.group_size),
                     rollouts.lengths.numpy().reshape(-1, self.group_size))
        return torch.from_numpy(np.concatenate([self._pay(*group) for group in groups])).float()

    def _pay(self, question, right, lengths):
        accuracy, rewards = right.mean(), right.astype(float)
        if self.arm == "length penalty" and right.any():
            spread = np.clip((lengths - lengths[right].mean()) / max(lengths[right].std(), 1e-6), -50, 50)
            rewards = right * (1 - 0.4 / (1 + np.exp(-spread)))
        elif self.arm not in ("accuracy only", "length penalty"):
            old = self.acc_h.get(question, accuracy)
            if question in self.shortest and accuracy > old:
                best = self.shortest[question]
                rewards = right * (1 - self.beta * np.clip((lengths - best) / best, -0.9, 1))
            self.acc_h[question] = old + (0.2 if accuracy > old else 0.05) * (accuracy - old)
            if right.any():
                self.shortest[question] = min(self.shortest.get(question, math.inf), lengths[right].min())
        return rewards

    def hard(self, problems) -> np.ndarray:
        """Whether each problem's running accuracy lies below the mean."""
        mean = np.mean(list(self.acc_h.values()) or [0])
        return np.array([self.acc_h.get(problem, 1) < mean for problem in problems])

    def bonus(self, problems, rollouts, correct):
        """B entropy weights."""
        anneal, self.step = (1 + math.cos(math.pi * self.step / self.steps)) / 2, self.step + 1
        easy, hard = {"CEEH-ME": (1, 5), "uniform entropy": (3, 3)}.get(self.arm, (0, 0))
        return torch.from_numpy(self.weight * anneal * np.where(self.hard(problems), hard, easy)).float()

    def credit(self, problems, advantage, entropy, alpha: float = 0.4, kappa: float = 2.0):
        """CEEH-EA's advantage of each token: min(alpha entropy, |advantage| / kappa) more on hard questions."""
        psi = torch.minimum(alpha * entropy, advantage.abs() / kappa)
        return advantage + (self.arm == "CEEH-EA") * torch.from_numpy(self.hard(problems))[:, None] * psi


def _explore(folder: Path, make, about: str, beta: float, weight: float) -> None:
    """Four runs each of six arms of lesson 46 from the base `make(rng)`: entropy over training, and what each policy solves."""
    arms = ("accuracy only", "length penalty", "CEEH-ME", "CEEH-EA", "uniform entropy", "no entropy")
    levels, steps, group_size, lr, runs = [1, 2, 3, 4, 5], 40, 8, 5e-4, []
    test = chains.problems(np.random.default_rng(46), 60, levels)

    def record(policy, tokenizer, generator):
        asked = [problem for problem in test for _ in range(16)]
        outcome, greedy = rl.evaluate(policy, tokenizer, asked, generator), rl.evaluate(policy, tokenizer, test, temperature=0.0)
        return {"solved": outcome.correct.reshape(-1, 16).sum(1).tolist(),
                "tokens": outcome.lengths.reshape(-1, 16).mean(1).round(2).tolist(),
                "greedy": greedy.correct.astype(int).tolist(), "greedy_tokens": greedy.lengths.tolist()}

    for seed in range(4):
        start, tokenizer = make(np.random.default_rng([seed, 1]))
        runs.append({"run": seed, "arm": "base"} | record(start, tokenizer, torch.Generator().manual_seed(seed)))
        for name in arms:
            policy, rng, arm = copy.deepcopy(start), np.random.default_rng([seed, 2]), Explorer(name, steps, group_size, beta, weight)
            data = chains.problems(rng, 30, levels)
            order = np.concatenate([rng.permutation(30) for _ in range(8)]).reshape(steps, 6)
            draw, generator = (lambda step: [data[i] for i in order[step]]), torch.Generator().manual_seed(seed)
            history = rl.train(policy, tokenizer, draw, steps, generator, arm.reward, group_size, entropy=arm.bonus,
                               credit=arm.credit, lr=lr, description=f"run {seed}, {name}")
            by_n = {key: [[round(float(values[step.n == n].mean()), 4) if n in step.n else None for step, values in
                           ((step, step.entropy * step.lengths ** power) for step in history)] for n in levels]
                    for key, power in (("entropy", 0), ("answer_entropy", 1))}
            runs.append({"run": seed, "arm": name} | by_n | record(policy, tokenizer, torch.Generator().manual_seed(seed)))
    (folder / "runs.json").write_text("[\n" + ",\n".join(map(json.dumps, runs)) + "\n]\n")
    table = []
    for name in ("base", *arms):
        solved, tokens = (np.array([run[key] for run in runs if run["arm"] == name]) for key in ("solved", "tokens"))
        table.append(f"| {name} | {100 * solved.mean() / 16:.1f} | {100 * (solved > 0).mean():.1f} | {tokens.mean():.1f} |")
    write_card(folder, [
        f"Recorded reinforcement-learning runs of lesson 46, no weights. Start: {about} Then 40 policy-gradient steps of 6 "
        f"questions x 8 rollouts on a fixed set of 30 questions, learning rate 5e-4, beta {beta:g}, lambda_0 {weight:g}, "
        "advantages not divided by the standard deviation. Four runs of each arm; the arms of a run share start and questions.", "",
        "`runs.json` holds per run: `entropy` (difficulty 1 to 5, then step: nats per token of the rollouts, null if none), "
        "`answer_entropy` (nats per rollout), and, for 60 fresh questions of difficulty 1 to 5 in turn, `solved` (right ones of 16 "
        "answers sampled at temperature 1), `tokens` (their mean length), `greedy` (whether the likeliest answer is right) and `greedy_tokens`.", "",
        "| arm | pass@1 (%) | pass@16 (%) | tokens |", "|---" * 4 + "|", *table], library="")


def explore_wordy(folder: Path) -> None:
    """Lesson 46's arms from a base that knows how to be short."""
    _explore(folder, wordy, "`chains/imperfect` after 40 supervised steps on mostly verbose answers.", 0.7, 0.004)


def explore_leaper(folder: Path) -> None:
    """Lesson 46's arms from a base that leaps over steps and has never seen a concise answer to a long chain."""
    _explore(folder, leaper, "`chains/verbose` after 120 supervised steps: verbose and concise answers to short chains, verbose ones to "
             "long chains, and answers that leap over steps.", 0.4, 0.006)


def long_winded(seed: int):
    """`chains/imperfect` after 15 more supervised steps on long answers, some with steps left out: (model, tokenizer).

    It writes long answers and often leaps over steps it cannot do in its head: a long reasoner with something to learn.
    """
    model, tokenizer = load("chains/imperfect")
    batch = batches(tokenizer, np.random.default_rng([seed, 1]), [1, 2, 3, 4, 5], {"verbose": 0.4, "mixed": 0.6})
    tiny.fit(model, batch, 15, lr=1e-3, warmup=5, description=f"run {seed}, supervised")
    return model, tokenizer


def tax(rollouts, correct, cap: int, gamma: float, blind: bool = False, group_size: int = 8):
    """Lesson 47's rewards, B floats: right answers less the difficulty-aware length penalty, its buffer the cap less 4.

    `blind`: the solve rate of the whole batch takes the place of each group's.
    """
    penalty = ((4 - rollouts.lengths.float()) / (cap - 4)).clamp(max=0.0)
    solved = correct.float().reshape(-1, group_size).mean(1).repeat_interleave(group_size)
    return correct.float() + penalty * torch.where(correct, (solved.mean() if blind else solved) ** gamma, 1.0)


def _taxed(folder: Path, cap: int) -> None:
    """Reinforcement learning under four rules for length, five times each: see the card that this writes."""
    test, runs = chains.problems(np.random.default_rng(0), 500), []
    arms = {"no penalty": None, "standard": {"gamma": 0}, "DAP": {"gamma": 1}, "blind": {"gamma": 1, "blind": True}}
    temperatures = 0.6, 0.0

    def reward(how):
        return how and (lambda problems, rollouts, correct: tax(rollouts, correct, cap, **how))

    for seed in range(5):
        start, tokenizer = long_winded(seed)
        for arm, how in arms.items():
            policy, rng = copy.deepcopy(start), np.random.default_rng([seed, 2])
            rl.train(policy, tokenizer, lambda step: chains.problems(rng, 6, rng.integers(1, 6, size=6).tolist()),
                     40, torch.Generator().manual_seed(seed), reward(how), lr=5e-4,
                     max_new_tokens=cap, description=f"run {seed}, cap {cap}, {arm}")
            scores = {str(temperature): [[round(value, 4) for value in pair] for pair in rl.evaluate(
                policy, tokenizer, test, torch.Generator().manual_seed(seed), temperature=temperature).by_n().values()]
                for temperature in temperatures}
            runs.append({"run": seed, "arm": arm, "scores": scores})
    (folder / "runs.json").write_text("[\n" + ",\n".join(map(json.dumps, runs)) + "\n]\n")
    table = [f"| {arm} | " + " | ".join(f"{100 * a:.1f} / {t:.1f}" for a, t in (
        np.mean([run["scores"][str(temperature)] for run in runs if run["arm"] == arm], (0, 1))
        for temperature in temperatures)) + " |" for arm in arms]
    write_card(folder, [
        "Recorded reinforcement-learning runs, no weights: a long-winded variant of `chains/imperfect` (15 supervised steps on "
        "40 % verbose and 60 % mixed answers) after 40 policy-gradient steps of 6 problems x 8 rollouts, learning rate 5e-4, "
        "without a length penalty, with the standard one, with the difficulty-aware one (DAP, gamma 1), and with a blind copy of DAP "
        "that takes the mean solve rate of the batch for every group's; five runs each. "
        f"Answers are cut at {cap} tokens in training; the buffer is {cap - 4}. The runs of one number share start and problems.",
        "", "`runs.json` holds per run: `scores` (temperature -> accuracy and mean tokens at difficulty 1 to 5, on 500 fresh "
        "problems, at most 64 tokens).", "",
        "Mean over the runs, accuracy in % / tokens per answer, by temperature (0.0 is greedy):", "",
        "| arm | " + " | ".join(map(str, temperatures)) + " |", "|---" * 3 + "|", *table], library="")


def taxed_50(folder: Path) -> None:
    """Runs with every answer allowed to end: the longest style takes 48 tokens."""
    _taxed(folder, 50)


def taxed_32(folder: Path) -> None:
    """Runs with a cap that cuts the long style from difficulty 4 on."""
    _taxed(folder, 32)


def taxed_24(folder: Path) -> None:
    """Runs with a cap that the short style just fits."""
    _taxed(folder, 24)


RECIPES = [imperfect, strong, verbose, two_direct, two_pause, two_values, two_deep, explore_wordy, explore_leaper,
           taxed_50, taxed_32, taxed_24]
