"""Large pictures decoded in tiles are those of diffusers with enable_tiling."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DiffusionPipeline

from program import ROOT, Job, render

SIZES = {"sd3": [(256, 160), (128, 240)], "pixart": [(256, 400), (528, 272)]}


def job(demo: str, height: int, width: int, tiling: bool, form: str) -> Job:
    sampling = {"height": height, "width": width, "num_inference_steps": 2, "guidance_scale": 3.0}
    if demo == "pixart":
        sampling |= {"use_resolution_binning": False}
    return {
        "model": {"path": str(ROOT / "demo" / demo), "components": {"vae": {"tiling": tiling}}},
        "prompts": ["a red star on a blue background"],
        "sampling": sampling,
        "stages": ["encode", "denoise"] + (["decode"] if form == "png" else []),
        "output": {"format": form},
    }


def decoded_by_diffusers(vae: AutoencoderKL, latents: torch.Tensor, demo: str) -> np.ndarray:
    z = latents[None] / vae.config.scaling_factor + (vae.config.shift_factor or 0)
    with torch.no_grad():
        image = vae.decode(z, return_dict=False)[0]
    processor = DiffusionPipeline.from_pretrained(ROOT / "demo" / demo).image_processor
    return np.array(processor.postprocess(image, output_type="pil")[0])


def apart(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return np.abs(ours.astype(int) - theirs)


@pytest.mark.parametrize(
    ("demo", "size"), [(demo, size) for demo, sizes in SIZES.items() for size in sizes]
)
def test_tiles_are_those_of_diffusers(demo: str, size: tuple[int, int], tmp_path: Path) -> None:
    latents = render(job(demo, *size, True, "latents"), tmp_path / "latents").ok.latents(0)
    tiled = render(job(demo, *size, True, "png"), tmp_path / "tiled").ok.pixels(0)
    whole = render(job(demo, *size, False, "png"), tmp_path / "whole").ok.pixels(0)
    vae = AutoencoderKL.from_pretrained(ROOT / "demo" / demo / "vae").float()
    assert apart(whole, decoded_by_diffusers(vae, latents, demo)).max() <= 1
    vae.enable_tiling()
    differences = apart(tiled, decoded_by_diffusers(vae, latents, demo))
    assert differences.max() <= 1 and (differences == 0).mean() >= 0.999
    assert apart(tiled, whole).max() > 1  # else nothing was tiled


def test_tiles_and_bands_are_refused_together(tmp_path: Path) -> None:
    banded = {"layout": {"transformer": {"ranks": 0}, "vae": {"ranks": "all", "patch": 2}}}
    run = render(job("sd3", 128, 128, True, "png") | banded, tmp_path, ranks=2)
    assert run.code == 78
    assert "[model.components.vae.tiling]" in run.stderr
