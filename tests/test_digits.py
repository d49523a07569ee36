"""The DIGITS world: its split, its binary nets, and that lesson 25 writes out what trained them."""
import io
from contextlib import redirect_stderr, redirect_stdout

import pytest
import torch

from data import digits
from data.digits import nets, recipes


def test_the_split_is_fixed_and_disjoint():
    (x, y), (test_x, test_y) = digits.images()
    assert x.shape == (1197, 1, 8, 8) and test_x.shape == (600, 1, 8, 8) and x.min() == -1 and x.max() == 1
    assert torch.equal(digits.images()[1][0], test_x) and {*y.tolist()} == {*test_y.tolist()} == {*range(10)}
    assert not torch.equal(x[:600], test_x)


def test_signs_are_never_zero_and_their_gradient_stops_beyond_one():
    v = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0], requires_grad=True)
    signs = nets.Sign.apply(v)
    signs.sum().backward()
    assert signs.tolist() == [-1, -1, 1, 1, 1] and v.grad.tolist() == [0, 1, 1, 1, 0]


def test_the_centre_loss_counts_distances_and_moves_centres_to_the_majority():
    layer = nets.BinaryConv(1, 4, torch.Generator().manual_seed(0))
    with torch.no_grad():
        layer.v.copy_(torch.ones(4, 1, 3, 3))
        layer.v[3] = -1.0
        layer.v[2, 0, 0, 0] = -1.0
    centres = torch.stack([torch.ones(9), -torch.ones(9)])
    centres[0, 8] = -1.0
    assert nets.centre_loss(layer, centres).item() == 1 + 1 + 2 + 0
    assert torch.equal(centres[0], torch.ones(9)) and torch.equal(centres[1], -torch.ones(9))


def test_lesson_25_writes_out_the_training_that_is_shipped(lesson_definitions):
    written = lesson_definitions(25, "Sign", "BinaryConv", "centre_loss", "train")
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        pair = [train(8, 1, 1e-3, 2, epochs=1).state_dict() for train in (nets.train, written["train"])]
    assert all(torch.equal(pair[0][key], pair[1][key]) for key in pair[0])
    x = torch.randn(2, 8, 4, 4)
    convs = [make(8, 3, torch.Generator().manual_seed(0)) for make in (nets.BinaryConv, written["BinaryConv"])]
    assert torch.equal(convs[0](x), convs[1](x)) and torch.equal(convs[0].filters(), convs[1].filters())


def test_shipped_nets_are_as_right_as_their_card_says():
    shipped = nets.load()
    assert len(shipped) == len(recipes.ARMS) * recipes.TRAININGS
    card = (digits.__file__.replace("__init__.py", "binary/README.md"))
    with open(card) as file:
        rows = [line.strip("|\n ").split("|") for line in file if line.startswith("|")][2:]
    for k, row in enumerate(rows):
        found = [nets.accuracy(net) for _, net in shipped[3 * k:3 * k + 3]]
        assert found == pytest.approx([float(cell) for cell in row[3:]], abs=1)  # the card is of full precision
    assert {float(v) for _, net in shipped[:2] for layer in net.binary for v in layer.v.flatten()} == {-1.0, 1.0}
