"""The SPELLING world: prompts, answers and the checker; the recipes train by the rules that lesson 16 writes out."""
import numpy as np
import pytest
import torch

from data import spelling
from data.spelling import G, MASK, P, recipes
from utils.models import load, tiny


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_prompt_hides_a_number_and_a_colour_and_the_pair_names_them(rng):
    prompts, pairs = spelling.draw(rng, 500)
    assert prompts.shape == (500, P) and pairs.shape == (500, 2) and (prompts[:, 0] == spelling.tokenizer.bos_token_id).all()
    hidden = (prompts >= spelling.CODE) & (prompts < spelling.NOISE)
    assert (hidden.sum(1) == 2).all() and not hidden[:, 0].any()
    codes = prompts[hidden].view(500, 2) - spelling.CODE
    assert torch.equal(codes.sort(1).values, pairs.sort(1).values)
    assert (pairs.min(1).values < 8).all() and (pairs.max(1).values >= 8).all()
    assert len(pairs.sort(1).values.unique(dim=0)) == 64 and 0.4 < (pairs[:, 0] < 8).float().mean() < 0.6


def test_both_orders_are_right_and_nothing_else(rng):
    _, pairs = spelling.draw(rng, 50)
    answers = spelling.answer_ids(pairs)
    assert answers.shape == (50, G) and spelling.right(answers, pairs).all()
    assert spelling.right(spelling.answer_ids(pairs.flip(1)), pairs).all()
    for slot in range(G):
        spoilt = answers.clone()
        spoilt[:, slot] = MASK
        assert not spelling.right(spoilt, pairs).any()
    assert spelling.text(spelling.answer_ids(torch.tensor([[0, 11]]))[0]) in spelling.__doc__
    assert spelling.text(spelling.answer_ids(torch.tensor([[11, 0]]))[0]) in spelling.__doc__


def test_recipes_train_by_the_rules_of_lesson_16(lesson_definitions):
    written = lesson_definitions(16, "bidirectional", "masked_batches", "masked_loss", "causal_batches")
    for name in ("masked_batches", "causal_batches"):
        ours = getattr(recipes, name)(np.random.default_rng(5))(0)
        assert all(map(torch.equal, ours, written[name](np.random.default_rng(5))(0)))
    model = tiny.causal_lm(spelling.tokenizer, 0)
    both = recipes.bidirectional(model), written["bidirectional"](model)
    losses = [loss(each, *recipes.masked_batches(np.random.default_rng(6))(0)).item()
              for each in both for loss in (recipes.masked_loss, written["masked_loss"])]
    assert losses == pytest.approx(losses[:1] * 4) and model.model.layers[0].self_attn.is_causal


@pytest.mark.parametrize("name", ["dlm_0", "dlm_1", "dlm_2"])
def test_a_shipped_dlm_looks_both_ways_and_fills_a_mask(name, rng):
    dlm = recipes.bidirectional(load.load(f"spelling/{name}")[0])
    prompts, pairs = spelling.draw(rng, 64)
    answers = spelling.answer_ids(pairs)
    with torch.no_grad():
        for slot in (0, 10, G - 1):
            x = torch.cat([prompts, answers], dim=1)
            x[:, P + slot] = MASK
            best = dlm(input_ids=x).logits[:, P + slot - 1].argmax(-1)
            assert (best == answers[:, slot]).float().mean() > 0.95
