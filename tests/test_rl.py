"""The policy-gradient loop: advantages by hand, rewards, history, and that it improves what it rewards."""
import numpy as np
import pytest
import torch

from data import chains
from utils.models import rl, tiny
from utils.models.load import load


@pytest.fixture
def reasoner():
    torch.set_num_threads(1)
    return load("chains/imperfect")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_advantages_compare_within_groups_wherever_their_rows_stand():
    rewards, groups = torch.tensor([1.0, 5.0, 0.0, 5.0]), torch.tensor([7, 3, 7, 3])
    assert rl.advantages(rewards, groups).tolist() == [0.5, 0.0, -0.5, 0.0]
    assert rl.advantages(rewards, groups, normalise=True).tolist() == pytest.approx([0.5 / 0.55, 0, -0.5 / 0.55, 0])


def test_outcome_by_difficulty():
    outcome = rl.Outcome(np.array([2, 1, 2]), np.array([True, True, False]), np.array([10, 4, 20]))
    assert outcome.by_n() == {1: (1.0, 4.0), 2: (0.5, 15.0)}
    assert outcome.accuracy == pytest.approx(2 / 3) and outcome.tokens == pytest.approx(34 / 3)


def test_evaluation_judges_the_sampled_texts(reasoner):
    problems = chains.problems(np.random.default_rng(0), 40, [1, 4])
    direct = rl.evaluate(*reasoner, problems, seeded(), first=("#",))
    assert direct.by_n()[1][0] > 0.8 > 0.5 > direct.by_n()[4][0] and direct.tokens == 3


def test_rewarding_short_right_answers_makes_them_short(reasoner):
    model, tokenizer = reasoner
    seen = []

    def reward(problems, rollouts, correct):
        seen.append((len(problems), tuple(rollouts.lengths.shape), correct.dtype))
        return correct * (1 - 0.02 * rollouts.lengths)
    rng = np.random.default_rng(0)
    history = rl.train(model, tokenizer, lambda step: chains.problems(rng, 8, 1), 8, seeded(), reward=reward,
                       normalise=True, entropy=lambda problems, rollouts, correct: torch.full((len(problems),), 1e-3))
    assert seen == [(64, (64,), torch.bool)] * 8
    assert np.mean([step.tokens for step in history[-2:]]) < 0.8 * np.mean([step.tokens for step in history[:2]])
    assert all(len(part) == 64 for part in (history[0].n, history[0].correct, history[0].rewards, history[0].entropy))
    assert (history[0].entropy >= 0).all() and history[-1].entropy.mean() < history[0].entropy.mean()


def test_groups_may_be_named(reasoner):
    """With one group per difficulty, problems that are alike in reward inside themselves still teach something."""
    model, tokenizer = reasoner
    before = [parameter.clone() for parameter in model.parameters()]
    problems = [chains.Problem(1, ("+1",)), chains.Problem(2, ("+1",))]

    def reward(problems, rollouts, correct):
        return [float(problem.start == 1) for problem in problems]
    rl.train(model, tokenizer, lambda step: problems, 1, seeded(), reward=reward, group_size=2)
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters()))  # no contrast inside a problem
    rl.train(model, tokenizer, lambda step: problems, 1, seeded(), reward=reward, group_size=2, group=lambda problem: problem.n)
    assert not all(torch.equal(old, new) for old, new in zip(before, model.parameters()))


def by_start_and_entropy(problems, advantage, entropy):
    return advantage * (1 + entropy) + 0.1 * torch.tensor([[problem.start] for problem in problems])


@pytest.mark.parametrize("credit", [None, by_start_and_entropy])
def test_the_gradient_is_that_of_the_stated_objective(reasoner, monkeypatch, credit):
    """Chunking by length must not change the gradient: compare with the objective written out in one pass."""
    model, tokenizer = reasoner
    problems = chains.problems(np.random.default_rng(1), 3)
    norms = []
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda parameters, bound: norms.append(
        [parameter.grad.clone() for parameter in parameters]))
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    history = rl.train(model, tokenizer, lambda step: problems, 1, seeded(4), group_size=4, entropy=0.01, credit=credit)
    model.load_state_dict(weights)
    model.zero_grad()
    rollouts = tiny.sample(model, tokenizer, [problem.prompt for problem in problems for _ in range(4)], 60, generator=seeded(4))
    logits = tiny.response_logits(model, rollouts)
    logits[:, :, model.generation_config.suppress_tokens] = -1e9
    policy = torch.distributions.Categorical(logits=logits)
    written = torch.arange(logits.shape[1]) < rollouts.lengths[:, None]
    advantage = rl.advantages(torch.tensor(history[0].rewards), torch.arange(12) // 4)[:, None]
    if credit:
        advantage = credit([problem for problem in problems for _ in range(4)], advantage, policy.entropy().detach())
    objective = ((advantage * policy.log_prob(rollouts.tokens) + 0.01 * policy.entropy()) * written).sum() / written.sum()
    objective.backward()
    for ours, parameter in zip(norms[0], model.parameters()):
        assert torch.allclose(ours, -parameter.grad, atol=1e-5)
