"""Reinforcement learning with a verifiable reward: one policy-gradient loop in the group-relative form, and evaluation."""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from utils.models import tiny
from utils.progress import progress

CHUNKS = 4  # rollouts of like length go through the training pass together, so little of it is padding


@dataclass(frozen=True)
class Outcome:
    """What B answers came to: arrays of length B."""

    n: np.ndarray        # difficulty of the problem
    correct: np.ndarray  # whether the answer is right (bool)
    lengths: np.ndarray  # response tokens, <eos> included

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0 to 1."""
        return float(self.correct.mean())

    @property
    def tokens(self) -> float:
        """Mean response length in tokens."""
        return float(self.lengths.mean())

    def by_n(self) -> dict[int, tuple[float, float]]:
        """Difficulty -> (accuracy, mean tokens), in ascending order of difficulty."""
        return {int(n): (float(self.correct[self.n == n].mean()), float(self.lengths[self.n == n].mean()))
                for n in np.unique(self.n)}


@dataclass(frozen=True)
class Step(Outcome):
    """One training step: its rollouts' outcome, and for each of them the reward and the mean entropy of its tokens (nats)."""

    rewards: np.ndarray
    entropy: np.ndarray


def judge(problems, rollouts: tiny.Rollouts) -> Outcome:
    """Compare each rollout's text with its problem (`problem.correct(text)`); both have length B."""
    return Outcome(np.array([problem.n for problem in problems]),
                   np.array([problem.correct(text) for problem, text in zip(problems, rollouts.texts, strict=True)]),
                   rollouts.lengths.numpy().copy())


def evaluate(model, tokenizer, problems, generator: torch.Generator | None = None, **sampling) -> Outcome:
    """Sample one answer per problem and judge it; `sampling` is passed to `tiny.sample` (temperature, first, banned, ...)."""
    return judge(problems, tiny.sample(model, tokenizer, [problem.prompt for problem in problems],
                                       generator=generator, **sampling))


def advantages(rewards: torch.Tensor, groups: torch.Tensor, normalise: bool = False) -> torch.Tensor:
    """Reward minus the mean reward of the rollout's group; divided by the group's standard deviation + 0.05 if `normalise`.

    `rewards` (B,) floats, `groups` (B,) whole numbers that name each rollout's group. Returns (B,).
    """
    _, index = groups.unique(return_inverse=True)
    size = torch.bincount(index).float()
    mean = torch.zeros_like(size).index_add(0, index, rewards) / size
    centred = rewards - mean[index]
    if not normalise:
        return centred
    variance = torch.zeros_like(size).index_add(0, index, centred ** 2) / size
    return centred / (variance.sqrt()[index] + 0.05)


def train(model, tokenizer, draw, steps: int, generator: torch.Generator, reward=None, group_size: int = 8,
          group=None, normalise: bool = False, entropy=0.0, credit=None, lr: float = 1e-3, max_new_tokens: int = 60,
          description: str = "policy gradient") -> list[Step]:
    """Improve `model` in place by group-relative policy gradient; returns one `Step` per step.

    Each step draws problems, samples `group_size` answers to each at temperature 1, rewards them, and takes one gradient
    step that ascends

        1 / (number of sampled tokens) · sum over rollouts i and their tokens t of  A_i log pi(token_it | before) + e_i H_it

    with A_i the advantage of rollout i within its group, H_it the entropy (nats) of the next-token distribution and e_i
    the entropy bonus. This is GRPO (Shao et al. 2024, arXiv 2402.03300) with one update per batch of rollouts, so that
    the ratio of new to old policy is 1 and its clip never acts, and without the KL term. Two departures: tokens are averaged
    over the batch rather than answer by answer, and A is divided by the group's deviation only if `normalise`.

    `draw(step)` returns the step's problems: objects with `prompt`, `n` and `correct(text)`.
    `reward(problems, rollouts, correct)` returns B floats; problems and `correct` (bool tensor) are one per rollout, the
        answers to one problem side by side. By default the reward is `correct`.
    `group(problem)` names the group that a problem's rollouts are compared in; by default each drawn problem is one.
    `entropy` is e_i for all, or a function with the arguments of `reward` that returns B floats.
    `credit(problems, advantage, entropy)` turns A_i of some rollouts, (rows, 1), into one advantage per token, (rows, R);
        `problems` are theirs, `entropy` the H_it, (rows, R), without gradient. By default every token has its rollout's.
    AdamW (learning rate `lr`, betas 0.9 and 0.95, no weight decay), gradient norm clipped at 1.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    ban = torch.zeros(model.config.vocab_size)
    ban[list(model.generation_config.suppress_tokens or ())] = -math.inf
    history = []
    for step in (bar := progress(range(steps), description)):
        problems = [problem for problem in draw(step) for _ in range(group_size)]
        rollouts = tiny.sample(model, tokenizer, [problem.prompt for problem in problems], max_new_tokens, generator=generator)
        outcome = judge(problems, rollouts)
        correct = torch.from_numpy(outcome.correct)
        judged = problems, rollouts, correct
        rewards = torch.as_tensor(correct if reward is None else reward(*judged), dtype=torch.float32)
        bonus = torch.as_tensor(entropy(*judged) if callable(entropy) else entropy, dtype=torch.float32).expand(len(problems))
        names = [i // group_size for i in range(len(problems))] if group is None else [group(problem) for problem in problems]
        number = {name: i for i, name in enumerate(dict.fromkeys(names))}
        advantage = advantages(rewards, torch.tensor([number[name] for name in names]), normalise)

        optimizer.zero_grad()
        entropies = torch.zeros(len(problems))
        for rows in rollouts.lengths.argsort().chunk(CHUNKS):
            log_p = torch.log_softmax(tiny.response_logits(model, rollouts, rows) + ban, dim=-1)  # (rows, R, vocabulary)
            written = torch.arange(log_p.shape[1]) < rollouts.lengths[rows, None]  # (rows, R)
            taken = log_p.gather(2, rollouts.tokens[rows, :log_p.shape[1], None])[:, :, 0]
            surprise = -(log_p.exp() * log_p.masked_fill(ban == -math.inf, 0.0)).sum(-1)
            earned = advantage[rows, None] if credit is None else credit(
                [problems[i] for i in rows.tolist()], advantage[rows, None], surprise.detach())
            gain = earned * taken + bonus[rows, None] * surprise
            (-gain.masked_fill(~written, 0.0).sum() / rollouts.lengths.sum()).backward()
            entropies[rows] = surprise.detach().masked_fill(~written, 0.0).sum(1) / rollouts.lengths[rows]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        history.append(Step(outcome.n, outcome.correct, outcome.lengths, rewards.numpy(), entropies.numpy()))
        bar.set_postfix_str(f"accuracy ≈{outcome.accuracy:.2f}, tokens ≈{outcome.tokens:.1f}", refresh=False)
    return history
