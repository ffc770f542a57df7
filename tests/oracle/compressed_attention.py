"""PixArt-Sigma's compressed keys and values, which diffusers does not have, for its transformer.

Written from the paper (section 3.3) and from the facts of the original repository: q and k are
normed over the full width, then k and v are made fewer, then heads are split.
"""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import PixArtTransformer2DModel
from diffusers.models.attention_processor import Attention
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

Tensors = dict[str, Tensor]


def compress(x: Tensor, grid: tuple[int, int], config: dict[str, Any], own: Tensors) -> Tensor:
    """x [batch, tokens, width], row by row -> the tokens that are left."""
    factor = config["scale_factor"]
    if config["sampling"] == "uniform_every":
        return x[:, ::factor]
    image = x.transpose(1, 2).unflatten(2, grid)
    if config["sampling"] in ("uniform", "ave"):
        return image[:, :, ::factor, ::factor].flatten(2).transpose(1, 2)
    weight = own["sr.weight"]
    cells = functional.conv2d(image, weight, own["sr.bias"], stride=factor, groups=len(weight))
    tokens = cells.flatten(2).transpose(1, 2)
    return functional.layer_norm(tokens, x.shape[2:], own["norm.weight"], own["norm.bias"])


class CompressedAttention:
    """A processor for diffusers' attention. `latents` is the size of what the model works on."""

    def __init__(self, own: Tensors, config: dict[str, Any] | None, latents: list[int]) -> None:
        self._own, self._config, self._latents = own, config, latents

    def __call__(self, attn: Attention, x: Tensor, *_: Any, **__: Any) -> Tensor:
        q, k, v = attn.to_q(x), attn.to_k(x), attn.to_v(x)
        if "q_norm.weight" in self._own:
            q, k = self._normed(q, "q_norm"), self._normed(k, "k_norm")
        if self._config is not None:
            grid = (self._latents[-2] // 2, self._latents[-1] // 2)
            k, v = (compress(each, grid, self._config, self._own) for each in (k, v))
        q, k, v = (each.unflatten(2, (attn.heads, -1)).transpose(1, 2) for each in (q, k, v))
        seen = functional.scaled_dot_product_attention(q, k, v)
        return attn.to_out[0](seen.transpose(1, 2).flatten(2))

    def _normed(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self._own[f"{name}.weight"], self._own[f"{name}.bias"]
        return functional.layer_norm(x, x.shape[2:], weight, bias)


def attach(transformer: PixArtTransformer2DModel, folder: Path) -> None:
    """What the checkpoint's config.json and tensors say beyond diffusers' class."""
    config = json.loads((folder / "config.json").read_text())
    compressed = config["kv_compress_config"] if config.get("kv_compress") else None
    if compressed is None:
        return
    stored = load_file(folder / "diffusion_pytorch_model.safetensors")
    latents: list[int] = []

    def remember(module: object, arguments: tuple[Any, ...]) -> None:
        latents[:] = arguments[0].shape

    transformer.register_forward_pre_hook(remember)
    for index, block in enumerate(transformer.transformer_blocks):
        own: Tensors = {}
        for scope in (f"transformer_blocks.{index}.attn1.", f"blocks.{index}.attn."):
            own |= {
                name.removeprefix(scope): tensor.float()
                for name, tensor in stored.items()
                if name.startswith(scope)
            }
        here = compressed if index in compressed["kv_compress_layer"] else None
        block.attn1.processor = CompressedAttention(own, here, latents)
