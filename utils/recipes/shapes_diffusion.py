"""Recipes of free shapes: a generator that needs many steps, and the few-step generator distilled from it."""
from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch.nn import functional as F

from utils import diffusion, tiny
from utils.progress import progress
from utils.recipes.registry import recipe
from utils.worlds import shapes


def _measured(samples: torch.Tensor, classes: torch.Tensor) -> str:
    """Cells of a card: share of samples whose nearest drawing has the class asked for, and mean residual."""
    fit = diffusion.fit_shape(samples)
    return f"{(fit.shapes.classes == classes.numpy()).mean():.3f} | {fit.residual.mean():.4f}"


def _asked(seed: int, count: int = 450) -> tuple[torch.Tensor, torch.Tensor, torch.Generator]:
    """Noise (count, 3, 16, 16), classes in turn, and the generator that made the noise."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, 16, 16, generator=generator), torch.arange(count) % len(shapes.CLASSES), generator


@recipe
def shapes_denoiser(folder: Path) -> None:
    """A rectified-flow transformer that draws free shapes in many steps; the teacher of `shapes_few_step`."""
    steps, model = 7600, diffusion.DiT(seed=0)
    losses = tiny.fit(model, diffusion.batches(0), steps, lr=2e-3, loss=diffusion.flow_loss, description=folder.name)
    diffusion.save(model.eval(), folder)
    noise, classes, _ = _asked(1)
    rows = [f"| {count} | {_measured(diffusion.euler(model, noise, classes, count), classes)} |" for count in (1, 2, 4, 8, 16, 32)]
    (folder / "README.md").write_text("\n".join([
        "---", "license: mit", "---", f"# {folder.name}", "",
        "Draws a free shape (`utils/worlds/shapes.py`) of a given class on 16 x 16 pixels.", "",
        f"A diffusion transformer (`utils/diffusion.py`) of {sum(p.numel() for p in model.parameters()):,} parameters: "
        f"{model.config['blocks']} blocks of width {model.config['d_model']} on 16 patches, conditioned on noise level and class. "
        f"Trained from fresh weights (seed 0) as a rectified flow for {steps:,} steps of 64 fresh images at a learning rate of "
        f"2e-3; mean loss of the last 200 steps {sum(losses[-200:]) / 200:.4f}.", "",
        "450 samples by number of Euler steps: the share whose nearest drawing has the class asked for, and the mean squared "
        "difference from that drawing.", "",
        "| steps | right class | residual |", "|---|---|---|", *rows, ""]))


@recipe
def shapes_few_step(folder: Path, name: str = "shapes_denoiser") -> None:
    """Distilled from `shapes_denoiser`: jumps from noise to a picture in one or two evaluations."""
    teacher, taus, pairs, steps = diffusion.load(name), (1.0, 0.9), 6000, 3600
    generator, drawn = torch.Generator().manual_seed(5), diffusion.batches(5, 500)
    pool = []
    for block in progress(range(pairs // 500), "asking the teacher"):
        images, classes, noise, _ = drawn(block)
        for tau in taus:
            mixed = torch.lerp(images, noise, tau)
            pool.append((mixed, torch.full((len(mixed),), tau), classes, diffusion.euler(teacher, mixed, classes, 12, tau)))
    mixed, t, classes, target = map(torch.cat, zip(*pool))

    def batch(step):
        chosen = torch.randint(len(mixed), (64,), generator=generator)
        return mixed[chosen], t[chosen], classes[chosen], target[chosen]

    def loss(model, mixed, t, classes, target):
        return F.mse_loss(diffusion.jump(model, mixed, t, classes), target)

    model = copy.deepcopy(teacher)
    tiny.fit(model, batch, steps, lr=1e-3, loss=loss, description=folder.name)
    diffusion.save(model.eval(), folder)
    noise, asked, fresh = _asked(1)
    rows = []
    for times in ((1.0,), taus):
        cells = [_measured(diffusion.few_step(which, noise, asked, times, fresh)[0], asked) for which in (model, teacher)]
        rows.append(f"| {', '.join(map(str, times))} | " + " | ".join(cells) + " |")
    (folder / "README.md").write_text("\n".join([
        "---", "license: mit", "---", f"# {folder.name}", "",
        "Draws a free shape (`utils/worlds/shapes.py`) of a given class in one or two evaluations.", "",
        f"`{name}` distilled: a copy of it was trained, from noise level 1.0 or 0.9, to jump straight to where "
        f"12 Euler steps of the teacher end. {pairs:,} such end points per noise level, {steps:,} steps of 64 at a learning rate "
        "of 1e-3. Between two jumps the sampler adds fresh noise (`utils/diffusion.py`, `few_step`).", "",
        "450 samples by the noise levels jumped from: the share whose nearest drawing has the class asked for, and the mean "
        "squared difference from that drawing; for comparison, the teacher put into the same sampler.", "",
        "| noise levels | right class | residual | teacher: right class | residual |", "|---|---|---|---|---|", *rows, ""]))
