"""The MAPS world: prompts, answers and what is refused; its models; lesson 14 writes out what is shipped."""
import copy

import numpy as np
import pytest
import torch

from data import maps
from data.maps import AHEAD, HOPS, PLACE, PLACES, models, recipes
from utils.models.load import load


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def base():
    return load("maps/base")[0].requires_grad_(False)


def test_answers_follow_the_arrows_of_the_prompt(rng):
    for mode in maps.MODES:
        for hops in (1, 2, 3):
            prompts, answers = maps.draw(rng, 50, mode, hops)
            assert prompts.shape == (50, 3 + PLACES) and answers.shape == (50, AHEAD)
            for prompt, answer in zip(prompts, answers):
                words = maps.tokenizer.decode(prompt).split()
                leads = dict(word.split(">") for word in words[1:1 + PLACES])
                assert len(leads) == len({*leads.values()}) == PLACES and words[-2] == mode
                here, asked = words[-1].split("^")
                way = [here]
                for _ in range(HOPS + AHEAD):
                    way.append(leads[way[-1]])
                first = hops if mode == "jump" else 1
                assert int(asked) == hops and maps.tokenizer.decode(answer).split() == way[first:first + AHEAD]


def test_stops_are_the_places_on_the_way_and_the_documented_example_reads_as_written(rng):
    prompts, answers = maps.draw(rng, 50, "walk")
    stops = torch.stack(maps.stops(prompts), 1)
    assert torch.equal(stops[:, 1:], answers - PLACE)
    example = next(line for line in maps.__doc__.splitlines() if "jump 6^2 " in line).split()
    prompt = torch.tensor([maps.tokenizer.convert_tokens_to_ids(example[:11])])
    assert [str(int(stop)) for stop in maps.stops(prompt)[2:]] == example[11:13]


def test_modes_and_hops_that_make_no_sense_are_refused(rng):
    with pytest.raises(ValueError, match="the mode is one of walk, jump; found 'fly'"):
        maps.draw(rng, 2, "fly")
    with pytest.raises(ValueError, match="asks for 1 to 3 hops; found 1 to 4"):
        maps.draw(rng, 2, "jump", [1, 4])


def test_lesson_14_writes_out_what_is_shipped(lesson_definitions, base, rng):
    written = lesson_definitions(14, "fork", "Coprocessor", "Pause", "ahead_logits", "ahead_loss")
    prompts, answers = maps.draw(rng, 8, "jump")
    for name, more in (("Coprocessor", ()), ("Pause", ())):
        ours, theirs = getattr(models, name)(base, 3, *more), written[name](base, 3, *more)
        found = [logits(base, notes, prompts, answers) for notes in (ours, theirs)
                 for logits in (models.ahead_logits, written["ahead_logits"])]
        assert all(torch.equal(each, found[0]) for each in found)
        losses = [loss(base)(ours, prompts, answers) for loss in (models.ahead_loss, written["ahead_loss"])]
        assert losses[0] == losses[1]


def test_too_many_latents_and_foreign_weights_are_refused(base, rng):
    prompts, answers = maps.draw(rng, 2, "jump")
    with pytest.raises(ValueError, match="latents do not fit"):
        models.ahead_logits(base, models.Pause(base, base.config.max_position_embeddings), prompts, answers)
    with pytest.raises(ValueError, match="do not fit this Coprocessor"):
        models.load("eight", lambda: models.Coprocessor(base, 4))


def right(logits, hops):
    prompts, answers = maps.draw(np.random.default_rng([hops, 1]), 1000, "jump", hops)
    return (logits(prompts).argmax(-1) == answers[:, 0]).float().mean().item()


@pytest.mark.parametrize("name", [make.__name__ for make in recipes.RECIPES])
def test_shipped_models_jump_as_their_cards_say(name, base):
    with open(maps.__file__.replace("__init__.py", f"{name}/README.md")) as file:
        rows = [line.strip("|\n ").split("|") for line in file if line.startswith("|")][2:]
    make = {"four": lambda: models.Coprocessor(base, 4), "eight": lambda: models.Coprocessor(base, 8),
            "scratch": lambda: models.Coprocessor(base, 4, recipes.fresh(1)), "pause": lambda: models.Pause(base, 4),
            "finetuned": lambda: copy.deepcopy(base).requires_grad_(True),
            "deeper": lambda: recipes.deepened(base).requires_grad_(True)}
    trained = [base] if name == "base" else models.load(name, make[name])
    assert len(trained) == len(rows)
    for model, row in zip(trained, rows):
        if name in ("base", "finetuned", "deeper"):
            logits = recipes.at_once(model)
        else:
            logits = lambda prompts: models.ahead_logits(base, model, prompts, prompts[:, :AHEAD])[:, 0]  # noqa: B023, E731
        with torch.no_grad():
            found = [right(logits, hops) for hops in range(1, HOPS + 1)]
        assert found == pytest.approx([float(cell.strip(" %")) / 100 for cell in row], abs=0.005)
