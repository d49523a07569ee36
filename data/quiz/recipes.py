"""Recipes of the QUIZ world: a teacher, and two students that have seen only easy questions."""
from __future__ import annotations

from pathlib import Path

import numpy as np

from data import quiz, write_card
from utils.models import rl, tiny

EASY = (1, 2)  # levels that the training texts answer at once; harder ones are only ever answered with reasoning


def batches(tokenizer, rng: np.random.Generator, levels, start: int = 0, batch_size: int = 48):
    """A `batch(step)` for `tiny.fit`: the families in turn; one half EASY questions, asked plainly and answered at once, the
    other half questions of `levels` (EASY before step `start`), asked with the elaborate prompt and answered with reasoning.
    """
    def batch(step):
        family, half = list(quiz.LEVELS)[step % len(quiz.LEVELS)], batch_size // 2
        plain = quiz.questions(rng, half, family, EASY)
        elaborate = [question.elaborate() for question in quiz.questions(rng, half, family, levels if step >= start else EASY)]
        return tiny.pack(tokenizer, [question.prompt for question in plain + elaborate],
                         [question.direct for question in plain] + [question.reasoned for question in elaborate])
    return batch


def _quiz_model(folder: Path, about: str, width: int, n_layers: int, steps: int, levels) -> None:
    """Train one model from fresh weights for `steps`; save it with its card in `folder`."""
    tokenizer = tiny.word_tokenizer(quiz.VOCABULARY)
    model = tiny.causal_lm(tokenizer, 0, hidden_size=width, num_hidden_layers=n_layers, max_position_embeddings=64,
                           intermediate_size=int(2.75 * width) // 8 * 8, initializer_range=0.4 * width ** -0.5)
    model.generation_config.suppress_tokens = tokenizer.convert_tokens_to_ids(["<pad>", "<bos>"])
    batch = batches(tokenizer, np.random.default_rng(0), levels, steps // 5)
    tiny.fit(model, batch, steps, 3e-3, description=folder.name)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)

    rows, rng = [], np.random.default_rng([0, 1])
    for family in quiz.LEVELS:
        test = quiz.questions(rng, 1000, family)
        for prompt, asked in (("plain", test), ("elaborate", [question.elaborate() for question in test])):
            outcome = rl.evaluate(model, tokenizer, asked, temperature=0, max_new_tokens=10)
            rows.append(f"| {family} | {prompt} | " + " | ".join(
                f"{accuracy:.2f} / {tokens:.1f}" for accuracy, tokens in outcome.by_n().values()) + " |")
    write_card(folder, [
        about, "",
        f"A LlamaForCausalLM of {model.num_parameters():,} parameters for the QUIZ world (`data/quiz`), vocabulary "
        f"{len(tokenizer)} words, trained from fresh weights (seed 0) for {steps} steps of 48 right answers at a learning rate "
        "of 3e-3. Half of the answers are direct, after the plain prompt, to questions of levels 1 and 2; half are reasoned, "
        f"after the elaborate prompt, to questions of levels 1 to {max(levels)} (in the first fifth of the steps 1 to 2).", "",
        "Accuracy / mean tokens on 200 fresh questions of each level, greedy.", "",
        "| family | prompt | " + " | ".join(f"n = {n}" for n in range(1, 6)) + " |", "|---" * 7 + "|", *rows])


def teacher(folder: Path) -> None:
    """Answers easy questions at once, and hard ones well when it is told to think."""
    _quiz_model(folder, "The teacher: answers easy questions at once, and hard ones well when it is told to think.",
                96, 3, 1400, (1, 2, 3, 4, 5))


def medium(folder: Path) -> None:
    """The larger student: knows both ways to answer, on easy questions."""
    _quiz_model(folder, "The larger student, before distillation: has seen easy questions only.", 48, 2, 600, EASY)


def small(folder: Path) -> None:
    """The smaller student: knows both ways to answer, on easy questions."""
    _quiz_model(folder, "The smaller student, before distillation: has seen easy questions only.", 32, 2, 1000, EASY)


RECIPES = [teacher, medium, small]
