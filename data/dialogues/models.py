"""What answers the dialogues: RxT with its memory, and decoders over the history, all of it or a sliding window.

All are small pre-norm Transformers of one width, with shifted embeddings: each token also sees the one before it.
"""
from __future__ import annotations

import copy
import json
import math

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from data import dialogues
from utils.models.load import shipped

D, HEADS, SLOTS, WORDS = 64, 4, 16, len(dialogues.VOCABULARY)
SLOPES = (1.0, 0.3, 0.1, 0.03)  # where ALiBi's slopes start, per turn of distance, one for each head


class Attention(nn.Module):
    """Multi-head attention of x (batch, n, d) to keys and values of y; keys start as copies of the queries if `alike`."""

    def __init__(self, alike: bool = False):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(D, D, bias=False) for _ in range(4))
        if alike:
            self.k.weight.data.copy_(self.q.weight.data)

    @staticmethod
    def split(x: torch.Tensor) -> torch.Tensor:
        """(batch, n, d) -> (batch, heads, n, d_head)."""
        return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)

    def keys_values(self, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of y (batch, m, d), each (batch, heads, m, d_head)."""
        return self.split(self.k(y)), self.split(self.v(y))

    def forward(self, x: torch.Tensor, keys_values, **mask) -> torch.Tensor:
        """`mask`: what `scaled_dot_product_attention` takes, `attn_mask` or `is_causal`."""
        mixed = F.scaled_dot_product_attention(self.split(self.q(x)), *keys_values, **mask)
        return self.o(mixed.transpose(1, 2).flatten(2))


class Embedding(nn.Module):
    """Token embeddings, plus a linear map of the embedding of the token before."""

    def __init__(self):
        super().__init__()
        self.token, self.before = nn.Embedding(WORDS, D), nn.Linear(D, D, bias=False)

    def forward(self, ids: torch.Tensor, last: torch.Tensor | None = None) -> torch.Tensor:
        """`ids` (batch, n) -> (batch, n, d); `last` (batch, 1) is the token before the first, None if there is none."""
        x = self.token(ids)
        first = torch.zeros_like(x[:, :1]) if last is None else self.token(last)
        return x + self.before(torch.cat([first, x[:, :-1]], 1))


def feed_forward() -> nn.Sequential:
    """The position-wise part of a layer, its norm included."""
    return nn.Sequential(nn.LayerNorm(D), nn.Linear(D, 4 * D), nn.GELU(), nn.Linear(4 * D, D))


class MemoryAttention(nn.Module):
    """The update of RxT's memory, as lesson 15 writes it out: slots are the queries; a linear residual gate."""

    def __init__(self):
        super().__init__()
        self.norm_memory, self.norm_data, self.attention = nn.LayerNorm(D), nn.LayerNorm(D), Attention()
        for projection in (self.attention.v, self.attention.o):
            nn.init.eye_(projection.weight)
        self.status, self.gate = nn.Linear(D, 1), nn.Linear(SLOTS, SLOTS)

    def forward(self, memory: torch.Tensor, data: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Memory (batch, slots, d) and encoded turn (batch, 7, d) -> new memory, gate (batch, slots)."""
        update = self.attention(self.norm_memory(memory), self.attention.keys_values(self.norm_data(data)))
        gate = torch.sigmoid(self.gate(self.status(memory + update)[..., 0]))
        return (1 - gate[..., None]) * memory + gate[..., None] * update, gate


class RxT(nn.Module):
    """Reactive Transformer with one encoder layer, one decoder layer and one memory of 16 slots, as in lesson 15."""

    def __init__(self):
        super().__init__()
        self.embed, self.place = Embedding(), nn.Parameter(0.1 * torch.randn(dialogues.TURN, D))
        self.norm_encoder, self.encoder, self.encoder_ff = nn.LayerNorm(D), Attention(), feed_forward()
        self.start, self.update = nn.Parameter(torch.randn(SLOTS, D)), MemoryAttention()
        self.norm_decoder, self.decoder, self.decoder_ff = nn.LayerNorm(D), Attention(), feed_forward()
        self.norm_cross, self.norm_slots, self.cross = nn.LayerNorm(D), nn.LayerNorm(D), Attention(alike=True)
        self.norm, self.head = nn.LayerNorm(D), nn.Linear(D, WORDS)

    def encode(self, turn: torch.Tensor, alter=lambda x: x) -> torch.Tensor:
        """Finished turns (batch, 7) -> encoded data (batch, 7, d); `alter` may change the embeddings first."""
        x = alter(self.embed(turn)) + self.place
        y = self.norm_encoder(x)
        x = x + self.encoder(y, self.encoder.keys_values(y))
        return x + self.encoder_ff(x)

    def cache(self, memory: torch.Tensor):
        """Keys and values of the slots, computed once per turn, before the question comes."""
        return self.cross.keys_values(self.norm_slots(memory))

    def decode(self, question: torch.Tensor, cache) -> torch.Tensor:
        """Questions (batch, 3) -> logits (batch, words) of the answer."""
        x = self.embed(question) + self.place[:question.shape[1]]
        y = self.norm_decoder(x)
        x = x + self.decoder(y, self.decoder.keys_values(y), is_causal=True)
        x = x + self.cross(self.norm_cross(x), cache)
        return self.head(self.norm((x + self.decoder_ff(x))[:, -1]))

    def remember(self, ids: torch.Tensor) -> torch.Tensor:
        """Dialogues (batch, turns, 7) -> the memory before each turn (batch, turns, slots, d).

        The encoder does not read the memory, so all turns are encoded at once and only the updates run in turn.
        """
        data = self.encode(ids.flatten(0, 1)).unflatten(0, ids.shape[:2])
        memories = [self.start.expand(len(ids), -1, -1)]
        for t in range(ids.shape[1] - 1):
            memories.append(self.update(memories[-1], data[:, t])[0])
        return torch.stack(memories, 1)

    def answers(self, ids: torch.Tensor, memories: torch.Tensor) -> torch.Tensor:
        """Logits (batch, turns, words) of the answer of each turn, given the memory to read in it."""
        questions = ids[:, :, :dialogues.QUESTION].flatten(0, 1)
        return self.decode(questions, self.cache(memories.flatten(0, 1))).unflatten(0, ids.shape[:2])

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Dialogues (batch, turns, 7) -> logits (batch, turns, words)."""
        return self.answers(ids, self.remember(ids))


class Cache:
    """What a decoder keeps of the tokens it has read: keys and values of each layer, the last token, how many it read."""

    def __init__(self):
        self.layers, self.last, self.read = [None, None], None, 0

    def fork(self) -> Cache:
        """A cache that goes on from here while this one stays."""
        twin = copy.copy(self)
        twin.layers = list(self.layers)
        return twin

    def numbers(self) -> int:
        """Numbers in the keys and values of one dialogue."""
        return sum(part[0].numel() for pair in self.layers if pair for part in pair)


class History(nn.Module):
    """Two decoder layers over the tokens of a dialogue. `window`: a token sees its own turn and so many before it, all if None.
    As embeddings hold the token before, too, a window also hears the last word before it.

    Positions are ALiBi's: a learned slope times the distance is taken off each attention score.
    """

    POSITIONS = 64 * dialogues.TURN

    def __init__(self, window: int | None = None):
        super().__init__()
        self.window, self.embed = window, Embedding()
        self.norms, self.attentions = (nn.ModuleList(make() for _ in range(2)) for make in (
            lambda: nn.LayerNorm(D), lambda: Attention(alike=True)))
        self.ff = nn.ModuleList(feed_forward() for _ in range(2))
        self.slopes = nn.ParameterList(torch.tensor(SLOPES).log() for _ in range(2))
        self.norm, self.head = nn.LayerNorm(D), nn.Linear(D, WORDS)
        place = torch.arange(self.POSITIONS)
        turn = place // dialogues.TURN
        seen = place[:, None] >= place
        if window is not None:
            seen &= turn[:, None] - turn <= window
        self.register_buffer("distance", (place[:, None] - place) / dialogues.TURN, persistent=False)
        self.register_buffer("hidden", torch.zeros(seen.shape).masked_fill(~seen, -math.inf), persistent=False)

    def read(self, ids: torch.Tensor, cache: Cache | None = None) -> torch.Tensor:
        """Token ids (batch, n) that follow those in `cache` (which is extended) -> states (batch, n, d).

        Raises ValueError for more tokens than there are positions.
        """
        done, n = cache.read if cache else 0, ids.shape[1]
        if done + n > self.POSITIONS:
            raise ValueError(f"a history of {done + n} tokens does not fit {self.POSITIONS} positions, "
                             f"{self.POSITIONS // dialogues.TURN} turns; drop the oldest turns, or use a model with a window")
        x = self.embed(ids, cache.last if cache else None)
        for i, (norm, attention, ff) in enumerate(zip(self.norms, self.attentions, self.ff)):
            y = norm(x)
            keys_values = attention.keys_values(y)
            if cache:
                if cache.layers[i]:
                    keys_values = tuple(torch.cat(pair, 2) for pair in zip(cache.layers[i], keys_values))
                cache.layers[i] = keys_values
            first = done + n - keys_values[0].shape[2]  # older tokens have left the window
            where = slice(done, done + n), slice(first, done + n)
            bias = self.hidden[where] - self.slopes[i].exp()[:, None, None] * self.distance[where]
            x = x + attention(y, keys_values, attn_mask=bias)
            x = x + ff(x)
        if cache:
            cache.read, cache.last = done + n, ids[:, -1:]
        return x

    def trim(self, cache: Cache) -> None:
        """After a turn: drop what no later token sees. A dialogue with a window never runs out of positions."""
        if self.window is not None:
            keep = self.window * dialogues.TURN
            cache.layers = [tuple(part[:, :, max(0, part.shape[2] - keep):] for part in pair) for pair in cache.layers]
            cache.read = min(cache.read, keep)

    def answer(self, ids: torch.Tensor, cache: Cache | None = None) -> torch.Tensor:
        """Tokens (batch, n) that end with a question -> logits (batch, words) of the answer."""
        return self.head(self.norm(self.read(ids, cache)[:, -1]))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Dialogues (batch, turns, 7) -> logits (batch, turns, words) of all answers."""
        x = self.read(ids.flatten(1)).unflatten(1, ids.shape[1:])[:, :, dialogues.QUESTION - 1]
        return self.head(self.norm(x))


def save(models: list[nn.Module], folder, config: dict) -> None:
    """Write several trainings of one model to `folder`: config.json and model.safetensors, in half precision."""
    (folder / "config.json").write_text(json.dumps(config | {"trainings": len(models)}, indent=1) + "\n")
    save_file({f"{i}.{name}": value.half() for i, model in enumerate(models) for name, value in model.state_dict().items()},
              folder / "model.safetensors")


def load(name: str, make=None) -> list[nn.Module]:
    """The trainings of data/dialogues/`name`, in eval mode; `make(**config)` builds a fresh one, History if left out.

    Raises CourseError as `utils.models.load.shipped` does.
    """
    folder = shipped(f"dialogues/{name}")
    config, weights = json.loads((folder / "config.json").read_text()), load_file(folder / "model.safetensors")
    models = []
    for i in range(config.pop("trainings")):
        model = (make or History)(**config)
        model.load_state_dict({key: weights[f"{i}.{key}"].float() for key in model.state_dict()})
        models.append(model.eval().requires_grad_(False))
    return models
