"""The DIALOGUES world: what a turn says, what is refused; its models, and that lesson 15 writes out the one that is shipped."""
import io
from contextlib import redirect_stdout

import numpy as np
import pytest
import torch

from data import dialogues
from data.dialogues import models, recipes
from utils.models import tiny
from utils.settings import ROOT


def draw(count, turns, seed=0):
    return dialogues.draw(np.random.default_rng(seed), count, turns)


def test_dialogues_read_as_documented_and_answer_what_was_stated_last():
    lines = [line.strip() for line in dialogues.__doc__.splitlines() if line.strip().startswith("ask")]
    assert [dialogues.text(turn) for turn in dialogues.read(lines)] == lines
    for ids in draw(50, 30):
        known = {}
        for t, turn in enumerate(ids):
            _, asked, _, answer, _, key, value = dialogues.text(turn).split()
            assert answer == (known[asked] if t else "unknown")
            known[key] = value
        assert torch.equal(dialogues.read([dialogues.text(turn) for turn in ids]), ids)


def test_ages_and_the_ceiling_of_a_window():
    ids = dialogues.read(["ask k5 is unknown set k3 v1", "ask k3 is v1 set k7 v4", "ask k3 is v1 set k3 v6",
                          "ask k7 is v4 set k0 v4", "ask k7 is v4 set k7 v0"])[None]
    assert dialogues.age(ids).tolist() == [[0, 1, 2, 2, 3]]
    assert dialogues.age(ids, answers=True).tolist() == [[0, 1, 1, 2, 1]]
    assert dialogues.ceiling(ids, 1) == pytest.approx((3 + 1 / 8) / 4) and dialogues.ceiling(ids, 2) == 1
    long = draw(400, 150)[:, 100:]
    assert dialogues.ceiling(draw(400, 40), 40) == 1
    assert (dialogues.age(long, answers=True)[:, 50 - 1] <= 1).float().mean().item() < 0.4


@pytest.mark.parametrize("lines, message", [
    ([], "no turns"), (["set k3 v5"], "turn 1 has no question"), (["ask k3 is v5 set k1 v2", " "], "turn 2 has no question"),
    (["ask k3 is v5"], "turn 1 is incomplete"), (["ask k3 is v5 set k1 unknown"], "out of order"),
    (["ask v3 is v5 set k1 v2"], "out of order"), (["ask k9 is v5 set k1 v2"], "'k9' is not one of the 20 words")])
def test_turns_that_make_no_sense_are_refused(lines, message):
    with pytest.raises(ValueError, match=message):
        dialogues.read(lines)


def test_questions_and_counts_that_make_no_sense_are_refused():
    for line in ("", "ask k3", "ask v3 is", "is k3 ask", "ask k3 is v1"):
        with pytest.raises(ValueError, match="a question reads `ask k3 is`"):
            dialogues.question(line)
    assert dialogues.text(dialogues.question("ask k3 is")) == "ask k3 is"
    for count, turns in ((0, 4), (4, 0)):
        with pytest.raises(ValueError, match="one dialogue and one turn or more"):
            draw(count, turns)


@pytest.mark.parametrize("window", [None, 1, 3])
def test_a_cache_changes_no_answer_and_a_window_hides_what_is_older(window):
    torch.manual_seed(0)
    model, ids, cache, answers = models.History(window).eval(), draw(2, 12), models.Cache(), []
    with torch.no_grad():
        for t in range(12):
            twin = cache.fork()
            assert torch.equal(model.answer(ids[:, t, :3], twin), model.answer(ids[:, t, :3], cache))
            answers.append(model.head(model.norm(model.read(ids[:, t, 3:], cache)))[:, 0])
            model.trim(cache)
            if window:
                assert cache.numbers() == 2 * 2 * 64 * 7 * min(window, t + 1)
        x = model.read(ids.flatten(1)).unflatten(1, (12, 7))
        assert torch.allclose(torch.stack(answers, 1), model.head(model.norm(x[:, :, 3])), atol=1e-5)
        if window:
            other = ids.clone()
            hidden = 12 - 2 * window - 1
            other[:, :hidden] = draw(2, hidden, seed=1)
            other[:, hidden - 1, -1] = ids[:, hidden - 1, -1]  # the embedding of the first word seen holds the one before it
            assert torch.allclose(model(ids)[:, -1], model(other)[:, -1], atol=1e-6)


def test_a_history_longer_than_the_positions_is_refused():
    model, ids = models.History(), draw(1, 65)
    for run in (lambda: model(ids), lambda: model.answer(ids.flatten(1)[:, :449])):
        with pytest.raises(ValueError, match="does not fit 448 positions, 64 turns; drop the oldest turns"):
            run()
    cache = models.Cache()
    model.read(ids.flatten(1)[:, :448], cache)
    with pytest.raises(ValueError, match="a history of 451 tokens"):
        model.answer(ids[:, 64, :3], cache)


def test_lesson_15_writes_out_the_model_and_the_training_that_are_shipped(lesson_definitions):
    written = lesson_definitions(15, "D", "SLOTS", "MemoryAttention", "Interaction", "RxT", "joint", "answer_loss", "curriculum")
    pair = []
    for make in (written["RxT"], models.RxT):
        torch.manual_seed(0)
        pair.append(make())
    for model, joint in zip(pair, (written["joint"], recipes.joint)):
        torch.manual_seed(1)
        joint(model, 3, steps=2)
    batches = written["curriculum"](np.random.default_rng(1), [(2, 2), (5, 2)], 8), recipes.curriculum(
        np.random.default_rng(1), [(2, 2), (5, 2)], 8)
    with redirect_stdout(io.StringIO()):
        for model, batch, loss in zip(pair, batches, (written["answer_loss"], recipes.answer_loss)):
            tiny.fit(model, batch, 4, 3e-3, loss=loss, weight_decay=0.01)
    ours, theirs = (model.state_dict() for model in pair)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("name", [make.__name__ for make in recipes.RECIPES])
def test_shipped_models_answer_as_their_cards_say(name):
    card = (ROOT / "data" / "dialogues" / name / "README.md").read_text()
    trained = models.load(name, models.RxT if name.startswith("rxt") else None)
    for seed, model in enumerate(trained):
        row = next(line for line in card.splitlines() if line.startswith(f"| {seed} |")).split("|")[2:-1]
        assert recipes.accuracy(model, 16) == pytest.approx(float(row[2]), abs=0.01)
