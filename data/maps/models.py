"""What lesson 14 adds to the decoder of MAPS: the coprocessor, which writes latents for its cache, and pause tokens."""
from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import DynamicCache

from data.maps import AHEAD, PLACE, PLACES
from utils.models.load import shipped


def fork(cache: DynamicCache) -> DynamicCache:
    """A cache with the same entries; what is added to it later does not touch `cache`."""
    twin = DynamicCache()
    for i, layer in enumerate(cache.layers):
        twin.update(layer.keys, layer.values, i)
    return twin


def length_of_words(decoder) -> torch.Tensor:
    """Mean length of the embeddings of the places."""
    return decoder.model.embed_tokens.weight[PLACE:PLACE + PLACES].norm(dim=1).mean().detach()


class Coprocessor(nn.Module):
    """f_phi of lesson 14: N soft tokens, the decoder's cache and the question's embedding in, N latents out, in one pass."""

    def __init__(self, decoder, n_latents: int, start=None, seed: int = 20):
        super().__init__()
        self.net = copy.deepcopy(start or decoder).requires_grad_(True)
        self.net.model.embed_tokens.requires_grad_(False)
        noise = torch.randn(n_latents, decoder.config.hidden_size, generator=torch.Generator().manual_seed(seed))
        self.soft, self.size = nn.Parameter(0.05 * noise), length_of_words(decoder)

    def forward(self, cache: DynamicCache, question: torch.Tensor) -> torch.Tensor:
        """`question` (rows, 1, d) -> latents (rows, N, d), each as long as a word's embedding."""
        x = self.net.model(inputs_embeds=self.soft + question, past_key_values=fork(cache), use_cache=True)
        return F.normalize(x.last_hidden_state, dim=-1) * self.size


class Pause(nn.Module):
    """Learned vectors in place of latents, with the question's embedding and the length of latents, blind to the cache."""

    def __init__(self, decoder, n_latents: int, seed: int = 20):
        super().__init__()
        noise = torch.randn(n_latents, decoder.config.hidden_size, generator=torch.Generator().manual_seed(seed))
        self.soft, self.size = nn.Parameter(0.2 * noise), length_of_words(decoder)

    def forward(self, cache: DynamicCache, question: torch.Tensor) -> torch.Tensor:
        """`question` (rows, 1, d) -> vectors (rows, N, d)."""
        return F.normalize(self.soft + question, dim=-1) * self.size


def ahead_logits(decoder, notes, prompts: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """Logits (rows, AHEAD, vocabulary) of the ahead tokens after the latents that `notes(cache, question)` makes.

    Raises ValueError if the latents do not fit the decoder's positions.
    """
    embed = decoder.get_input_embeddings()
    with torch.no_grad():
        cache = decoder.model(input_ids=prompts, use_cache=True).past_key_values
    z = notes(cache, embed(prompts[:, -1:]))
    room = decoder.config.max_position_embeddings - prompts.shape[1] - AHEAD
    if z.shape[1] > room:
        raise ValueError(f"{z.shape[1]} latents do not fit: after this prompt the decoder has room for {room}")
    x = torch.cat([z, embed(answers[:, :-1])], 1)
    return decoder(inputs_embeds=x, past_key_values=fork(cache), logits_to_keep=AHEAD).logits


def ahead_loss(decoder):
    """`loss(notes, prompts, answers)`: cross-entropy of the ahead tokens, in nats per token."""
    return lambda notes, prompts, answers: F.cross_entropy(
        ahead_logits(decoder, notes, prompts, answers).flatten(0, 1), answers.flatten())


def save(modules: list[nn.Module], folder) -> None:
    """Write what was trained in several trainings to `folder`/model.safetensors."""
    save_file({f"{i}.{name}": value.detach().contiguous() for i, module in enumerate(modules)
               for name, value in module.named_parameters() if value.requires_grad}, folder / "model.safetensors")


def load(name: str, make) -> list[nn.Module]:
    """The trainings of data/maps/`name`, frozen; `make()` builds a fresh module of the same sizes.

    Raises CourseError as `utils.models.load.shipped` does, and ValueError if the weights belong to another module.
    """
    weights, modules = load_file(shipped(f"maps/{name}") / "model.safetensors"), []
    for i in range(1 + max(int(key.split(".")[0]) for key in weights)):
        module = make()
        own = {f"{i}.{key}": value for key, value in module.named_parameters() if value.requires_grad}
        theirs = {key: value.shape for key, value in weights.items() if key.startswith(f"{i}.")}
        if {key: value.shape for key, value in own.items()} != theirs:
            raise ValueError(f"the weights of maps/{name} do not fit this {type(module).__name__}; build it with the sizes on its card")
        with torch.no_grad():
            for key, value in own.items():
                value.copy_(weights[key])
        modules.append(module.eval().requires_grad_(False))
    return modules
