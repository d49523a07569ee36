"""A tiny image generator for SHAPES: a rectified-flow transformer, its sampler, and an exact measure of what it drew."""
from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from data import shapes
from utils.models.load import shipped

# ---- the generator ---------------------------------------------------------------------------------------------------

class Block(nn.Module):
    """A transformer block whose two norms are scaled, shifted and gated by the condition (adaLN-zero)."""

    def __init__(self, d_model: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(d_model, 3 * d_model), nn.Linear(d_model, d_model)
        self.up, self.down = nn.Linear(d_model, 4 * d_model), nn.Linear(4 * d_model, d_model)
        self.modulation = nn.Linear(d_model, 6 * d_model)

    def forward(self, tokens: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        """`tokens` (batch, length, d_model), `condition` (batch, d_model)."""
        shift, scale, gate, shift_2, scale_2, gate_2 = self.modulation(F.silu(condition))[:, None].chunk(6, -1)
        x = F.layer_norm(tokens, tokens.shape[-1:]) * (1 + scale) + shift
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        tokens = tokens + gate * self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        x = F.layer_norm(tokens, tokens.shape[-1:]) * (1 + scale_2) + shift_2
        return tokens + gate_2 * self.down(F.gelu(self.up(x)))


class DiT(nn.Module):
    """A diffusion transformer: images (batch, 3, size, size) with noise level t and a class in, velocity out.

    Weights are fresh from `seed`. The velocity of a new model is zero everywhere.
    """

    def __init__(self, seed: int = 0, size: int = 16, patch: int = 4, d_model: int = 64, blocks: int = 4, heads: int = 4,
                 classes: int = len(shapes.CLASSES)):
        super().__init__()
        if size % patch or d_model % heads:
            raise ValueError(f"patch must divide size, and heads must divide d_model; found {size}, {patch}; {d_model}, {heads}")
        self.config = {"size": size, "patch": patch, "d_model": d_model, "blocks": blocks, "heads": heads, "classes": classes}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embed = nn.Linear(3 * patch * patch, d_model)
            self.positions = nn.Parameter(0.1 * torch.randn((size // patch) ** 2, d_model))
            self.time = nn.Sequential(nn.Linear(64, d_model), nn.SiLU(), nn.Linear(d_model, d_model))
            self.label = nn.Embedding(classes, d_model)
            self.blocks = nn.ModuleList(Block(d_model, heads) for _ in range(blocks))
            self.modulation, self.head = nn.Linear(d_model, 2 * d_model), nn.Linear(d_model, 3 * patch * patch)
        for layer in (*(block.modulation for block in self.blocks), self.modulation, self.head):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, images: torch.Tensor, t: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Velocity (batch, 3, size, size) at `images`, of which a share `t` (batch,) in [0, 1] is noise."""
        size, patch = self.config["size"], self.config["patch"]
        if tuple(images.shape) != (len(t), 3, size, size) or len(classes) != len(t):
            raise ValueError(f"the model takes images (batch, 3, {size}, {size}) with a t and a class each; "
                             f"found {tuple(images.shape)}, {len(t)} and {len(classes)}")
        tokens = self.embed(F.unfold(images, patch, stride=patch).transpose(1, 2)) + self.positions
        angles = t[:, None] * torch.logspace(0, math.log10(200), 32)
        condition = self.time(torch.cat([angles.sin(), angles.cos()], -1)) + self.label(classes)
        for block in self.blocks:
            tokens = block(tokens, condition)
        shift, scale = self.modulation(F.silu(condition))[:, None].chunk(2, -1)
        tokens = self.head(F.layer_norm(tokens, tokens.shape[-1:]) * (1 + scale) + shift)
        return F.fold(tokens.transpose(1, 2), (size, size), patch, stride=patch)


def batches(seed: int, batch_size: int = 64, size: int = 16):
    """A `batch(step)` for `tiny.fit`: fresh free shapes (images, classes) with noise and logit-normal t for `flow_loss`."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)

    def batch(step):
        drawn = shapes.free(rng, batch_size)
        images = torch.from_numpy(shapes.draw(drawn, size))
        noise, t = torch.randn(images.shape, generator=generator), torch.randn(batch_size, generator=generator).sigmoid()
        return images, torch.from_numpy(drawn.classes), noise, t
    return batch


def flow_loss(model, images: torch.Tensor, classes: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Rectified flow: mean squared error of the velocity noise - images at (1 - t) images + t noise."""
    mixed = torch.lerp(images, noise, t[:, None, None, None])
    return F.mse_loss(model(mixed, t, classes), noise - images)


@torch.no_grad()
def euler(model, images: torch.Tensor, classes: torch.Tensor, steps: int, start: float = 1.0) -> torch.Tensor:
    """Follow the model's velocity from noise level `start`, where `images` lie, to 0 in `steps` equal steps.

    Pure noise at `start` 1 becomes samples. Takes `steps` evaluations of the model per image.
    """
    if steps < 1 or not 0 < start <= 1:
        raise ValueError(f"Euler takes 1 or more steps from a noise level in (0, 1]; found {steps} from {start}")
    for i in range(steps):
        t = torch.full((len(images),), start * (1 - i / steps))
        images = images - start / steps * model(images, t, classes)
    return images


def load(name: str) -> DiT:
    """The generator data/`name` in eval mode. Raises CourseError as `utils.models.load.shipped` does."""
    folder = shipped(name)
    model = DiT(**json.loads((folder / "config.json").read_text()))
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval()


def save(model: DiT, folder) -> None:
    """Write config.json and model.safetensors, which `load` reads, to `folder`."""
    (folder / "config.json").write_text(json.dumps(model.config) + "\n")
    save_file(model.state_dict(), folder / "model.safetensors")


# ---- what was drawn? -------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Fit:
    """The drawn shapes nearest to n images: what `free` draws, and how far each image is from it.

    `residual` [n] is the mean squared difference per pixel and channel; 0 for a drawing, large for blur, noise and ghosts.
    `paint` and `ground` [n, 3] are the colours of the shape and of what is behind it.
    """

    shapes: shapes.Free
    residual: np.ndarray
    paint: np.ndarray
    ground: np.ndarray


PALETTE = np.array([shapes.COLORS[color] for color in tuple(shapes.COLORS)[:3]]) * 2 - 1
_AXIS = np.arange(16, dtype=np.float32) + 0.5
_GRID: dict[int, tuple[np.ndarray, np.ndarray]] = {}


def _masks(shape: int, where: np.ndarray) -> np.ndarray:
    """Opacities [..., 256] of `shape` at places (x, y, radius) `where` [..., 3]."""
    x, y, radius = np.moveaxis(where.astype(np.float32), -1, 0)[..., None, None]
    masks = shapes.coverage(shape, _AXIS - x, _AXIS[:, None] - y, radius, 1.0)
    return masks.reshape(*masks.shape[:-2], 256)


def _grid(shape: int):
    """Places [k, 3] half a pixel apart, and their opacities [k, 256]."""
    if shape not in _GRID:
        places = np.stack(np.meshgrid(np.arange(4, 12.1, 0.5), np.arange(4, 12.1, 0.5), np.arange(2, 6.1, 0.5),
                                      indexing="ij"), -1).reshape(-1, 3)
        _GRID[shape] = places, _masks(shape, places)
    return _GRID[shape]


def _misfit(dots, masks, pixels, free_colors):
    """Squared error of each image for each mask and the best colours: [n, k] (and, if the palette is given, its index).

    `dots` [n, k, 3]: inner products of masks and channels; `masks` [k or (n, k), 256]; `pixels` [n, 3, 256].
    """
    total, square = masks.sum(-1), (masks * masks).sum(-1)
    if free_colors:  # least squares with a constant: explained = covariance^2 / variance, channel by channel
        means = pixels.mean(-1)[:, None]
        spread = np.maximum(square - total ** 2 / 256, 1e-6)
        error = ((pixels - pixels.mean(-1, keepdims=True)) ** 2).sum((1, 2))[:, None]
        return error - ((dots - total[..., None] * means) ** 2).sum(-1) / spread, None
    ground = np.array(shapes.BACKGROUND, np.float32)
    error = ((pixels - ground[:, None]) ** 2).sum((1, 2))[:, None, None]
    steps = (PALETTE - ground).astype(np.float32)                                    # (3 colours, 3 channels)
    offset = dots - total[..., None] * ground
    errors = error - 2 * offset @ steps.T + square[..., None] * (steps ** 2).sum(-1)
    return errors.min(-1), errors.argmin(-1)


def fit_shape(images, free_colors: bool = False) -> Fit:
    """The free shape that, drawn, comes nearest to each of `images` (n, 3, 16, 16) in squared error.

    Searches circle, square and triangle, centres in 4..12 and radii in 2..6 on a grid of half a pixel, then refines to
    1/16 of a pixel. Colours are those of CLASSES on the dark background, or, if `free_colors`, the best ones for the
    image (by least squares; then the class takes the nearest colour of the palette). 500 images take about a second.
    Raises ValueError for images of another size, with values that are not finite, or far outside [-1, 1].
    """
    pixels = np.asarray(images, np.float32)
    if pixels.ndim != 4 or pixels.shape[1:] != (3, 16, 16) or not len(pixels):
        raise ValueError(f"fit_shape takes images (n, 3, 16, 16); found {list(pixels.shape)}")
    if not np.abs(pixels).max() <= 10:
        raise ValueError(f"pixels of free shapes lie in [-1, 1]; found {pixels.min():.3g} to {pixels.max():.3g}")
    n, pixels = len(pixels), pixels.reshape(-1, 3, 256)
    rows, moves = np.arange(n), np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3)
    best = None
    for shape in range(3):
        places, masks = _grid(shape)
        error, color = np.empty(n, np.float32), np.zeros(n, int)
        where = np.empty((n, 3))
        for start in range(0, n, 64):
            some = slice(start, start + 64)
            dots = (pixels[some].reshape(-1, 256) @ masks.T).reshape(-1, 3, len(places)).transpose(0, 2, 1)
            where[some] = places[_misfit(dots, masks, pixels[some], free_colors)[0].argmin(1)]
        for step in (0.25, 0.125, 0.0625):
            around = where[:, None] + step * moves                                   # (n, 27, 3)
            near = _masks(shape, around)
            errors, colors = _misfit(near @ pixels.transpose(0, 2, 1), near, pixels, free_colors)
            chosen = errors.argmin(1)
            where, error = around[rows, chosen], errors[rows, chosen]
            color = color if colors is None else colors[rows, chosen]
        found = np.column_stack([np.full(n, shape), color, where, error])
        best = found if best is None else np.where((found[:, 5] < best[:, 5])[:, None], found, best)
    paint, ground = PALETTE[best[:, 1].astype(int)], np.tile(shapes.BACKGROUND, (n, 1))
    if free_colors:
        masks = np.concatenate([_masks(int(row[0]), row[None, 2:5]) for row in best])
        design = np.stack([1 - masks, masks], -1)                                    # (n, 256, 2)
        ground, paint = np.moveaxis(np.linalg.pinv(design) @ pixels.transpose(0, 2, 1), 1, 0)
        best[:, 1] = ((paint[:, None] - PALETTE) ** 2).sum(-1).argmin(1)
    free = shapes.Free((3 * best[:, 0] + best[:, 1]).astype(int), *best[:, 2:5].T)
    return Fit(free, np.maximum(best[:, 5], 0) / 768, paint, ground)
