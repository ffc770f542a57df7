"""The VAE's decoder with random weights beside diffusers, live."""

import os
import pathlib
import subprocess

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

ROOT = pathlib.Path(__file__).resolve().parents[3]
DECODE = pathlib.Path(os.environ.get("TRIREME_BUILD", ROOT / "build")) / "tests/vae_decode"


def vae(**changes):
    """Wide enough for the fast convolutions, and random everywhere."""
    config = dict(block_out_channels=(32, 64, 96), layers_per_block=2, latent_channels=16,
                  down_block_types=["DownEncoderBlock2D"] * 3,
                  up_block_types=["UpDecoderBlock2D"] * 3, norm_num_groups=8,
                  scaling_factor=1.5305, shift_factor=0.0609)
    torch.manual_seed(3)
    model = AutoencoderKL(**{**config, **changes})
    for name, parameter in model.named_parameters():
        spread = torch.randn_like(parameter)
        if parameter.ndim == 1:
            parameter.data = 0.1 * spread + (1.0 if name.endswith("weight") else 0.0)
        else:
            parameter.data = spread / parameter[0].numel() ** 0.5
    return model.eval()


def decode(model, tmp_path, latents, dtype="float32"):
    model.save_pretrained(tmp_path / "vae")
    save_file({"latents": latents}, tmp_path / "latents.safetensors")
    subprocess.run([DECODE, tmp_path / "vae", tmp_path / "latents.safetensors",
                    tmp_path / "image.safetensors", dtype, "2"],
                   check=True, stdin=subprocess.DEVNULL)
    return load_file(tmp_path / "image.safetensors")["image"]


def relative_error(actual, expected):
    return ((actual.double() - expected.double()).norm() / expected.double().norm()).item()


def diffusers_decode(model, latents):
    with torch.no_grad():
        return model.decode(latents / 1.5305 + model.config.shift_factor).sample


@pytest.mark.parametrize("changes", [
    dict(use_quant_conv=False, use_post_quant_conv=False),
    dict(latent_channels=4),
    dict(mid_block_add_attention=False),
    dict(block_out_channels=(64,), down_block_types=["DownEncoderBlock2D"],
         up_block_types=["UpDecoderBlock2D"], layers_per_block=1),
], ids=["sd3", "pixart", "no attention", "one level"])
def test_equals_diffusers(tmp_path, changes):
    model = vae(**changes)
    latents = torch.randn(2, model.config.latent_channels, 9, 14)
    image = decode(model, tmp_path, latents)
    expected = diffusers_decode(model, latents)
    assert image.shape == expected.shape
    assert relative_error(image, expected) <= 4e-6


def test_bfloat16_is_as_good_as_diffusers(tmp_path):
    model = vae()
    latents = torch.randn(1, 16, 12, 12)
    exact = diffusers_decode(model, latents)
    image = decode(model, tmp_path, latents, "bfloat16").float()
    theirs = diffusers_decode(model.to(torch.bfloat16), latents.to(torch.bfloat16)).float()
    assert torch.nn.functional.cosine_similarity(image.flatten(), exact.flatten(), dim=0) >= 0.999
    assert relative_error(image, exact) <= 1.1 * relative_error(theirs, exact)
