"""Tiny models for the checkpoints, every number of them drawn at random.

diffusers begins some layers at zero (adaLN, proj_out) and norms at one: a test on those proves
little, so all of them are drawn anew.
"""

import torch
from diffusers import AutoencoderKL, PixArtTransformer2DModel, SD3Transformer2DModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, T5Config, T5EncoderModel

T5_WIDTH = 144  # wider than both CLIPs together, which are padded to it
CLIP_L_WIDTH, CLIP_G_WIDTH = 48, 80
END_OF_TEXT = 671  # in the demo's vocabulary, where it is the highest id, as in CLIP's own


def randomise(model: nn.Module, generator: torch.Generator) -> nn.Module:
    """Draw every parameter: matrices keep the scale of their input, norms stay near one."""

    def normal(tensor: torch.Tensor) -> torch.Tensor:
        return torch.randn(tensor.shape, generator=generator)

    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if parameter.ndim == 1:
                is_scale = "norm" in name and name.endswith("weight")
                parameter.copy_(0.1 * normal(parameter) + (1 if is_scale else 0))
            elif "embedding" in name or name == "shared.weight":
                parameter.copy_(normal(parameter))
            elif name.endswith("scale_shift_table"):
                parameter.copy_(0.3 * normal(parameter))
            else:
                parameter.copy_(normal(parameter) / parameter[0].numel() ** 0.5)
        for name, block in model.named_modules():
            # T5 has no 1/sqrt(d): its queries are smaller by that instead.
            if name.endswith("SelfAttention"):
                block.q.weight.mul_(block.key_value_proj_dim**-0.5)
    return model.eval()


def sd3_transformer(**config: object) -> SD3Transformer2DModel:
    shape: dict[str, object] = {
        "patch_size": 2,
        "in_channels": 16,
        "out_channels": 16,
        "joint_attention_dim": T5_WIDTH,
        "pooled_projection_dim": CLIP_L_WIDTH + CLIP_G_WIDTH,
    }
    return SD3Transformer2DModel(**(shape | config))


def pixart_transformer(
    sample_size: int, interpolation_scale: float | None, heads: int, layers: int
) -> PixArtTransformer2DModel:
    return PixArtTransformer2DModel(
        sample_size=sample_size,
        interpolation_scale=interpolation_scale,
        num_layers=layers,
        num_attention_heads=heads,
        attention_head_dim=16,
        cross_attention_dim=heads * 16,
        caption_channels=T5_WIDTH,
        in_channels=4,
        out_channels=8,
        use_additional_conditions=False,
    )


def clip(
    width: int, heads: int, activation: str, end_of_text: int, generator: torch.Generator
) -> nn.Module:
    config = CLIPTextConfig(
        vocab_size=END_OF_TEXT + 1,
        hidden_size=width,
        intermediate_size=2 * width + 8,
        num_hidden_layers=4,
        num_attention_heads=heads,
        hidden_act=activation,
        projection_dim=width,
        bos_token_id=0,
        eos_token_id=end_of_text,
        pad_token_id=1,
    )
    return randomise(CLIPTextModelWithProjection(config), generator)


def t5(generator: torch.Generator, width: int = T5_WIDTH) -> nn.Module:
    """Its heads are together narrower than the model, and its vocabulary is padded, as T5's is."""
    config = T5Config(
        vocab_size=160,
        d_model=width,
        d_kv=16,
        d_ff=200,
        num_layers=3,
        num_heads=6,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
    )
    return randomise(T5EncoderModel(config), generator)


def vae(
    latent_channels: int,
    quant: bool,
    generator: torch.Generator,
    widths: tuple[int, ...] = (16, 16, 24, 32),
    groups: int = 4,
) -> nn.Module:
    model = AutoencoderKL(
        block_out_channels=widths,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=latent_channels,
        norm_num_groups=groups,
        sample_size=128,
        scaling_factor=0.13025 if quant else 1.5305,
        shift_factor=None if quant else 0.0609,
        use_quant_conv=quant,
        use_post_quant_conv=quant,
    )
    randomise(model, generator)
    with torch.no_grad():
        # Few pixels should be clipped to black or white: those would be equal whatever came in.
        model.decoder.conv_out.weight.mul_(0.4)
    return model


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
