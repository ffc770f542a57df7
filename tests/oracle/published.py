"""The published models as folders of config files: all that a plan reads of them, and no weight."""

import shutil
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    PixArtTransformer2DModel,
    SD3Transformer2DModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from checkpoints import DEMO, write_index

SD3 = {
    "sd3-medium": {"layers": 24, "side": 192},
    "sd3.5-medium": {"layers": 24, "side": 384, "dual": tuple(range(13)), "norm": "rms_norm"},
    "sd3.5-large": {"layers": 38, "side": 192, "norm": "rms_norm"},
}
PIXART = "pixart-sigma"


def sd3_transformer(
    layers: int, side: int, dual: tuple[int, ...] = (), norm: str | None = None
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
        qk_norm=norm,
    )


def pixart_transformer(sample_size: int = 128) -> torch.nn.Module:
    return PixArtTransformer2DModel(
        sample_size=sample_size,
        num_layers=28,
        caption_channels=4096,
        interpolation_scale=sample_size / 64,
        use_additional_conditions=False,
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


def vae(latent_channels: int) -> torch.nn.Module:
    quant = latent_channels == 4
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=latent_channels,
        sample_size=1024,
        use_quant_conv=quant,
        use_post_quant_conv=quant,
    )


def parts_of(model: str) -> dict[str, torch.nn.Module]:
    with torch.device("meta"):
        if model == PIXART:
            return {"transformer": pixart_transformer(), "vae": vae(4), "text_encoder": t5()}
        return {
            "transformer": sd3_transformer(**SD3[model]),
            "vae": vae(16),
            "text_encoder": clip(768, 12, 3072),
            "text_encoder_2": clip(1280, 32, 5120),
            "text_encoder_3": t5(),
        }


def component_bytes(model: str, element_bytes: int = 2) -> dict[str, int]:
    """As accelerate counts them: parameters and buffers."""
    sizes = {}
    for name, part in parts_of(model).items():
        tensors = [*part.parameters(), *part.buffers()]
        sizes[name] = sum(tensor.numel() for tensor in tensors) * element_bytes
    return sizes


def write_folder(model: str, folder: Path) -> Path:
    parts = parts_of(model)
    for name, part in parts.items():
        if isinstance(part, (CLIPTextModelWithProjection, T5EncoderModel)):
            part.config.architectures = [type(part).__name__]
            part.config.save_pretrained(folder / name)
        else:
            part.save_config(folder / name)
    classes: dict[str, type | None] = {name: type(part) for name, part in parts.items()}
    if model == PIXART:
        scheduler = DPMSolverMultistepScheduler()
        shutil.copytree(DEMO / "pixart" / "tokenizer", folder / "tokenizer")
        classes |= {"tokenizer": T5Tokenizer}
    else:
        scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
        for name in ["tokenizer", "tokenizer_2", "tokenizer_3"]:
            shutil.copytree(DEMO / "sd3" / name, folder / name)
        classes |= {"tokenizer": CLIPTokenizer, "tokenizer_2": CLIPTokenizer}
        classes |= {"tokenizer_3": T5Tokenizer}
    scheduler.save_pretrained(folder / "scheduler")
    write_index(
        folder,
        "PixArtSigmaPipeline" if model == PIXART else "StableDiffusion3Pipeline",
        classes | {"scheduler": type(scheduler)},
    )
    return folder
