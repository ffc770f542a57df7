"""The published models' shapes, as tensors without data: 8 billion parameters take no memory."""

import torch

from original_files import MAPS, UNREAD, Tensors, prefixed
from published import SD3, clip, pixart_transformer, sd3_transformer, t5, vae

TRANSFORMERS = {"sd3": SD3["sd3-medium"]} | SD3


def pixart(sample_size: int) -> torch.nn.Module:
    return pixart_transformer(sample_size)


MAKERS = {
    "vae": lambda: vae(16),
    "text_encoder": lambda: clip(768, 12, 3072),
    "text_encoder_2": lambda: clip(1280, 32, 5120),
    "text_encoder_3": t5,
}


def original(part: str, dtype: torch.dtype = torch.float16, model: str = "sd3") -> Tensors:
    """A part under its original names, without prefix."""
    with torch.device("meta"):
        module = sd3_transformer(**TRANSFORMERS[model]) if part == "transformer" else MAKERS[part]()
    tensors = {name: tensor for name, tensor in module.state_dict().items()}
    if part == "text_encoder_3":
        tensors.pop("encoder.embed_tokens.weight", None)
    return {name: tensor.to(dtype) for name, tensor in MAPS[part](tensors).items()}


def checkpoint(model: str, parts: dict[str, torch.dtype]) -> Tensors:
    out: Tensors = {}
    for part, dtype in ({"transformer": torch.float16, "vae": torch.float16} | parts).items():
        out |= prefixed(part, original(part, dtype, model))
    return out | ({name: t for name, t in UNREAD.items() if t.is_floating_point()} if parts else {})
