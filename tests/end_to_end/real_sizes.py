"""The published models' shapes, as tensors without data: 8 billion parameters take no memory."""

import torch
from diffusers import AutoencoderKL, PixArtTransformer2DModel, SD3Transformer2DModel
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, T5Config, T5EncoderModel

from original_files import MAPS, UNREAD, Tensors, prefixed

TRANSFORMERS = {
    "sd3": {"layers": 24, "side": 192},
    "sd3.5-medium": {"layers": 24, "side": 384, "dual": tuple(range(13)), "qk_norm": "rms_norm"},
    "sd3.5-large": {"layers": 38, "side": 192, "qk_norm": "rms_norm"},
}


def transformer(
    layers: int, side: int, dual: tuple[int, ...] = (), qk_norm: str | None = None
) -> torch.nn.Module:
    return SD3Transformer2DModel(
        sample_size=128,
        num_layers=layers,
        attention_head_dim=64,
        num_attention_heads=layers,
        caption_projection_dim=64 * layers,
        joint_attention_dim=4096,
        pooled_projection_dim=2048,
        in_channels=16,
        out_channels=16,
        pos_embed_max_size=side,
        dual_attention_layers=dual,
        qk_norm=qk_norm,
    )


def clip(width: int, layers: int, hidden: int) -> torch.nn.Module:
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=49408,
            hidden_size=width,
            intermediate_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=width // 64,
            projection_dim=width,
        )
    )


def vae() -> torch.nn.Module:
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=16,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def t5() -> torch.nn.Module:
    return T5EncoderModel(
        T5Config(
            vocab_size=32128,
            d_model=4096,
            d_ff=10240,
            d_kv=64,
            num_heads=64,
            num_layers=24,
            feed_forward_proj="gated-gelu",
        )
    )


def pixart(sample_size: int) -> torch.nn.Module:
    return PixArtTransformer2DModel(
        sample_size=sample_size,
        num_layers=28,
        caption_channels=4096,
        interpolation_scale=sample_size / 64,
        use_additional_conditions=False,
    )


MAKERS = {
    "vae": vae,
    "text_encoder": lambda: clip(768, 12, 3072),
    "text_encoder_2": lambda: clip(1280, 32, 5120),
    "text_encoder_3": t5,
}


def original(part: str, dtype: torch.dtype = torch.float16, model: str = "sd3") -> Tensors:
    """A part under its original names, without prefix."""
    with torch.device("meta"):
        module = transformer(**TRANSFORMERS[model]) if part == "transformer" else MAKERS[part]()
    tensors = {name: tensor for name, tensor in module.state_dict().items()}
    if part == "text_encoder_3":
        tensors.pop("encoder.embed_tokens.weight", None)
    return {name: tensor.to(dtype) for name, tensor in MAPS[part](tensors).items()}


def checkpoint(model: str, parts: dict[str, torch.dtype]) -> Tensors:
    out: Tensors = {}
    for part, dtype in ({"transformer": torch.float16, "vae": torch.float16} | parts).items():
        out |= prefixed(part, original(part, dtype, model))
    return out | ({name: t for name, t in UNREAD.items() if t.is_floating_point()} if parts else {})
