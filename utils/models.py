"""`load(name)`: a model from data/ or from Hugging Face; and RECIPES, which make everything that data/ ships."""
from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, Lfm2Config
from transformers.utils import logging

from utils import rl, tiny
from utils.settings import CourseError, course_folder
from utils.worlds import chains, sleep

logging.disable_progress_bar()
RECIPES = {}  # name -> function(folder) that fills an empty folder, which becomes data/<name>; in the order they are built


def recipe(make):
    """Decorator: register `make(folder)` as the recipe of the folder of data/ that has the function's name."""
    RECIPES[make.__name__] = make
    return make


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def manifest() -> dict[str, dict]:
    """data/MANIFEST.json: path under data/ -> {sha256, recipe, seconds}. Raises CourseError if missing or not JSON."""
    path = course_folder("data") / "MANIFEST.json"
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise CourseError(f"{path} is missing; restore it from the repository, or run `make data` to rebuild data/.") from None
    except ValueError as error:
        raise CourseError(f"{path} is not JSON ({error}); restore it, or run `make data` to rebuild data/.") from None


def shipped(name: str) -> Path:
    """The folder data/`name`, after comparing each of its files with the manifest.

    Raises CourseError for an unknown name, and for a missing or altered file, which it names.
    """
    files = {path: entry for path, entry in manifest().items() if entry["recipe"] == name}
    if not files:
        known = ", ".join(sorted({entry["recipe"] for entry in manifest().values()}))
        raise CourseError(f"data/ holds nothing called {name!r}; it holds: {known}. A Hugging Face id has a slash, "
                          "such as HuggingFaceTB/SmolLM2-135M.")
    for path, entry in files.items():
        file = course_folder("data") / path
        if not file.is_file():
            raise CourseError(f"{file} is missing; restore it from the repository, or run `make data NAME={name}`.")
        if sha256(file) != entry["sha256"]:
            raise CourseError(f"{file} is not the file that data/MANIFEST.json lists (its SHA-256 differs); restore it "
                              f"from the repository, or run `make data NAME={name}`.")
    return course_folder("data") / name


def load(name: str):
    """Return (model, tokenizer) in float32 and eval mode: `name` is a causal LM of data/ or any Hugging Face id or folder.

    Raises CourseError as `shipped` does, or if Hugging Face cannot load the id.
    """
    source = name if "/" in name else shipped(name)
    try:
        model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise CourseError(f"transformers could not load {name!r}: {str(error).splitlines()[0]}") from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


# ---- chains: the tiny reasoners --------------------------------------------------------------------------------------

def chains_tokenizer():
    """The tokenizer of the CHAINS world: one token per word of `chains.VOCABULARY`."""
    return tiny.word_tokenizer(chains.VOCABULARY)


def chains_batches(tokenizer, rng: np.random.Generator, levels, mix, batch_size: int = 40):
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


def _chains_model(folder: Path, seed: int, stages, about: str) -> None:
    """Train a reasoner through `stages` of (steps, learning rate, levels, mix); save it with its card in `folder`."""
    tokenizer, rng = chains_tokenizer(), np.random.default_rng(seed)
    model = tiny.causal_lm(tokenizer, seed)
    model.generation_config.suppress_tokens = tokenizer.convert_tokens_to_ids(["<pad>", "<bos>", *chains.RESERVED])
    for i, (steps, lr, levels, mix) in enumerate(stages, start=1):
        tiny.fit(model, chains_batches(tokenizer, rng, levels, mix), steps, lr, description=f"{folder.name}, stage {i}")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)

    test = chains.problems(np.random.default_rng([seed, 1]), 1200, chains.DIFFICULTIES)
    rows = []
    for style, first in {"its own choice": (), **chains.FIRST_WORDS}.items():
        outcome = rl.evaluate(model, tokenizer, test, torch.Generator().manual_seed(seed), first=first)
        rows.append(f"| {style} | " + " | ".join(f"{accuracy:.2f} / {tokens:.1f}"
                                                 for accuracy, tokens in outcome.by_n().values()) + " |")
    recipe = [f"| {i} | {steps} | {lr:g} | {' '.join(map(str, levels))} | " + "; ".join(
        f"{'n = 1' if n == 1 else 'other n' if callable(mix) else 'any n'}: " + ", ".join(
            f"{style} {weight:g}" for style, weight in (mix(n) if callable(mix) else mix).items())
        for n in ((1, 2) if callable(mix) else (0,))) + " |" for i, (steps, lr, levels, mix) in enumerate(stages, start=1)]
    (folder / "README.md").write_text("\n".join([
        "---", "license: mit", "library_name: transformers", "---", f"# {folder.name}", "", about, "",
        f"A LlamaForCausalLM of {model.num_parameters():,} parameters for the CHAINS world (`utils/worlds/chains.py`), "
        f"vocabulary {len(tokenizer)} words, trained from fresh weights (seed {seed}) on right answers, the loss on "
        "the answers alone, 40 answers of one difficulty to a batch.", "",
        "| stage | steps | learning rate | difficulties drawn from | styles of the answers |", "|---|---|---|---|---|", *recipe, "",
        "Accuracy / mean tokens on 200 fresh problems of each difficulty, sampled at temperature 1, by the style that the "
        "first token is held to. No model has trained on n = 6.", "",
        "| style | " + " | ".join(f"n = {n}" for n in chains.DIFFICULTIES) + " |", "|---" * 7 + "|", *rows, ""]))


@recipe
def chains_imperfect(folder: Path) -> None:
    """Knows every style and errs often on hard problems: reinforcement learning has something to improve."""
    first = {"verbose": 0.30, "concise": 0.30, "direct": 0.15, "mixed": 0.25}
    easy = {"verbose": 0.20, "concise": 0.20, "direct": 0.50, "mixed": 0.10}
    then = {"verbose": 0.25, "concise": 0.30, "direct": 0.20, "mixed": 0.25}
    _chains_model(folder, 0, [(150, 3e-3, [1, 2, 2, 3], first), (150, 3e-3, [1, 2, 3, 4, 5, 5], first),
                              (240, 2e-3, [1, 1, 2, 3, 4, 5], lambda n: easy if n == 1 else then)],
                  "Knows every style, errs often on hard problems: a policy that reinforcement learning can improve.")


@recipe
def chains_strong(folder: Path) -> None:
    """Masters both written styles and is verbose by default: steering and distillation need skill."""
    first = {"verbose": 0.30, "concise": 0.30, "direct": 0.15, "mixed": 0.25}
    easy = {"verbose": 0.35, "concise": 0.35, "direct": 0.30}
    then = {"verbose": 0.50, "concise": 0.50}
    _chains_model(folder, 0, [(150, 3e-3, [1, 2, 2, 3], first), (150, 3e-3, [1, 2, 3, 4, 5, 5], first),
                              (1300, 3e-3, [1, 2, 3, 4, 5], lambda n: easy if n == 1 else then),
                              (60, 3e-4, [2, 3, 4, 5], {"verbose": 0.85, "concise": 0.15})],
                  "Writes verbose and concise answers equally well; left to itself it is verbose, as distilled reasoners are.")


# ---- sleep: reasoners that can take notes before they are asked ------------------------------------------------------

def sleep_batches(tokenizer, rng: np.random.Generator, batch_size: int = 48):
    """A `batch(step)` for `tiny.fit`: texts of `sleep.training_text`, with labels on the learned pieces."""
    def batch(step):
        drawn = [sleep.training_text(rng, context) for context in sleep.contexts(rng, batch_size)]
        rows = [[(token, learned) for words, learned in pieces for token in tokenizer.convert_tokens_to_ids(words.split())]
                for pieces in drawn]
        input_ids = torch.full((batch_size, max(map(len, rows))), tokenizer.pad_token_id)
        labels = torch.full_like(input_ids, -100)
        for i, row in enumerate(rows):
            tokens, learned = map(torch.tensor, zip(*row))
            input_ids[i, :len(row)] = tokens
            labels[i, :len(row)] = torch.where(learned, tokens, -100)
        return input_ids, labels
    return batch


def _sleep_model(folder: Path, seed: int, steps: int, about: str) -> None:
    """Train a note-taking reasoner for `steps`; save it with its card in `folder`."""
    tokenizer = tiny.word_tokenizer(sleep.VOCABULARY)
    model = tiny.causal_lm(tokenizer, seed, Lfm2Config, hidden_size=64, num_hidden_layers=4, intermediate_size=176,
                           layer_types=["conv", "full_attention"] * 2, num_attention_heads=4, num_key_value_heads=4,
                           block_auto_adjust_ff_dim=False, max_position_embeddings=128, initializer_range=0.06)
    tiny.fit(model, sleep_batches(tokenizer, np.random.default_rng(seed)), steps, description=folder.name)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)

    def complete(prompts: list[str]) -> list[str]:
        inputs = tokenizer(prompts, padding=True, return_tensors="pt", return_token_type_ids=False)
        output = model.generate(**inputs, max_new_tokens=48, do_sample=False)[:, inputs.input_ids.shape[1]:]
        return [text.replace("<pad>", "").strip() for text in tokenizer.batch_decode(output)]

    rng = np.random.default_rng([seed, 1])
    contexts = sleep.contexts(rng, 300)
    notes = complete([f"{context.text} <notes>" for context in contexts])
    noted = [sleep.noted_values(context, text) == context.values for context, text in zip(contexts, notes)]
    rows = [f"| whole notes | {np.mean(noted):.2f} / {np.mean([len(text.split()) for text in notes]):.1f} | | |"]
    for name, known in (("answers without notes", [""] * 300),
                        ("answers with its notes", [f"<notes> {text} " for text in notes])):
        cells = []
        for extra in range(3):
            asked = [sleep.queries(rng, context, 1, extra)[0] for context in contexts]
            texts = complete([f"{context.text} {part}{query.text}" for context, part, query in zip(contexts, known, asked)])
            right = np.mean([context.correct(query, text) for context, query, text in zip(contexts, asked, texts)])
            cells.append(f"{right:.2f} / {np.mean([len(text.split()) for text in texts]):.1f}")
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    (folder / "README.md").write_text("\n".join([
        "---", "license: mit", "library_name: transformers", "---", f"# {folder.name}", "", about, "",
        f"An Lfm2ForCausalLM (short convolutions and attention in turn) of {model.num_parameters():,} parameters for the "
        f"SLEEP world (`utils/worlds/sleep.py`), vocabulary {len(tokenizer)} words, trained from fresh weights (seed {seed}) "
        f"for {steps} steps of 48 texts at a learning rate of 3e-3.", "",
        "Accuracy / mean tokens on 300 fresh contexts, greedy, by the number of operations that the query adds.", "",
        "| | 0 | 1 | 2 |", "|---|---|---|---|", *rows, ""]))


@recipe
def sleep_reasoner(folder: Path) -> None:
    """Takes notes on a context, answers from them, and thinks when there are none; close to perfect in all three."""
    _sleep_model(folder, 0, 1800,
                 "Takes notes on a context before it is asked, answers from them, and thinks when there are none.")


@recipe
def sleep_reasoner_early(folder: Path) -> None:
    """The same recipe with a fifth of the steps: its notes err, so several of them can outvote one."""
    _sleep_model(folder, 0, 340, "The recipe of `sleep_reasoner` cut to fewer steps: its notes are often wrong.")
