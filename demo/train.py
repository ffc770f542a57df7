"""Makes demo/sd3 and demo/pixart from nothing: `python demo/train.py`.

One process a family, one thread each, side by side. Everything is seeded and counted in steps, so
the same command on the same machine gives the same files. Stages: tokenizers, text encoders, VAE,
latents, transformer; later ones train on the float16 values that earlier ones saved.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DiffusionPipeline,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    PixArtSigmaPipeline,
    StableDiffusion3Pipeline,
)
from diffusers import __version__ as diffusers_version
from torch import nn
from transformers import CLIPTextModelWithProjection, CLIPTokenizer, T5EncoderModel, T5Tokenizer

import text
from diffusion import (
    PixArtLoss,
    Sd3Loss,
    draw_latents,
    make_pixart_transformer,
    make_sd3_transformer,
    phases,
    train_transformer,
)
from vae import make_vae, set_latent_scale, train_vae
from weights import round_to_half, save_half
from words import write_clip_tokenizer, write_t5_tokenizer

SEED = 20


@dataclass(frozen=True)
class Family:
    """What differs between the two models; the numbers of steps follow from measured speed."""

    vae_channels: int
    vae_quant: bool
    vae_sample_size: int
    transformer: Callable[[], nn.Module]
    loss: type
    text_lengths: list[int]  # SD3 attends to its padding, so it has to meet other lengths
    steps: int
    rounds: int  # of gentle training at all sizes after that


FAMILIES = {
    "sd3": Family(16, False, 128, make_sd3_transformer, Sd3Loss, [77, 256], 4000, 1),
    "pixart": Family(4, True, 256, make_pixart_transformer, PixArtLoss, [], 4000, 2),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="parent of both")
    parser.add_argument("--family", choices=FAMILIES, help="make only this one")
    parser.add_argument("--checkpoints", type=Path, help="keep the state here and go on from it")
    parser.add_argument("--scale", type=float, default=1.0, help="of all steps: a quick trial")
    arguments = parser.parse_args()
    if arguments.family:
        build(arguments.family, arguments.out, arguments.checkpoints, arguments.scale)
        return 0
    # MKL reads the number of threads once, at its start: hence processes and the environment.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    children = [
        subprocess.Popen(
            [sys.executable, __file__, *sys.argv[1:], "--family", name], env=environment
        )
        for name in FAMILIES
    ]
    return max(abs(child.wait()) for child in children)


def build(name: str, out: Path, checkpoints: Path | None, scale: float) -> None:
    """All stages of one family; with checkpoints, what an earlier run finished is read back."""
    torch.set_num_threads(1)
    family, folder = FAMILIES[name], out / name
    checkpoint = checkpoints / f"{name}.pt" if checkpoints else None
    if checkpoints:
        checkpoints.mkdir(parents=True, exist_ok=True)
    # The index is written after the VAE: where it stands, both stages before are complete.
    if checkpoint is None or not (folder / "model_index.json").exists():
        write_text_components(name, folder, scale)
        write_vae(name, family, folder, scale)
    vae = AutoencoderKL.from_pretrained(folder / "vae").float().eval().requires_grad_(False)
    pipe = text_pipeline(name, folder)
    pipe.scheduler.save_pretrained(folder / "scheduler")
    write_model_index(pipe, folder)

    kept = checkpoints / f"{name}-latents.pt" if checkpoints else None
    if kept and kept.exists():
        latents = torch.load(kept, weights_only=True)
    else:
        latents = draw_latents(vae, scale, _seeded(3), f"{name} latents")
        if kept:
            torch.save(latents, kept)
    transformer = None
    for number, phase in enumerate(phases(max(20, round(family.steps * scale)), family.rounds)):
        generator = _seeded(4 + number)
        transformer = train_transformer(
            transformer.requires_grad_(True) if transformer else family.transformer(),
            family.loss(pipe, generator),
            latents,
            phase,
            family.text_lengths,
            generator,
            checkpoint and checkpoint.with_stem(f"{name}-{number}"),
            f"{name} {phase.name}",
        )
    save_half(transformer, folder / "transformer")


def _seeded(stage: int) -> torch.Generator:
    """Each stage has its own stream, so that one can change and leave the others as they were."""
    torch.manual_seed(SEED + stage)
    return torch.Generator().manual_seed(SEED + stage)


def write_text_components(name: str, folder: Path, scale: float) -> None:
    """Tokenizers and trained encoders: for SD3 two CLIP models and a T5, for PixArt a T5."""
    _seeded(1)
    steps = max(10, round(text.STEPS * scale))
    if name == "sd3":
        for suffix, width, activation, pad in [
            ("", 32, "quick_gelu", "<|endoftext|>"),
            ("_2", 64, "gelu", "!"),
        ]:
            write_clip_tokenizer(folder / f"tokenizer{suffix}", pad)
            tokenizer = CLIPTokenizer.from_pretrained(folder / f"tokenizer{suffix}")
            model = text.make_clip(tokenizer, width, activation)
            label = f"{name} text_encoder{suffix}"
            text.train_text_encoder(model, tokenizer, False, steps, label)
            save_half(model, folder / f"text_encoder{suffix}")
    suffix = "_3" if name == "sd3" else ""
    write_t5_tokenizer(folder / f"tokenizer{suffix}")
    tokenizer = T5Tokenizer.from_pretrained(folder / f"tokenizer{suffix}")
    model = text.make_t5(tokenizer)
    masked = name == "pixart"
    text.train_text_encoder(model, tokenizer, masked, steps, f"{name} text_encoder{suffix}")
    save_half(model, folder / f"text_encoder{suffix}")


def write_vae(name: str, family: Family, folder: Path, scale: float) -> None:
    generator = _seeded(2)
    vae = make_vae(family.vae_channels, family.vae_quant, family.vae_sample_size)
    train_vae(vae, scale, generator, f"{name} vae")
    round_to_half(vae)
    set_latent_scale(vae, generator)
    save_half(vae, folder / "vae")


def text_pipeline(name: str, folder: Path) -> DiffusionPipeline:
    """diffusers' own pipeline without its pictures' half: what it encodes is what is trained on."""

    def t5(suffix: str) -> tuple[T5Tokenizer, nn.Module]:
        model = T5EncoderModel.from_pretrained(folder / f"text_encoder{suffix}")
        return T5Tokenizer.from_pretrained(folder / f"tokenizer{suffix}"), model.eval()

    def clip(suffix: str) -> tuple[CLIPTokenizer, nn.Module]:
        model = CLIPTextModelWithProjection.from_pretrained(folder / f"text_encoder{suffix}")
        return CLIPTokenizer.from_pretrained(folder / f"tokenizer{suffix}"), model.eval()

    if name == "pixart":
        scheduler = DPMSolverMultistepScheduler(
            beta_schedule="linear",
            beta_start=1e-4,
            beta_end=2e-2,
            algorithm_type="dpmsolver++",
            prediction_type="v_prediction",
        )
        tokenizer, encoder = t5("")
        return PixArtSigmaPipeline(tokenizer, encoder, None, None, scheduler)
    (tokenizer, encoder), (tokenizer_2, encoder_2), (tokenizer_3, encoder_3) = (
        clip(""),
        clip("_2"),
        t5("_3"),
    )
    return StableDiffusion3Pipeline(
        transformer=None,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=None,
        text_encoder=encoder,
        tokenizer=tokenizer,
        text_encoder_2=encoder_2,
        tokenizer_2=tokenizer_2,
        text_encoder_3=encoder_3,
        tokenizer_3=tokenizer_3,
    )


def write_model_index(pipe: DiffusionPipeline, folder: Path) -> None:
    """The pipeline's own index would call the parts it was made without absent."""
    index = {"_class_name": type(pipe).__name__, "_diffusers_version": diffusers_version}
    for part, value in sorted(pipe.components.items()):
        if value is not None:
            library = type(value).__module__.split(".")[0]
            names = {"CLIPTokenizerFast": "CLIPTokenizer", "T5TokenizerFast": "T5Tokenizer"}
            index[part] = [library, names.get(type(value).__name__, type(value).__name__)]
    index["transformer"] = [
        "diffusers",
        "SD3Transformer2DModel" if "text_encoder_3" in index else "PixArtTransformer2DModel",
    ]
    index["vae"] = ["diffusers", "AutoencoderKL"]
    if "text_encoder_3" in index:
        index |= {"feature_extractor": [None, None], "image_encoder": [None, None]}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
