"""Tiny checkpoints in diffusers' folder layout, one function a family.

Each differs from the others in what real files do differ in: shapes, names of classes, old and new
forms of tokenizers, shards, stored dtypes.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    PixArtTransformer2DModel,
    SD3Transformer2DModel,
)
from diffusers import __version__ as diffusers_version
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPTokenizer, T5Tokenizer

from random_parts import (
    CLIP_G_WIDTH,
    CLIP_L_WIDTH,
    END_OF_TEXT,
    clip,
    pixart_transformer,
    randomise,
    sd3_transformer,
    seeded,
    t5,
    vae,
)

ORIGINAL_CLIPS, ORIGINAL_T5 = (64, 128), 208
DEMO = Path(__file__).resolve().parents[2] / "demo"


def sd3_medium(folder: Path) -> None:
    """Plain joint blocks; CLIPs as older files have them: 2 for the end of text, position ids."""
    generator = seeded(1)
    transformer = sd3_transformer(
        sample_size=8,
        num_layers=3,
        attention_head_dim=16,
        num_attention_heads=4,
        caption_projection_dim=64,
        pos_embed_max_size=12,
    )
    write_sd3(folder, transformer, generator, clip_end=2)
    for name in ["text_encoder", "text_encoder_2"]:
        file = folder / name / "model.safetensors"
        position_ids = {"text_model.embeddings.position_ids": torch.arange(77)[None]}
        save_file(load_file(file) | position_ids, file, {"format": "pt"})


def sd35_medium(folder: Path) -> None:
    """Dual attention in the first blocks; tokenizers in the form that transformers 5 saves."""
    generator = seeded(2)
    transformer = sd3_transformer(
        sample_size=16,
        num_layers=4,
        attention_head_dim=16,
        num_attention_heads=4,
        caption_projection_dim=64,
        pos_embed_max_size=24,
        dual_attention_layers=(0, 1, 2),
        qk_norm="rms_norm",
    )
    write_sd3(folder, transformer, generator, clip_end=END_OF_TEXT)
    for name, kind in [
        ("tokenizer", CLIPTokenizer),
        ("tokenizer_2", CLIPTokenizer),
        ("tokenizer_3", T5Tokenizer),
    ]:
        tokenizer = kind.from_pretrained(folder / name)
        shutil.rmtree(folder / name)
        tokenizer.save_pretrained(folder / name)


def sd35_large(folder: Path) -> None:
    """Five heads, which no number of ranks divides; half precision, in shards of a file variant."""
    generator = seeded(3)
    transformer = sd3_transformer(
        sample_size=8,
        num_layers=4,
        attention_head_dim=16,
        num_attention_heads=5,
        caption_projection_dim=80,
        pos_embed_max_size=12,
        qk_norm="rms_norm",
    )
    write_sd3(
        folder,
        transformer.half(),
        generator,
        clip_end=END_OF_TEXT,
        max_shard_size="300KB",
        variant=VARIANTS["sd3.5-large"],
    )


def pixart_256(folder: Path) -> None:
    """The interpolation of the 256 pixel model, an epsilon model, the published scheduler file."""
    generator = seeded(4)
    transformer = pixart_transformer(sample_size=32, interpolation_scale=0.5, heads=4, layers=3)
    write_pixart(folder, transformer, generator, prediction_type="epsilon")


def pixart_512(folder: Path) -> None:
    """Older names: the transformer's class, the VAE's attention, T5's embedding; fewer keys."""
    generator = seeded(5)
    transformer = pixart_transformer(sample_size=64, interpolation_scale=None, heads=3, layers=4)
    write_pixart(folder, transformer, generator, prediction_type="v_prediction")
    change_json(folder / "model_index.json", transformer=["diffusers", "Transformer2DModel"])
    change_json(folder / "transformer" / "config.json", _class_name="Transformer2DModel")
    change_json(
        folder / "vae" / "config.json",
        use_quant_conv=None,
        use_post_quant_conv=None,
        shift_factor=None,
    )
    rename(
        folder / "vae" / "diffusion_pytorch_model.safetensors",
        {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."},
    )
    rename(
        folder / "text_encoder" / "model.safetensors",
        {"shared.weight": "encoder.embed_tokens.weight"},
    )


def pixart_1024(folder: Path) -> None:
    """The sample size of PixArt-alpha; a scheduler file that is silent about its last sigma."""
    generator = seeded(6)
    transformer = pixart_transformer(sample_size=128, interpolation_scale=2, heads=5, layers=2)
    write_pixart(folder, transformer, generator, prediction_type="epsilon")
    change_json(folder / "scheduler" / "scheduler_config.json", final_sigmas_type=None)


def pixart_2k(folder: Path) -> None:
    """The 2048 pixel model: bins of its own, four times the interpolation."""
    generator = seeded(7)
    transformer = pixart_transformer(sample_size=256, interpolation_scale=4, heads=2, layers=1)
    write_pixart(folder, transformer, generator, prediction_type="epsilon")


def pixart_kv(folder: Path) -> None:
    """Convolved keys and values in three of four blocks, one by its original name; normed ones."""
    generator = seeded(8)
    write_compressed(folder, generator, sampling="conv", qk_norm=True)
    file = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    rename(file, {f"transformer_blocks.3.attn1.{name}.": f"blocks.3.attn.{name}." for name in OWN})


def pixart_kv_uniform(folder: Path) -> None:
    """Picked keys and values: nothing in the weights."""
    write_compressed(folder, seeded(9), sampling="uniform", qk_norm=False)


def pixart_kv_every(folder: Path) -> None:
    write_compressed(folder, seeded(10), sampling="uniform_every", qk_norm=False)


def sd3_large_table(folder: Path) -> None:
    """Positions for pictures of up to 2048 pixels a side."""
    generator = seeded(11)
    transformer = sd3_transformer(
        sample_size=64,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=3,
        caption_projection_dim=48,
        pos_embed_max_size=128,
        qk_norm="rms_norm",
    )
    write_sd3(folder, transformer, generator, clip_end=END_OF_TEXT)


def original(
    folder: Path, seed: int, dtype: torch.dtype = torch.float32, **config: object
) -> None:
    """With the constants of the published models, which their single files do not tell."""
    generator = seeded(seed)
    transformer = sd3_transformer(
        sample_size=24,
        pos_embed_max_size=12,
        joint_attention_dim=ORIGINAL_T5,
        pooled_projection_dim=sum(ORIGINAL_CLIPS),
        **config,
    )
    low, high = ORIGINAL_CLIPS
    encoder = clip(low, low // 64, "quick_gelu", 2, generator)
    with torch.no_grad():
        encoder.text_projection.weight.copy_(torch.eye(low))
    parts = {
        "vae": vae(16, False, generator, widths=(32, 32, 64, 64), groups=32),
        "text_encoder": encoder,
        "text_encoder_2": clip(high, high // 64, "gelu", 2, generator),
        "text_encoder_3": t5(generator, ORIGINAL_T5),
    }
    write_sd3(folder, transformer.to(dtype), generator, clip_end=2, parts=parts)


def original_medium(folder: Path) -> None:
    original(
        folder,
        7,
        num_layers=3,
        attention_head_dim=64,
        num_attention_heads=2,
        caption_projection_dim=128,
    )


def original_35_medium(folder: Path) -> None:
    """Heads whose width only their norms tell."""
    original(
        folder,
        8,
        num_layers=4,
        attention_head_dim=32,
        num_attention_heads=3,
        caption_projection_dim=96,
        dual_attention_layers=(0, 1, 2),
        qk_norm="rms_norm",
    )


def original_35_large(folder: Path) -> None:
    original(
        folder,
        9,
        torch.float16,
        num_layers=3,
        attention_head_dim=64,
        num_attention_heads=3,
        caption_projection_dim=192,
        qk_norm="rms_norm",
    )


FAMILIES: dict[str, Callable[[Path], None]] = {
    "sd3-medium": sd3_medium,
    "sd3.5-medium": sd35_medium,
    "sd3.5-large": sd35_large,
    "pixart-256": pixart_256,
    "pixart-512": pixart_512,
    "pixart-1024": pixart_1024,
    "pixart-2k": pixart_2k,
    "pixart-kv": pixart_kv,
    "pixart-kv-uniform": pixart_kv_uniform,
    "pixart-kv-every": pixart_kv_every,
    "sd3-large-table": sd3_large_table,
    "original-sd3-medium": original_medium,
    "original-sd3.5-medium": original_35_medium,
    "original-sd3.5-large": original_35_large,
}


# Those whose files have a variant's name, and no others beside them.
VARIANTS = {"sd3.5-large": "fp16"}


class Checkpoints:
    """Folders by name: `demo/sd3`, `demo/pixart` or a family of tests/oracle/checkpoints.py."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, name: str) -> Path:
        if name.startswith("demo/"):
            return DEMO / name.removeprefix("demo/")
        folder = self._folder / name
        if not folder.exists():
            FAMILIES[name](folder)
        return folder

    def model(self, name: str) -> dict[str, object]:
        """The `model` of a job."""
        variant = {"variant": VARIANTS[name]} if name in VARIANTS else {}
        return {"path": str(self[name])} | variant


def write_sd3(
    folder: Path,
    transformer: SD3Transformer2DModel,
    generator: torch.Generator,
    clip_end: int,
    max_shard_size: str = "10GB",
    variant: str | None = None,
    parts: dict[str, nn.Module] | None = None,
) -> None:
    dtype = transformer.dtype
    position = transformer.pos_embed.pos_embed
    # The file's table counts, not the one that a config gives.
    position.add_(0.2 * torch.randn(position.shape, generator=generator).to(dtype))
    parts = {"transformer": randomise(transformer, generator)} | (
        parts
        or {
            "vae": vae(16, False, generator),
            "text_encoder": clip(CLIP_L_WIDTH, 4, "quick_gelu", clip_end, generator),
            "text_encoder_2": clip(CLIP_G_WIDTH, 5, "gelu", clip_end, generator),
            "text_encoder_3": t5(generator),
        }
    )
    for name, part in parts.items():
        part.to(dtype)
        part.save_pretrained(folder / name, max_shard_size=max_shard_size, variant=variant)
    for name in ["tokenizer", "tokenizer_2", "tokenizer_3"]:
        shutil.copytree(DEMO / "sd3" / name, folder / name)
    for name in ["tokenizer", "tokenizer_2"]:
        change_json(folder / name / "tokenizer_config.json", model_max_length=77)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.save_pretrained(folder / "scheduler")
    classes = {name: type(part) for name, part in parts.items()} | {
        "scheduler": FlowMatchEulerDiscreteScheduler,
        "tokenizer": CLIPTokenizer,
        "tokenizer_2": CLIPTokenizer,
        "tokenizer_3": T5Tokenizer,
        "image_encoder": None,
        "feature_extractor": None,
    }
    write_index(folder, "StableDiffusion3Pipeline", classes)


def write_pixart(
    folder: Path,
    transformer: PixArtTransformer2DModel,
    generator: torch.Generator,
    prediction_type: str,
) -> None:
    parts = {
        "transformer": randomise(transformer, generator),
        "vae": vae(4, True, generator),
        "text_encoder": t5(generator),
    }
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    shutil.copytree(DEMO / "pixart" / "tokenizer", folder / "tokenizer")
    scheduler = DPMSolverMultistepScheduler(prediction_type=prediction_type)
    scheduler.save_pretrained(folder / "scheduler")
    classes: dict[str, type | None] = {name: type(part) for name, part in parts.items()}
    classes |= {"scheduler": DPMSolverMultistepScheduler, "tokenizer": T5Tokenizer}
    write_index(folder, "PixArtSigmaPipeline", classes)


# What compressed blocks hold besides, by the original repository's names.
OWN = ["sr", "norm", "q_norm", "k_norm"]


def write_compressed(
    folder: Path, generator: torch.Generator, sampling: str, qk_norm: bool
) -> None:
    """Blocks 1 to 3 of four compress by two. All norms of queries and keys are there, or none."""
    heads, layers, compressed = 3, 4, [1, 2, 3]
    transformer = pixart_transformer(32, 0.5, heads, layers)
    write_pixart(folder, transformer, generator, prediction_type="epsilon")
    width = heads * 16
    own: dict[str, torch.Tensor] = {}
    for block in range(layers):
        norms = ["norm"] if sampling == "conv" and block in compressed else []
        for name in norms + (["q_norm", "k_norm"] if qk_norm else []):
            scope = f"transformer_blocks.{block}.attn1.{name}"
            own[f"{scope}.weight"] = 1 + 0.1 * torch.randn(width, generator=generator)
            own[f"{scope}.bias"] = 0.1 * torch.randn(width, generator=generator)
        if "norm" in norms:
            scope = f"transformer_blocks.{block}.attn1.sr"
            own[f"{scope}.weight"] = 0.5 * torch.randn(width, 1, 2, 2, generator=generator)
            own[f"{scope}.bias"] = 0.1 * torch.randn(width, generator=generator)
    file = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    save_file(load_file(file) | own, file, {"format": "pt"})
    config = {"sampling": sampling, "scale_factor": 2, "kv_compress_layer": compressed}
    change_json(
        folder / "transformer" / "config.json",
        kv_compress=True,
        kv_compress_config=config,
        qk_norm=qk_norm,
    )


def write_index(folder: Path, pipeline: str, classes: dict[str, type | None]) -> None:
    index: dict[str, object] = {"_class_name": pipeline, "_diffusers_version": diffusers_version}
    for name, kind in sorted(classes.items()):
        index[name] = (
            [None, None] if kind is None else [kind.__module__.split(".")[0], kind.__name__]
        )
    write_json(folder / "model_index.json", index)


def rename(file: Path, parts: dict[str, str]) -> None:
    """Rename tensors of a safetensors file."""

    def renamed(name: str) -> str:
        for old, new in parts.items():
            name = name.replace(old, new)
        return name

    tensors = {renamed(name): tensor for name, tensor in load_file(file).items()}
    save_file(tensors, file, {"format": "pt"})


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")


def change_json(path: Path, **changes: object) -> None:
    """Set keys of a JSON file; None takes one away."""
    value = json.loads(path.read_text()) | changes
    write_json(path, {key: item for key, item in value.items() if changes.get(key, 0) is not None})
