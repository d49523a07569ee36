"""The DOMAINS world, its real processes, and the rule that its recipes share with lesson 24."""
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from data import domains
from data.domains import layouts, ranks, recipes
from utils.models.load import shipped


def test_texts_follow_the_law_of_their_subject():
    texts = domains.texts(np.random.default_rng(0), 300)
    assert texts.shape == (300, domains.LENGTH) and torch.equal(texts, domains.texts(np.random.default_rng(0), 300))
    truth = domains.truth(texts)
    assert torch.allclose(truth.sum(-1), torch.ones(300, domains.LENGTH - 2))
    chance = truth.gather(2, texts[:, 2:, None])[..., 0]
    assert (chance > 0).all() and abs(-chance.log().mean().item() - domains.FLOOR) < 0.03
    assert domains.read(texts[0]).startswith("<") and len(set(domains.VOCABULARY)) == 80


def test_the_world_names_what_is_wrong():
    with pytest.raises(ValueError, match="count = 0"):
        domains.texts(np.random.default_rng(0), 0)
    with pytest.raises(ValueError, match="one subject, then words"):
        domains.truth(domains.texts(np.random.default_rng(0), 2).flip(1))


@pytest.mark.parametrize("kind, meaning", [("F", (1, 0, 0)), ("F12", (12, 0, 0)), ("16", (0, 16, 1)), ("6t2", (0, 6, 2)),
                                           ("R4", (1, 4, 1)), ("R8t2", (1, 8, 2))])
def test_kinds_of_layers(kind, meaning):
    assert layouts.spec(kind) == meaning


@pytest.mark.parametrize("kind", ["", "f", "F0", "0", "RF", "16t3", "16t", "1t2", "-4", "F2t2"])
def test_unknown_kinds_are_refused(kind):
    with pytest.raises(ValueError, match="kind of layer|more experts per token"):
        layouts.spec(kind)


def test_the_recipes_train_by_the_rule_that_lesson_24_writes_out(lesson_definitions):
    written = lesson_definitions(24, "STEPS", "run_experts", "mixture", "forward", "train")
    assert written["STEPS"] == recipes.STEPS
    generator = torch.Generator().manual_seed(0)
    teacher = layouts.fresh("R2 F", generator), "R2 F"
    for layout, until in (("F 3t2", 0.0), ("R2 4", 0.5)):
        mine, _ = recipes.train(layout, 5, 20, teacher, until)
        theirs = written["train"](layout, 5, 20, teacher, until)
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert recipes.ARMS["staged"] == 0.4 and recipes.ARMS["to the end"] == 1


def test_stored_weights_are_those_that_were_recorded():
    folder = shipped("domains/run_0")
    test = domains.texts(np.random.default_rng([0, 3]), 512)
    for name, entry in json.loads((folder / "runs.json").read_text()).items():
        P = {key: weight.float() for key, weight in load_file(folder / f"{name.replace(' ', '_')}.safetensors").items()}
        assert abs(recipes.expected_loss(P, test, entry["layout"]) - entry["loss"]) < 0.002, name


@pytest.fixture
def started(monkeypatch):
    """The processes that a test starts; afterwards, none may be running or wait to be collected."""
    processes, start = [], ranks.subprocess.Popen
    monkeypatch.setattr(ranks.subprocess, "Popen", lambda *args, **kwargs: processes.append(start(*args, **kwargs)) or processes[-1])
    yield processes
    assert all(process.returncode is not None for process in processes)


def sums(rank, size, x):
    y = torch.empty_like(x)
    dist.all_to_all_single(y, x + rank)  # noqa: F821
    return {"rank": rank, "y": y}


MAIN = "def main(rank, size, x):\n    return sums(rank, size, x)"


def test_ranks_return_in_order(started):
    found = ranks.run([sums, MAIN], 2, torch.arange(4))
    assert [result["rank"] for result in found] == [0, 1] and len(started) == 2
    assert found[0]["y"].tolist() == [0, 1, 1, 2] and found[1]["y"].tolist() == [2, 3, 3, 4]


@pytest.mark.parametrize("body, message, seconds", [
    ("assert rank == 0, 'rank 1 is unwell'", "rank 1 of 2 failed with exit code 1; its last line: AssertionError: rank 1 is unwell", 60),
    ("os._exit(7) if rank else None", "rank 1 of 2 failed with exit code 7", 60),
    ("os.kill(os.getpid(), 9) if rank else None", "rank 1 of 2 was killed by signal 9|rank 1 of 2 failed", 60),
    ("time.sleep(100) if rank else None", "still running after 8 seconds|rank 0 of 2 failed.*[Tt]imed out", 8)])
def test_a_rank_that_fails_ends_all(started, body, message, seconds):
    with pytest.raises(ranks.RankError, match=message):
        ranks.run([f"def main(rank, size):\n    {body}\n    dist.barrier()"], 2, seconds=seconds)
    assert len(started) == 2


@pytest.mark.parametrize("functions, size, message", [([MAIN], 0, "whole number from 1"), ([MAIN], 2.0, "whole number from 1"),
                                                      ([sums], 2, "none of the functions is called main")])
def test_nothing_starts_on_bad_input(started, functions, size, message):
    with pytest.raises(ValueError, match=message):
        ranks.run(functions, size)
    assert not started


def test_more_ranks_than_experts_is_said_before_anything_starts(lesson_definitions):
    keep_own = lesson_definitions(24, "keep_own")["keep_own"]
    P = layouts.fresh("F R4", torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="8 ranks cannot share the 4 experts"):
        keep_own(P, 0, 8)
    mine = keep_own(P, 1, 2)
    assert mine["1.ups"][:2].isnan().all() and torch.equal(mine["1.ups"][2:], P["1.ups"][2:]) and torch.equal(mine["1.gate"], P["1.gate"])
