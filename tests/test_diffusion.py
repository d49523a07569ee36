"""The tiny image generator: its model and samplers, the exact fit of drawn shapes, and the shipped generator."""
import numpy as np
import pytest
import torch

from data import shapes
from data.shapes import diffusion, recipes
from utils.settings import ROOT, CourseError


@pytest.fixture(scope="module")
def drawn():
    free = shapes.free(np.random.default_rng(0), 45, np.arange(45) % 9)
    return free, shapes.draw(free)


@pytest.mark.parametrize("free_colors", [False, True])
def test_a_drawing_is_recognised_exactly(drawn, free_colors):
    free, images = drawn
    fit = diffusion.fit_shape(images, free_colors)
    assert (fit.shapes.classes == free.classes).all() and fit.residual.max() < 2e-4
    for name in ("x", "y", "radius"):
        assert np.abs(getattr(fit.shapes, name) - getattr(free, name)).max() < 0.07
    assert np.abs(fit.ground - shapes.BACKGROUND).max() < 0.02
    assert np.abs(fit.paint - diffusion.PALETTE[free.classes % 3]).max() < 0.05


def test_the_residual_is_the_distance_to_the_drawing_it_names(drawn):
    blurred = torch.nn.functional.avg_pool2d(torch.from_numpy(drawn[1]), 3, 1, 1, count_include_pad=False).numpy()
    fit = diffusion.fit_shape(blurred)
    assert fit.residual == pytest.approx(((shapes.draw(fit.shapes) - blurred) ** 2).mean((1, 2, 3)), abs=1e-5)
    assert fit.residual.min() > 1e-3


def test_other_colours_are_fitted_when_free(drawn):
    fit = diffusion.fit_shape(0.5 * drawn[1] + 0.1, free_colors=True)
    assert fit.residual.max() < 2e-4 and fit.ground == pytest.approx(np.tile(0.5 * np.array(shapes.BACKGROUND) + 0.1, (45, 1)), abs=0.01)


@pytest.mark.parametrize("images, found", [
    (np.zeros((2, 3, 8, 8)), r"found \[2, 3, 8, 8\]"), (np.zeros((3, 16, 16)), r"found \[3, 16, 16\]"),
    (np.zeros((0, 3, 16, 16)), r"found \[0, 3, 16, 16\]"), (np.full((1, 3, 16, 16), 255.0), "found 255 to 255"),
    (np.full((1, 3, 16, 16), np.nan), "found nan")])
def test_what_is_no_image_of_a_shape_is_refused(images, found):
    with pytest.raises(ValueError, match=found):
        diffusion.fit_shape(images)


def test_a_new_model_has_zero_velocity_and_its_own_seed():
    model, noise, classes = diffusion.DiT(1, blocks=1), torch.randn(4, 3, 16, 16), torch.arange(4)
    assert (model(noise, torch.ones(4), classes) == 0).all()
    assert torch.equal(diffusion.euler(model, noise, classes, 3), noise)
    assert torch.equal(model.embed.weight, diffusion.DiT(1, blocks=1).embed.weight)
    assert not torch.equal(model.embed.weight, diffusion.DiT(2, blocks=1).embed.weight)
    with pytest.raises(ValueError, match=r"\(batch, 3, 16, 16\) with a t and a class each; found \(4, 3, 8, 8\)"):
        model(noise[:, :, :8, :8], torch.ones(4), classes)
    with pytest.raises(ValueError, match="patch must divide size"):
        diffusion.DiT(size=10)


def test_samplers_take_sensible_steps():
    model, noise, classes = diffusion.DiT(blocks=1), torch.randn(2, 3, 16, 16), torch.zeros(2, dtype=torch.long)
    for steps, start in ((0, 1.0), (1, 0.0), (1, 2.0)):
        with pytest.raises(ValueError, match="1 or more steps from a noise level"):
            diffusion.euler(model, noise, classes, steps, start)


def test_the_loss_is_that_of_the_velocity():
    images, classes, noise, t = diffusion.batches(0, 8)(0)
    assert images.shape == noise.shape == (8, 3, 16, 16) and images.abs().max() <= 1 and ((0 < t) & (t < 1)).all()
    loss = diffusion.flow_loss(diffusion.DiT(blocks=1), images, classes, noise, t)
    assert loss.item() == pytest.approx(((noise - images) ** 2).mean().item())


def test_the_shipped_generator_draws_what_it_is_asked():
    noise, classes = recipes._asked(2, 90)
    fit = diffusion.fit_shape(diffusion.euler(diffusion.load("shapes/denoiser"), noise, classes, 16))
    assert (fit.shapes.classes == classes.numpy()).mean() >= 0.95 and fit.residual.mean() < 0.004
    assert "residual" in (ROOT / "data/shapes/denoiser/README.md").read_text()
    with pytest.raises(CourseError, match="holds nothing called 'nothing'"):
        diffusion.load("nothing")
