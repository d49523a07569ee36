"""The recorded runs of CHAINS follow the rules that lessons 46 and 47 write out."""
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from data import chains
from data.chains import recipes


def rollouts(rng, groups, cap=48):
    """Lengths of `groups` groups of eight rollouts, which of them ended within `cap`, and which are right."""
    lengths = torch.from_numpy(rng.integers(3, cap + 2, groups * 8))
    ended = lengths <= cap
    right = torch.from_numpy(rng.random(groups * 8) < rng.random(groups).repeat(8)) & ended
    return SimpleNamespace(lengths=lengths.clamp(max=cap), ended=ended), right


@pytest.mark.parametrize("arm, rule", [("accuracy only", "Rule"), ("length penalty", "LengthPenalty"), ("CEEH-ME", "CEEH"),
                                       ("CEEH-EA", "EntropyAdvantage")])
def test_lesson_46s_arms_are_the_rules_it_writes_out(lesson_definitions, arm, rule):
    written = lesson_definitions(46, "G", "STEPS", "Rule", "LengthPenalty", "CEEH", "EntropyAdvantage")
    rng, taught = np.random.default_rng(0), written[rule]()
    recorded = recipes.Explorer(arm, written["STEPS"], written["G"], beta=0.7, weight=0.004)
    questions = chains.problems(rng, 12, [1, 2, 3, 4, 5])
    for step in range(12):
        problems = [question for question in questions[step % 2 * 6:][:6] for _ in range(8)]
        drawn, right = rollouts(rng, 6)
        assert torch.allclose(recorded.reward(problems, drawn, right), taught.reward(problems, drawn, right), atol=1e-6)
        asked = problems, drawn, right
        assert torch.allclose(recorded.bonus(*asked).double(), taught.bonus(*asked).double())
        advantage, entropy = torch.randn(48, 1), torch.rand(48, 5)
        tokens = recorded.credit(problems, advantage, entropy)
        assert torch.allclose(tokens, taught.credit(problems, advantage, entropy).expand_as(tokens))
    if rule == "CEEH":
        assert recorded.hard(problems).any() and not recorded.hard(problems).all()


@pytest.mark.parametrize("cap", [50, 32, 24])
@pytest.mark.parametrize("gamma", [0, 1])
def test_lesson_47s_taxes_are_the_reward_it_writes_out(lesson_definitions, cap, gamma):
    written = lesson_definitions(47, "length_penalty", "taxed_reward")
    drawn, right = rollouts(np.random.default_rng(1), 20, cap)
    expected = written["taxed_reward"](*(values.reshape(-1, 8).numpy() for values in (drawn.lengths, right, drawn.ended)),
                                       cap, cap - 4, gamma)
    assert torch.allclose(recipes.tax(drawn, right, cap, gamma).double(), torch.from_numpy(expected).flatten(), atol=1e-6)
    assert not torch.allclose(recipes.tax(drawn, right, cap, 1, blind=True), recipes.tax(drawn, right, cap, 1))
