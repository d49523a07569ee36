"""A tiny speech recogniser: a Transformer encoder over frames with a CTC head; windows and positions are choices."""
from __future__ import annotations

import json

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from data import speech
from utils.models.load import shipped

BLANK = len(speech.WORDS)  # the CTC class for "no new word"
TRAINING = {"lr": 4e-3, "weight_decay": 0.01, "decay_from": 0.4}  # of `tiny.fit`
STACK = 3                  # frames that enter the encoder together: the frame and the two before it


def stacked(frames: torch.Tensor) -> torch.Tensor:
    """Each frame beside the two before it (zeros before the first): (batch, T, BANDS) -> (batch, T, STACK * BANDS)."""
    padded = F.pad(frames, (0, 0, STACK - 1, 0))
    return torch.cat([padded[:, i:i + frames.shape[1]] for i in range(STACK)], -1)


def rotate(x: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding of queries or keys (batch, heads, T, d_head), by their index."""
    half = x.shape[-1] // 2
    angles = torch.arange(x.shape[2])[:, None] * 10000.0 ** (-torch.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angles.cos() - b * angles.sin(), a * angles.sin() + b * angles.cos()], -1)


def sinusoids(length: int, d_model: int) -> torch.Tensor:
    """Absolute positions as sines and cosines: (length, d_model)."""
    angles = torch.arange(length)[:, None] * 10000.0 ** (-torch.arange(d_model // 2) / (d_model // 2))
    return torch.cat([angles.sin(), angles.cos()], -1)


def window_mask(length: int, window: tuple[int, int] | None, lengths: torch.Tensor | None = None) -> torch.Tensor | None:
    """mask[..., t, s]: may frame t see frame s? `window` (L, R): t - L < s <= t + R; None: all of the utterance.

    `lengths` (batch,) hides what lies after the end of each utterance. None if nothing is hidden.
    """
    t = torch.arange(length)
    ahead = t - t[:, None]
    mask = (ahead > -window[0]) & (ahead <= window[1]) if window else torch.ones(length, length, dtype=torch.bool)
    if lengths is None:
        return mask if window else None
    return (mask & (t < lengths[:, None, None]) | torch.eye(length, dtype=torch.bool))[:, None]


class Block(nn.Module):
    """A pre-norm Transformer block: attention, then an MLP of four times the width."""

    def __init__(self, d_model: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm, self.norm_2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.qkv, self.out = nn.Linear(d_model, 3 * d_model), nn.Linear(d_model, d_model)
        self.up, self.down = nn.Linear(d_model, 4 * d_model), nn.Linear(4 * d_model, d_model)

    def project(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Query, key and value of hidden states (batch, T, d_model), each (batch, heads, T, d_head)."""
        return [part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(self.norm(x)).chunk(3, -1)]

    def finish(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """Add what attention found, (batch, heads, T, d_head), to `x`, then the MLP."""
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm_2(x))))


class Encoder(nn.Module):
    """Frames in, log-probabilities of words and BLANK out. `windows`: (L, R) of each layer, None for full attention.

    `positions`: none, rope (rotary, in every layer) or sinusoidal (added to the input). Weights are fresh from `seed`.
    """

    def __init__(self, windows, positions: str = "none", d_model: int = 48, heads: int = 4, seed: int = 0):
        super().__init__()
        if positions not in ("none", "rope", "sinusoidal"):
            raise ValueError(f"positions are none, rope or sinusoidal; found {positions!r}")
        if d_model % heads:
            raise ValueError(f"heads must divide d_model; found {heads} and {d_model}")
        self.windows, self.positions = [tuple(window) if window else None for window in windows], positions
        self.config = {"windows": self.windows, "positions": positions, "d_model": d_model, "heads": heads}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embed = nn.Linear(STACK * speech.BANDS, d_model)
            self.blocks = nn.ModuleList(Block(d_model, heads) for _ in self.windows)
            self.norm, self.head = nn.LayerNorm(d_model), nn.Linear(d_model, BLANK + 1)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """`frames` (batch, T, BANDS), of which row i holds `lengths[i]` (all if None) -> (batch, T, BLANK + 1)."""
        if frames.ndim != 3 or frames.shape[1] == 0 or frames.shape[2] != speech.BANDS:
            raise ValueError(f"the encoder takes frames (batch, T, {speech.BANDS}), T at least 1; found {tuple(frames.shape)}")
        x = self.embed(stacked(frames))
        if self.positions == "sinusoidal":
            x = x + sinusoids(x.shape[1], x.shape[2])
        masks = {window: window_mask(x.shape[1], window, lengths) for window in set(self.windows)}
        for block, window in zip(self.blocks, self.windows):
            q, k, v = block.project(x)
            if self.positions == "rope":
                q, k = rotate(q), rotate(k)
            x = block.finish(x, F.scaled_dot_product_attention(q, k, v, attn_mask=masks[window]))
        return self.head(self.norm(x)).log_softmax(-1)


def batch_of(utterances) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames of `utterances`, padded at the end with zeros, and how many each has: (batch, T, BANDS), (batch,)."""
    rows = [torch.from_numpy(each.frames) for each in utterances]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.tensor([len(row) for row in rows])


def ctc_loss(model, frames, lengths, words, counts) -> torch.Tensor:
    """Minus the log-probability of all alignments of the words, per word (connectionist temporal classification).

    `frames` (batch, T, BANDS) hold `lengths` (batch,) frames each; `words`: the labels of all utterances in a row,
    `counts` (batch,) of them for each.
    """
    log_probs = model(frames, lengths).transpose(0, 1)  # (T, batch, BLANK + 1)
    return F.ctc_loss(log_probs, words, lengths, counts, blank=BLANK, zero_infinity=True)


def batches(seed: int, pool: int = 6000, rows: int = 16):
    """A `batch(step)` for `tiny.fit` and `ctc_loss`: `rows` short utterances of similar length from a pool of `pool`."""
    rng = np.random.default_rng(seed)
    drawn = speech.utterances(rng, pool)
    frames = [torch.from_numpy(each.frames) for each in drawn]
    words = [torch.tensor([speech.WORDS.index(word) for word in each.words]) for each in drawn]
    order = np.argsort([len(each) for each in frames], kind="stable")

    def batch(step):
        first = int(rng.integers(pool - 4 * rows + 1))
        chosen = rng.permutation(order[first:first + 4 * rows])[:rows]
        return (nn.utils.rnn.pad_sequence([frames[i] for i in chosen], batch_first=True),
                torch.tensor([len(frames[i]) for i in chosen]), torch.cat([words[i] for i in chosen]),
                torch.tensor([len(words[i]) for i in chosen]))
    return batch


def read_out(log_probs: torch.Tensor) -> list[tuple[str, int]]:
    """Greedy CTC: the likeliest class of each frame of (T, BLANK + 1), repeats merged, blanks dropped: (word, frame) pairs."""
    best, found, last = log_probs.argmax(-1).tolist(), [], BLANK
    for t, label in enumerate(best):
        if label not in (last, BLANK):
            found.append((speech.WORDS[label], t))
        last = label
    return found


@torch.no_grad()
def transcribe(model, utterances, limit: int = 3000) -> list[list[str]]:
    """The words that `model` hears in each utterance; those of similar length go together, up to `limit` frames at a time."""
    order = sorted(range(len(utterances)), key=lambda i: len(utterances[i].frames))
    groups: list[list[int]] = [[]]
    for i in order:
        if groups[-1] and (len(groups[-1]) + 1) * len(utterances[i].frames) > limit:
            groups.append([])
        groups[-1].append(i)
    found = {}
    for group in groups:
        frames, lengths = batch_of([utterances[i] for i in group])
        log_probs = model(frames, lengths if len(group) > 1 else None)
        found |= {i: [word for word, _ in read_out(row[:n])] for i, row, n in zip(group, log_probs, lengths)}
    return [found[i] for i in range(len(utterances))]


def wer(model, utterances) -> float:
    """Word error rate of `model` on `utterances`, in percent."""
    return speech.word_error_rate(transcribe(model, utterances), [each.words for each in utterances])


def save(models: list[Encoder], folder) -> None:
    """Write several trainings of one encoder to `folder`: config.json and model.safetensors, in half precision."""
    config = models[0].config | {"trainings": len(models)}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    save_file({f"{i}.{name}": value.half() for i, model in enumerate(models) for name, value in model.state_dict().items()},
              folder / "model.safetensors")


def load(name: str) -> list[Encoder]:
    """The trainings of the encoder data/speech/`name`, in eval mode. Raises CourseError as `utils.models.load.shipped` does."""
    folder = shipped(f"speech/{name}")
    config, weights = json.loads((folder / "config.json").read_text()), load_file(folder / "model.safetensors")
    models = []
    for i in range(config.pop("trainings")):
        model = Encoder(**config)
        model.load_state_dict({key: weights[f"{i}.{key}"].float() for key in model.state_dict()})
        models.append(model.eval())
    return models
