"""`load(name)`: a causal language model from data/ or from Hugging Face; `shipped(name)`: a folder of data/, verified."""
from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from utils.settings import CourseError, course_folder

logging.disable_progress_bar()


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
    """The folder data/`name` (a world, a slash, a checkpoint), after comparing each of its files with the manifest.

    Raises CourseError for an unknown name, and for a missing or altered file, which it names.
    """
    files = {path: entry for path, entry in manifest().items() if entry["recipe"] == name}
    if not files:
        known = ", ".join(sorted({entry["recipe"] for entry in manifest().values()}))
        raise CourseError(f"data/ holds nothing called {name!r}; it holds: {known}. A Hugging Face id looks like "
                          "HuggingFaceTB/SmolLM2-135M.")
    for path, entry in files.items():
        file = course_folder("data") / path
        if not file.is_file():
            raise CourseError(f"{file} is missing; restore it from the repository, or run `make data NAME={name}`.")
        if sha256(file) != entry["sha256"]:
            raise CourseError(f"{file} is not the file that data/MANIFEST.json lists (its SHA-256 differs); restore it "
                              f"from the repository, or run `make data NAME={name}`.")
    return course_folder("data") / name


def load(name: str):
    """Return (model, tokenizer) in float32 and eval mode: `name` is a causal LM of data/, such as "chains/strong", or any
    Hugging Face id or folder.

    Raises CourseError as `shipped` does, or if Hugging Face cannot load the id.
    """
    ours = "/" not in name or name.split("/")[0] in {path.split("/")[0] for path in manifest()}
    source = shipped(name) if ours else name
    try:
        model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise CourseError(f"transformers could not load {name!r}: {str(error).splitlines()[0]}") from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer
