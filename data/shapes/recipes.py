"""Recipes of SHAPES: vision-language models that read boards, and generators that draw free shapes."""
from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from transformers.models.glm.modeling_glm import GlmDecoderLayer

from data import shapes, write_card
from data.shapes import diffusion, vlm
from utils.models import tiny
from utils.progress import progress

SCHEDULE = {"warmup": 100, "weight_decay": 0.01, "decay_from": 0.0, "floor": 0.02}  # of `tiny.fit`, for every model below


def train_encoder(encoder: vlm.PatchEncoder, rng: np.random.Generator, steps: int = 300, batch_size: int = 256) -> None:
    """Train a patch encoder in place to name the label of single squares, then freeze it."""
    encoder.requires_grad_(True)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps)
    for _ in progress(range(steps), "patch encoder"):
        labels = rng.integers(0, len(shapes.LABELS), batch_size)
        loss = F.cross_entropy(encoder.head(encoder(torch.tensor(shapes.squares(rng, labels)))), torch.tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    encoder.requires_grad_(False)


@torch.no_grad()
def feature_pool(encoder: vlm.PatchEncoder, rng: np.random.Generator, each: int = 300) -> torch.Tensor:
    """Features [17, each, 64] of `each` rendered squares of every label; drawing from it replaces rendering in training."""
    labels = np.repeat(np.arange(len(shapes.LABELS)), each).reshape(-1, each)
    return torch.stack([encoder(torch.tensor(shapes.squares(rng, row))) for row in labels])


def draw_features(pool: torch.Tensor, rng: np.random.Generator, labels: np.ndarray) -> torch.Tensor:
    """Features [n, squares, 64] of boards with `labels` [n, squares], each square drawn from the pool."""
    return pool[torch.tensor(labels), torch.tensor(rng.integers(0, pool.shape[1], labels.shape))]


def packed_batch(rng: np.random.Generator, labels: np.ndarray, count: int, shares: dict[str, float], objects: int = 0):
    """Texts about boards [n, squares], to be packed after each image: a caption if `objects` > 0, then `count` questions.

    Returns (tokens [n, length], targets [n, length], lengths of the blocks); `targets` hold the next token on answers
    and -100 elsewhere. The caption has room for `objects` objects.
    """
    asked, answers, _ = shapes.questions(rng, labels, count, shares)
    tokens = np.concatenate([asked, answers[..., :2]], -1).reshape(len(labels), -1)
    targets = np.concatenate([np.full((*asked.shape[:2], 3), shapes.PAD), answers], -1).reshape(len(labels), -1)
    lengths = [6] * count
    if objects:
        caption = shapes.captions(labels, objects)
        request = np.full((len(labels), 1), shapes.WORDS["describe"])
        tokens = np.concatenate([request, caption[:, :-1], tokens], 1)
        targets, lengths = np.concatenate([caption, targets], 1), [caption.shape[1], *lengths]
    return torch.tensor(tokens), torch.tensor(np.where(targets == shapes.PAD, -100, targets)), lengths


def exact(model: vlm.TinyVLM, rng: np.random.Generator, count: int, objects=range(1, 9)) -> dict[str, float]:
    """Share of exact texts on `count` fresh boards from real pixels: captions, and one question of each kind that was trained.

    Boards without an unambiguous question of a kind are left out of that kind's share.
    """
    labels = shapes.scenes(rng, count, model.side, objects)
    vision = model.vision_tokens(model.encode(shapes.boards(rng, labels)))
    wanted = shapes.captions(labels)
    texts = model.generate(vision, max_new_tokens=wanted.shape[1]).texts
    shares = {"caption": float(np.mean([text == shapes.words(row) for text, row in zip(texts, wanted)]))}
    for i, kind in enumerate(("what", "color", "shape", "where")):
        asked, answers, kinds = (array[:, 0] for array in shapes.questions(rng, labels, 1, {kind: 1}))
        texts = model.generate(vision, torch.tensor(asked), 3).texts
        right = [text == shapes.words(row) for text, row in zip(texts, answers)]
        shares[kind] = float(np.mean(np.array(right)[kinds == i]))
    return shares


def vlm_4x4(folder: Path) -> None:
    """Describes boards of 4 x 4 squares and answers four kinds of questions about them, nearly always exactly."""
    seed, side, steps, batch_size = 0, 4, 2500, 16
    mix = {"what": 0.3, "color": 0.15, "shape": 0.15, "where": 0.4}
    rng = np.random.default_rng(seed)
    model = vlm.TinyVLM(side, layers=3, seed=seed)
    train_encoder(model.encoder, rng)
    pool = feature_pool(model.encoder, rng)
    residual = model.align(pool.flatten(0, 1), torch.arange(len(pool)).repeat_interleave(pool.shape[1]))

    def batch(step):
        labels = shapes.scenes(rng, batch_size, side)
        return *packed_batch(rng, labels, 6, mix, objects=8), draw_features(pool, rng, labels)

    def loss(model, tokens, targets, lengths, features):
        masked = vlm.block_mask(side * side, lengths)
        return F.cross_entropy(model(model.vision_tokens(features), tokens, *masked).logits.flatten(0, 1), targets.flatten())

    tiny.fit(model, batch, steps, 4e-3, loss=loss, description=folder.name, **SCHEDULE)
    model.save(folder)

    test = np.random.default_rng([seed, 1])
    labels = shapes.scenes(test, 500, side)
    named = model.encoder.head(model.encode(shapes.boards(test, labels))).argmax(-1).numpy()
    rows = [f"| {kind} | {share:.3f} |" for kind, share in exact(model, test, 1000).items()]
    count = [sum(weight.numel() for weight in part.parameters()) for part in (model.language_model, model.encoder)]
    write_card(folder, [
        "Describes boards of 4 x 4 squares (`data/shapes`) and answers questions about them. Load it with "
        "`data.shapes.vlm.load`.", "",
        f"A language model of {count[0]:,} parameters (GlmForCausalLM, 3 blocks, vocabulary {len(shapes.VOCABULARY)} words) after "
        f"a frozen patch encoder of {count[1]:,} and a connector (`data/shapes/vlm.py`). The encoder names {(named == labels).mean():.4f} "
        f"of the squares of fresh boards. The connector was fitted in closed form (relative residual {residual:.2f}) and then "
        f"trained along. Trained from fresh weights (seed {seed}) for {steps} updates of {batch_size} boards with 1 to 8 objects, "
        "each with a caption and 6 questions (" + ", ".join(f"{kind} {share:g}" for kind, share in mix.items()) + "), the loss on "
        "the answers alone. It has never been asked to count.", "",
        "Share of exact texts on 1000 fresh boards with 1 to 8 objects, rendered to pixels, greedy decoding.", "",
        "| text | exact |", "|---|---|", *rows], library="")


# ---- lesson 81: one vision token -------------------------------------------------------------------------------------

MINI_SIDE, MINI_STEPS, MINI_MIX = 6, 3000, {"what": 0.3, "color": 0.1, "shape": 0.1, "where": 0.5}


def run_blocks(model: vlm.TinyVLM, blocks, hidden: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Pass hidden states [n, tokens, 64] through decoder `blocks` under a mask and positions of `vlm.block_mask`."""
    rotary = model.language_model.model.rotary_emb(hidden, position_ids=positions)
    for block in blocks:
        hidden = block(hidden, attention_mask=mask, position_embeddings=rotary)
    return hidden


def full_logits(model: vlm.TinyVLM, vision: torch.Tensor, tokens: torch.Tensor, count: int, seen: int) -> torch.Tensor:
    """Logits of `count` texts [n, count * length], packed after the vision tokens, which are dropped after `seen` blocks."""
    language, lengths = model.language_model.model, [tokens.shape[1] // count] * count
    hidden = torch.cat([vision, language.embed_tokens(tokens)], 1)
    hidden = run_blocks(model, language.layers[:seen], hidden, *vlm.block_mask(vision.shape[1], lengths))[:, vision.shape[1]:]
    hidden = run_blocks(model, language.layers[seen:], hidden, *vlm.block_mask(0, lengths))
    return model.language_model.lm_head(language.norm(hidden))


class LlavaMini(nn.Module):
    """LLaVA-Mini as lesson 81 writes it out: compression to one token, pre-fusion, then the language model.

    With no fusion blocks it is compression alone.
    """

    def __init__(self, language_blocks: int, fusion_blocks: int, seed: int):
        super().__init__()
        self.vlm = vlm.TinyVLM(MINI_SIDE, language_blocks, seed, match=True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.queries = nn.Parameter(0.5 * torch.randn(1, vlm.WIDTH))
            config = vlm.language_config(max(fusion_blocks, 1))
            self.fusion = nn.ModuleList(GlmDecoderLayer(config, i) for i in range(fusion_blocks))
            for weight in self.fusion.parameters():
                if weight.ndim == 2:
                    nn.init.normal_(weight, 0, config.initializer_range)
        vlm.mimetic(self.fusion, seed + 1, match=True)
        row, column = torch.meshgrid(torch.arange(MINI_SIDE), torch.arange(MINI_SIDE), indexing="ij")
        angles = torch.stack([column, row], -1).reshape(-1, 2, 1) * 100.0 ** (-torch.arange(16) / 16)
        self.register_buffer("place", torch.cat([angles.sin(), angles.cos()], -1).flatten(1), persistent=False)

    def logits(self, vision: torch.Tensor, tokens: torch.Tensor, count: int) -> torch.Tensor:
        """Logits of `count` texts [n, count * 6] about clips: vision tokens [n, frames, squares, 64]."""
        (n, frames, squares), language = vision.shape[:3], self.vlm.language_model.model
        vision = vision.flatten(0, 1)
        attention = (self.queries @ (vision + self.place).transpose(1, 2) / vlm.WIDTH ** 0.5).softmax(-1)
        compressed, words = attention @ vision, language.embed_tokens(tokens)
        if len(self.fusion):
            words = words.view(n, count, -1, vlm.WIDTH)
            asked = words[:, :, :4].flatten(1, 2).repeat_interleave(frames, 0)
            hidden = torch.cat([vision, compressed, asked], 1)
            hidden = run_blocks(self.vlm, self.fusion, hidden, *vlm.block_mask(squares + 1, [4] * count))
            compressed, asked = hidden[:, squares:squares + 1], hidden[:, squares + 1:]
            asked = asked.view(n, frames, count, 4, vlm.WIDTH).mean(1)
            words = torch.cat([asked, words[:, :, 4:]], 2).flatten(1, 2)
        hidden = torch.cat([compressed.reshape(n, frames, vlm.WIDTH), words], 1)
        hidden = run_blocks(self.vlm, language.layers, hidden, *vlm.block_mask(frames, [tokens.shape[1] // count] * count))
        return self.vlm.language_model.lm_head(language.norm(hidden[:, frames:]))


def clips(rng: np.random.Generator, labels: np.ndarray, frames: int) -> np.ndarray:
    """Labels [n, frames, squares] of clips: each object of a board [n, squares] shows in one frame, drawn at random."""
    when = rng.integers(0, frames, labels.shape)
    return np.where(when[:, None] == np.arange(frames)[:, None], labels[:, None], 0)


def _prepare(seed: int) -> tuple[dict, torch.Tensor, np.random.Generator]:
    """The encoder's weights, features to draw boards from, and a generator; the same for every model of the lesson."""
    rng, encoder = np.random.default_rng(seed), vlm.TinyVLM(MINI_SIDE, 1, seed).encoder
    train_encoder(encoder, rng)
    return encoder.state_dict(), feature_pool(encoder, rng), rng


def _fit_mini(name: str, model: nn.Module, logits, prepared, steps: int, fresh: bool = True, frames: int = 1,
              lr: float = 4e-3) -> None:
    """Train one of the lesson's models on 6 questions about each of 16 fresh boards (or clips) per update.

    `logits(vision [n, frames, squares, 64], tokens)` runs `model`, a TinyVLM or a LlavaMini. A `fresh` one gets its
    encoder and connector, and the most objects on a board grow from 1 to 8 over the first 40 % of the updates.
    """
    weights, pool, rng = prepared
    reader = model.vlm if isinstance(model, LlavaMini) else model
    if fresh:
        reader.encoder.load_state_dict(weights)
        reader.align(pool.flatten(0, 1), torch.arange(len(pool)).repeat_interleave(pool.shape[1]))

    def batch(step):
        most = int(np.ceil(8 * min(1.0, (step + 1) / (0.4 * steps)))) if fresh else 8
        labels = shapes.scenes(rng, 16, MINI_SIDE, range(1, most + 1))
        tokens, targets, _ = packed_batch(rng, labels, 6, MINI_MIX)
        return tokens, targets, draw_features(pool, rng, clips(rng, labels, frames))

    def loss(model, tokens, targets, features):
        return F.cross_entropy(logits(reader.vision_tokens(features), tokens).flatten(0, 1), targets.flatten())

    tiny.fit(model, batch, steps, lr, loss=loss, description=name, **SCHEDULE)


@torch.no_grad()
def _share_exact(model: vlm.TinyVLM, logits, rng: np.random.Generator, count: int = 500, frames: int = 1) -> list[float]:
    """Share of exact answers to each of four kinds of questions about `count` fresh boards or clips of 3 to 8 objects.

    An answer is exact when every token is the likeliest one after the right tokens before it: then and only then does
    greedy decoding write it.
    """
    labels, shares = shapes.scenes(rng, count, MINI_SIDE, range(3, 9)), []
    shown = clips(rng, labels, frames)
    images = shapes.boards(rng, shown.reshape(-1, shown.shape[2]))
    vision = model.vision_tokens(model.encode(images).view(*shown.shape, vlm.WIDTH))
    for i, kind in enumerate(("what", "color", "shape", "where")):
        kinds = shapes.questions(np.random.default_rng(i), labels, 1, {kind: 1})[2]
        tokens, targets, _ = packed_batch(np.random.default_rng(i), labels, 1, {kind: 1})
        right = ((logits(vision, tokens).argmax(-1) == targets) | (targets < 0)).all(1).numpy()
        shares.append(float(right[kinds[:, 0] == i].mean()))
    return shares


def _save_mini(folder: Path, about: str, rows: dict, models: dict[str, nn.Module], seed: int | str) -> None:
    """Write the models' weights in half precision, and a card with the measured `rows` (name -> updates and shares)."""
    for name, model in models.items():
        save_file({key: value.half() for key, value in model.state_dict().items()}, folder / f"{name}.safetensors")
    lines = [f"| `{name}` | {steps} | " + " | ".join(f"{share:.3f}" for share in shares) + " |" for name, (steps, shares) in rows.items()]
    write_card(folder, [
        about, "",
        f"Weights in half precision; trained in single precision from fresh weights (seed {seed}) by `data/shapes/recipes.py`: 16 "
        "fresh boards of 6 x 6 squares with 1 to 8 objects per update, 6 questions about each (" +
        ", ".join(f"{kind} {share:g}" for kind, share in MINI_MIX.items()) + "), the loss on the answers alone.", "",
        "Share of exact answers about 500 fresh boards with 3 to 8 objects, rendered to pixels, greedy decoding.", "",
        "| model | updates | what | color | shape | where |", "|---|---|---|---|---|---|", *lines], library="")


def llava_full(folder: Path) -> None:
    """Lesson 81's models that read every patch: `llava` in all its four blocks, `drop` in the first of five."""
    seed, rows, trained = 0, {}, {}
    prepared = _prepare(seed)
    # Baselines should not owe a defeat to bad luck, so each starts from the first seed that learned every kind of question. From
    # seeds 0 and 1 `llava` got stuck with 3 in 4 `what` right (it looked for the colour just said, not for the square); from
    # seed 0 `drop` got stuck on `where`.
    for name, blocks, seen, start in (("llava", 4, 4, 2), ("drop", 5, 1, 1)):
        trained[name] = model = vlm.TinyVLM(MINI_SIDE, blocks, start, match=True)
        logits = lambda vision, tokens: full_logits(model, vision[:, 0], tokens, tokens.shape[1] // 6, seen)  # noqa: E731, B023
        _fit_mini(name, model, logits, prepared, MINI_STEPS)
        rows[name] = MINI_STEPS, _share_exact(model, logits, np.random.default_rng([seed, 1]))
    _save_mini(folder, "Two models of lesson 81 that read all 36 patches of an image: `llava` (4 blocks, patches in all of them; fresh "
               "weights from seed 2) and `drop` (5 blocks, patches in the first one only, trained that way; fresh weights from seed 1).",
               rows, trained, f"{seed} for encoder and data")


def llava_mini(folder: Path) -> None:
    """Lesson 81's models with one vision token: `mini` with pre-fusion, `comp` without, `video` for clips of 4 frames."""
    seed, rows, trained = 0, {}, {}
    prepared = _prepare(seed)
    for name, blocks, fusion in (("mini", 4, 1), ("comp", 5, 0)):
        model = LlavaMini(blocks, fusion, seed)
        logits = lambda vision, tokens: model.logits(vision, tokens, tokens.shape[1] // 6)  # noqa: E731, B023
        _fit_mini(name, model, logits, prepared, MINI_STEPS)
        rows[name], trained[name] = (MINI_STEPS, _share_exact(model.vlm, logits, np.random.default_rng([seed, 1]))), model
    model = LlavaMini(4, 1, seed)
    model.load_state_dict(trained["mini"].state_dict())
    logits = lambda vision, tokens: model.logits(vision, tokens, tokens.shape[1] // 6)  # noqa: E731
    _fit_mini("video", model, logits, prepared, 400, fresh=False, frames=4, lr=2e-3)
    rows["video"] = (400, _share_exact(model.vlm, logits, np.random.default_rng([seed, 1]), frames=4))
    _save_mini(folder, "Three models of lesson 81 that give their language model one vision token per image: `mini` (pre-fusion block, "
               "then 4 blocks), `comp` (no pre-fusion, 5 blocks) and `video` (`mini` trained further on clips of 4 frames, over which "
               "the objects of a board are spread; its row is measured on such clips).", rows, trained | {"video": model}, seed)


# ---- free shapes: a generator that takes many steps -------------------------------------------------------------------

def _measured(samples: torch.Tensor, classes: torch.Tensor) -> str:
    """Cells of a card: share of samples whose nearest drawing has the class asked for, and mean residual."""
    fit = diffusion.fit_shape(samples)
    return f"{(fit.shapes.classes == classes.numpy()).mean():.3f} | {fit.residual.mean():.4f}"


def _asked(seed: int, count: int = 450) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise (count, 3, 16, 16) and classes in turn."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, 16, 16, generator=generator), torch.arange(count) % len(shapes.CLASSES)


def denoiser(folder: Path) -> None:
    """A rectified-flow transformer that draws free shapes in many steps."""
    steps, model = 7600, diffusion.DiT(seed=0)
    losses = tiny.fit(model, diffusion.batches(0), steps, lr=2e-3, loss=diffusion.flow_loss, description=folder.name)
    diffusion.save(model.eval(), folder)
    noise, classes = _asked(1)
    rows = [f"| {count} | {_measured(diffusion.euler(model, noise, classes, count), classes)} |" for count in (1, 2, 4, 8, 16, 32)]
    write_card(folder, [
        "Draws a free shape (`data/shapes`) of a given class on 16 x 16 pixels.", "",
        f"A diffusion transformer (`data/shapes/diffusion.py`) of {sum(p.numel() for p in model.parameters()):,} parameters: "
        f"{model.config['blocks']} blocks of width {model.config['d_model']} on 16 patches, conditioned on noise level and class. "
        f"Trained from fresh weights (seed 0) as a rectified flow for {steps:,} steps of 64 fresh images at a learning rate of "
        f"2e-3; mean loss of the last 200 steps {sum(losses[-200:]) / 200:.4f}.", "",
        "450 samples by number of Euler steps: the share whose nearest drawing has the class asked for, and the mean squared "
        "difference from that drawing.", "",
        "| steps | right class | residual |", "|---|---|---|", *rows], library="")


RECIPES = [vlm_4x4, llava_full, llava_mini, denoiser]
