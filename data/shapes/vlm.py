"""A tiny vision-language model that sees boards of SHAPES: patch encoder, connector, and a `transformers` language model.

It has LLaVA's shape. An image is cut into squares; a frozen encoder turns each square into 64 features; a connector turns
these into one vision token per square, which precedes the text in a causal language model. The language model is a
`GlmForCausalLM`: RMSNorm, gated MLPs, and rotary positions on half of each head's width. All vision tokens stand at position
0, so that the score between a word and a square depends on what they hold; the text begins at position 1. Rotations have a
base of 100, fit for texts of 30 words. Everything from pixels to logits is differentiable.

Two gifts stand in for pre-training on far more data, and let look-ups form within minutes: the connector is aligned with
the word embeddings in closed form, and attention begins as a copy (mimetic initialisation, Trockman and Kolter 2023).
"""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import DynamicCache, GlmConfig, GlmForCausalLM

from data import shapes
from utils.models.load import shipped
from utils.settings import CourseError

WIDTH = 64  # of features, vision tokens and word embeddings


class PatchEncoder(nn.Module):
    """The toy's CLIP: sees each square alone, pixels [..., 16, 16, 3] in [0, 1] -> features [..., 64]."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3 * shapes.PIXELS ** 2, 128), nn.GELU(), nn.Linear(128, WIDTH), nn.GELU())
        self.head = nn.Linear(WIDTH, len(shapes.LABELS))  # scores of the labels; used to train the encoder, and by readers

    def forward(self, squares: torch.Tensor) -> torch.Tensor:
        return self.body((squares.flatten(-3) - 0.5) * 2)


def language_config(layers: int) -> GlmConfig:
    """The configuration of a language model of `layers` blocks over the vocabulary of SHAPES."""
    return GlmConfig(vocab_size=len(shapes.VOCABULARY), hidden_size=WIDTH, intermediate_size=88, num_hidden_layers=layers,
                     num_attention_heads=2, num_key_value_heads=2, head_dim=32, attention_bias=False,
                     rope_parameters={"rope_type": "default", "rope_theta": 100.0, "partial_rotary_factor": 0.5},
                     max_position_embeddings=128, tie_word_embeddings=True,
                     initializer_range=WIDTH ** -0.5, attn_implementation="eager",
                     pad_token_id=shapes.PAD, eos_token_id=shapes.EOS, bos_token_id=shapes.WORDS["<bos>"])


@torch.no_grad()
def mimetic(layers, seed: int, match: bool = False) -> None:
    """Start decoder layers as attention that copies: W_o W_v is about I / 2, and the MLPs are turned down to 0.3.

    With `match`, attention also begins by looking for tokens like the one that looks: W_q and W_k are about equal.
    """
    generator = torch.Generator().manual_seed(seed)

    def set_pair(first, second, gain, flip):
        width = first.weight.shape[0]
        turn, noise = torch.linalg.qr(torch.randn(width, width, generator=generator))[0], 0.3 * (gain / width) ** 0.5
        for projection, weight in ((first, turn), (second, turn.T if flip else turn)):
            projection.weight.copy_(gain ** 0.5 * weight + noise * torch.randn(width, width, generator=generator))

    for layer in layers:
        set_pair(layer.self_attn.v_proj, layer.self_attn.o_proj, 0.5, True)
        layer.mlp.down_proj.weight.mul_(0.3)
        if match:
            set_pair(layer.self_attn.q_proj, layer.self_attn.k_proj, 1.0, False)


def block_mask(vision: int, blocks: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask and positions that pack several texts after one image of `vision` tokens; `blocks` are the texts' lengths.

    Returns (mask [1, 1, n, n], 0 where a row may see a column and the lowest float elsewhere; position_ids [1, n]). Vision
    tokens see themselves causally; a text sees the image and itself causally, never another text. Positions restart at 1.
    """
    block = torch.tensor([0] * vision + [i for i, length in enumerate(blocks, start=1) for _ in range(length)])
    order = torch.arange(len(block))
    sees = (order[:, None] >= order) & ((block == block[:, None]) | (block == 0))
    positions = torch.tensor([0] * vision + [i for length in blocks for i in range(1, length + 1)])
    mask = torch.zeros(sees.shape).masked_fill(~sees, torch.finfo(torch.float32).min)
    return mask[None, None], positions[None]


@dataclass
class Generated:
    """Texts of n images; each generated token, <eos> included, is one step of decoding."""

    tokens: torch.Tensor   # [n, longest], padded after the end
    steps: torch.Tensor    # [n] tokens generated for each image, <eos> included
    ended: torch.Tensor    # [n] whether <eos> came before the limit
    texts: list[str]       # n texts, <eos> included


class TinyVLM(nn.Module):
    """Sees boards of `side` squares a side and reads and writes the language of `data.shapes`.

    `seed` and `match` (see `mimetic`) set the fresh weights of its `layers` blocks.
    """

    def __init__(self, side: int, layers: int, seed: int = 0, match: bool = False):
        super().__init__()
        self.side = side
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = PatchEncoder().requires_grad_(False)
            self.connector = nn.Linear(WIDTH, WIDTH)
            self.image = nn.Parameter(0.5 * torch.randn(WIDTH))  # learned: marks a token as a part of the image
            self.language_model = GlmForCausalLM(language_config(layers)).eval()
            with torch.no_grad():
                self.words.normal_(0, 0.5)
        mimetic(self.language_model.model.layers, seed, match)
        self.register_buffer("squares", torch.tensor(shapes.ids(" ".join(shapes.square_names(side)))), persistent=False)

    @property
    def words(self) -> torch.Tensor:
        """The word embeddings [vocabulary, 64], which are also the output weights."""
        return self.language_model.get_input_embeddings().weight

    @torch.no_grad()
    def align(self, features: torch.Tensor, labels: torch.Tensor) -> float:
        """LLaVA's first stage in closed form: fit the connector from features [n, 64] of squares to the words of their labels [n].

        The target is the sum of the embeddings of colour and shape, or that of `none`; ridge regression. Returns the
        residual norm relative to that of the centred targets.
        """
        pairs = torch.tensor(shapes.LABEL_IDS)
        target = self.words[pairs[:, 0]] + self.words[pairs[:, 1]] * (pairs[:, 1:] != shapes.EOS)
        inputs, target = features - features.mean(0), target[labels]
        centred = target - target.mean(0)
        weight = torch.linalg.solve(inputs.T @ inputs + 1e-3 * len(inputs) * torch.eye(WIDTH), inputs.T @ centred)
        self.connector.weight.copy_(weight.T)
        self.connector.bias.copy_(target.mean(0) - features.mean(0) @ weight)
        return float((inputs @ weight - centred).norm() / centred.norm())

    def encode(self, images) -> torch.Tensor:
        """Features [n, side * side, 64] of images [n, 16 side, 16 side, 3] in [0, 1], an array or a tensor (differentiable).

        Raises ValueError for an image of another size or with a pixel outside [0, 1].
        """
        images = torch.as_tensor(images, dtype=torch.float32)
        squares = shapes.patches(images)
        if squares.shape[1] != len(self.squares):
            pixels = self.side * shapes.PIXELS
            raise ValueError(f"this model sees images of {pixels} x {pixels} pixels; found {images.shape[1]} x {images.shape[2]}")
        return self.encoder(squares)

    def vision_tokens(self, features: torch.Tensor) -> torch.Tensor:
        """Vision tokens [n, side * side, 64] from features of the same shape: what a square holds, its name, and the image mark."""
        return self.connector(features) + self.words[self.squares] + self.image

    def forward(self, vision: torch.Tensor, tokens: torch.Tensor, mask=None, position_ids=None, **options):
        """Run vision tokens [n, m, 64] and token ids [n, length] (or embeddings [n, length, 64]) after them.

        `mask` and `position_ids` as of `block_mask`; by default the text is one block. `options` go to the language model,
        such as output_hidden_states=True. Returns its output; `logits` [n, length, vocabulary] are those of the text.
        """
        embedded = self.language_model.get_input_embeddings()(tokens) if tokens.ndim == 2 else tokens
        if mask is None:
            mask, position_ids = block_mask(vision.shape[1], [tokens.shape[1]])
        return self.language_model(
            inputs_embeds=torch.cat([vision, embedded], 1), attention_mask=mask.expand(len(vision), -1, -1, -1),
            position_ids=position_ids.expand(len(vision), -1), logits_to_keep=tokens.shape[1],
            **{"use_cache": False, **options})

    @torch.no_grad()
    def generate(self, vision: torch.Tensor, question: str | torch.Tensor = "describe", max_new_tokens: int = 64,
                 top_p: float | None = None, generator: torch.Generator | None = None) -> Generated:
        """Continue `question` (a text for all, token ids [n, length], or embeddings) after vision tokens [n, m, 64], with a cache.

        Greedy, or with `top_p` nucleus sampling at temperature 1 from `generator`. Rows that ended are dropped from later
        steps. Raises ValueError for an unknown word, an empty question, or more positions than the model has.
        """
        tokens = torch.tensor([shapes.ids(question)] * len(vision)) if isinstance(question, str) else question
        positions = self.language_model.config.max_position_embeddings - 1
        if not len(vision) or not tokens.shape[1] or tokens.shape[1] + max_new_tokens > positions:
            raise ValueError(f"{len(vision)} images, {tokens.shape[1]} words and {max_new_tokens} new ones: there must be an "
                             f"image, a word, and at most {positions} words in all")
        cache, live = DynamicCache(config=self.language_model.config), torch.arange(len(vision))
        written = torch.full((len(vision), max_new_tokens), shapes.PAD)
        ended = torch.zeros(len(vision), dtype=torch.bool)
        logits = self(vision, tokens, past_key_values=cache, use_cache=True).logits[:, -1]
        for step in range(max_new_tokens):
            chosen = logits.argmax(-1) if top_p is None else nucleus(logits, top_p, generator)
            written[live, step] = chosen
            going = chosen != shapes.EOS
            ended[live[~going]] = True
            if not going.any() or step + 1 == max_new_tokens:
                break
            if not going.all():
                live, chosen = live[going], chosen[going]
                cache.batch_select_indices(going.nonzero()[:, 0])
            seen = torch.zeros(len(live), 1, 1, cache.get_seq_length() + 1)
            logits = self.language_model(
                input_ids=chosen[:, None], attention_mask=seen, past_key_values=cache, use_cache=True,
                position_ids=torch.full((len(live), 1), tokens.shape[1] + 1 + step)).logits[:, -1]
        written = written[:, :step + 1]
        return Generated(written, (written != shapes.PAD).sum(1), ended, [shapes.words(row) for row in written.tolist()])

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors (float32) into `folder`."""
        layers = self.language_model.config.num_hidden_layers
        (folder / "config.json").write_text(json.dumps({"side": self.side, "layers": layers}) + "\n")
        save_file({name: value for name, value in self.state_dict().items() if not name.endswith("lm_head.weight")},
                  folder / "model.safetensors")


def nucleus(logits: torch.Tensor, top_p: float, generator: torch.Generator | None = None) -> torch.Tensor:
    """One token id [n] per row of `logits` [n, vocabulary], drawn from the likeliest tokens that together hold `top_p`."""
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p lies in (0, 1]; found {top_p}")
    chances, order = logits.softmax(-1).sort(-1, descending=True)
    chances = chances * (chances.cumsum(-1) - chances < top_p)
    return order.gather(-1, torch.multinomial(chances, 1, generator=generator))[:, 0]


def load(name: str) -> TinyVLM:
    """The vision-language model data/`name`, frozen and in eval mode. Raises CourseError as `utils.models.load.shipped` does."""
    folder = shipped(name)
    try:
        model = TinyVLM(**json.loads((folder / "config.json").read_text()))
        weights = load_file(folder / "model.safetensors")
    except (OSError, TypeError, ValueError) as error:
        raise CourseError(f"data/{name} holds no vision-language model: {str(error).splitlines()[0]}") from error
    model.load_state_dict(weights | {"language_model.lm_head.weight": weights["language_model.model.embed_tokens.weight"]})
    return model.eval().requires_grad_(False)
