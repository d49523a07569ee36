"""Binary networks for DIGITS and their training, as lesson 25 writes them out; the trained ones, packed into bits."""
from __future__ import annotations

import json

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from data import digits
from utils.models.load import shipped
from utils.progress import progress

EPOCHS, BATCH = 24, 64


class Sign(torch.autograd.Function):
    """+1 where v >= 0, else -1; its gradient passes where |v| <= 1 (straight-through estimator)."""

    @staticmethod
    def forward(ctx, v):
        ctx.save_for_backward(v)
        return torch.where(v >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, grad):
        v, = ctx.saved_tensors
        return grad * (v.abs() <= 1)


class BinaryConv(nn.Module):
    """3x3 convolution of signs with signs, padded with -1, so that all numbers are +1 or -1: (b, in, h, w) -> (b, out, h, w)."""

    def __init__(self, c_in: int, c_out: int, generator):
        super().__init__()
        self.v = nn.Parameter(torch.empty(c_out, c_in, 3, 3).uniform_(-0.1, 0.1, generator=generator))

    def filters(self) -> torch.Tensor:
        """The binary filters w = sign(v), (out, n) with n = 9 in."""
        return Sign.apply(self.v).flatten(1)

    def forward(self, x):
        return F.conv2d(F.pad(Sign.apply(x), (1, 1, 1, 1), value=-1.0), Sign.apply(self.v))


class Net(nn.Module):
    """A real-valued layer, three binary ones of `width`, 2 `width` and 2 `width` channels, a linear read-out: -> (b, 10)."""

    def __init__(self, width: int, seed: int):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.first, self.last = nn.Conv2d(1, width, 3, padding=1), nn.Linear(8 * width, 10)
        self.binary = nn.ModuleList(BinaryConv(*sizes, generator) for sizes in (
            (width, width), (width, 2 * width), (2 * width, 2 * width)))
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) for c in (width, width, 2 * width, 2 * width))
        with torch.no_grad():
            for layer, bound in ((self.first, 0.33), (self.last, 0.05)):
                layer.weight.uniform_(-bound, bound, generator=generator)
                layer.bias.zero_()

    def forward(self, x):
        x = self.norms[0](F.max_pool2d(self.first(x), 2))
        x = self.norms[1](self.binary[0](x))
        x = self.norms[2](F.max_pool2d(self.binary[1](x), 2))
        return self.last(F.hardtanh(self.norms[3](self.binary[2](x))).flatten(1))


def centre_loss(layer: BinaryConv, centres: torch.Tensor) -> torch.Tensor:
    """Sum over filters of the Hamming distance to the nearest of the `centres` (K, n), which move to their filters' majority."""
    w = layer.filters()
    distances = (w.shape[1] - w @ centres.clone().T) / 2              # (out, K)
    nearest = distances.argmin(1)
    loss = distances.min(1).values.sum()
    for k in nearest.unique():
        centres[k] = torch.where(w.detach()[nearest == k].sum(0) >= 0, 1.0, -1.0)
    return loss


def train(width: int, seed: int, strength: float = 0.0, centres: int = 1, epochs: int = EPOCHS) -> Net:
    """Train a net with cross-entropy plus `strength` times the centre loss of all binary layers."""
    (x, y), _ = digits.images()
    net, rng = Net(width, seed), np.random.default_rng(seed)
    middle = [torch.from_numpy(rng.choice([-1.0, 1.0], (centres, layer.v[0].numel()))).float() for layer in net.binary]
    steps = epochs * (len(x) // BATCH)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in progress(range(steps), f"{width} wide, strength {strength:g}"):
        if step % (len(x) // BATCH) == 0:
            order = torch.from_numpy(rng.permutation(len(x)))
        rows = order[BATCH * (step % (len(x) // BATCH)):][:BATCH]
        loss = F.cross_entropy(net(x[rows]), y[rows])
        if strength:
            loss = loss + strength * sum(map(centre_loss, net.binary, middle))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            for layer in net.binary:
                layer.v.clamp_(-1, 1)                                 # or the gradient could not bring them back
    return net.eval()


@torch.no_grad()
def accuracy(net: Net) -> float:
    """Percent of the 600 test images that `net` names right."""
    _, (x, y) = digits.images()
    return 100 * (net(x).argmax(1) == y).float().mean().item()


def save(nets: list[tuple[dict, Net]], folder) -> None:
    """Write (sizes, net) pairs to `folder`: binary weights as bits, the rest in half precision."""
    tensors = {}
    for i, (_, net) in enumerate(nets):
        for name, value in net.state_dict().items():
            if name.endswith(".v"):
                tensors[f"{i}.{name}"] = torch.from_numpy(np.packbits(value.flatten().numpy() >= 0))
            elif value.is_floating_point():
                tensors[f"{i}.{name}"] = value.half()
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps([sizes for sizes, _ in nets], indent=1) + "\n")


def load(name: str = "binary") -> list[tuple[dict, Net]]:
    """The (sizes, net) pairs of data/digits/`name`; latent weights are +1 or -1. Raises CourseError as `shipped` does."""
    folder = shipped(f"digits/{name}")
    tensors, nets = load_file(folder / "model.safetensors"), []
    for i, sizes in enumerate(json.loads((folder / "config.json").read_text())):
        net = Net(sizes["width"], 0)
        state = net.state_dict()
        for key, value in state.items():
            if key.endswith(".v"):
                bits = np.unpackbits(tensors[f"{i}.{key}"].numpy(), count=value.numel())
                value.copy_(torch.from_numpy(2.0 * bits - 1).view_as(value))
            elif value.is_floating_point():
                value.copy_(tensors[f"{i}.{key}"].float())
        nets.append((sizes, net.eval().requires_grad_(False)))
    return nets
