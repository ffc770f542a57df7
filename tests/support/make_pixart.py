"""Writes a random checkpoint of PixArt-Sigma's shape, in any depth and width, to measure on.

    python tests/support/make_pixart.py big --t5-layers 2 --layers 4 --dtype float16

Widths are those of the released models if nothing else is said; what scales with the depth can then
be scaled up to theirs (24 and 28 layers). Weights are small random numbers: pictures are noise.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, PixArtTransformer2DModel
from safetensors.torch import save_file
from torch import nn
from transformers import T5Config, T5EncoderModel

DEMO = Path(__file__).resolve().parents[2] / "demo" / "pixart"


def t5(args: argparse.Namespace) -> nn.Module:
    heads = args.t5_width // 64
    return T5EncoderModel(
        T5Config(
            vocab_size=32128,
            d_model=args.t5_width,
            d_kv=64,
            d_ff=args.t5_width * 5 // 2,
            num_layers=args.t5_layers,
            num_heads=heads,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
        )
    )


def transformer(args: argparse.Namespace) -> nn.Module:
    return PixArtTransformer2DModel(
        sample_size=128,
        interpolation_scale=2,
        num_layers=args.layers,
        num_attention_heads=16,
        attention_head_dim=72,
        cross_attention_dim=1152,
        caption_channels=args.t5_width,
        in_channels=4,
        out_channels=8,
        use_additional_conditions=False,
    )


def vae() -> nn.Module:
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
        sample_size=512,
        scaling_factor=0.13025,
    )


def draw(name: str, like: torch.Tensor, dtype: torch.dtype, generator: torch.Generator) -> torch.Tensor:
    if like.ndim == 1:
        ones = "norm" in name and name.endswith("weight")
        return torch.full(like.shape, 1.0 if ones else 0.0, dtype=dtype)
    spread = 1 if "shared" in name else (1 / like[0].numel()) ** 0.5
    return (torch.randn(like.shape, generator=generator) * spread).to(dtype)


def write(model: nn.Module, folder: Path, file: str, dtype: torch.dtype) -> dict[str, int]:
    """Weights without ever building the model."""
    generator = torch.Generator().manual_seed(0)
    tied = {"encoder.embed_tokens.weight"}
    names = {name: p for name, p in model.named_parameters() if name not in tied}
    tensors = {name: draw(name, like, dtype, generator) for name, like in names.items()}
    folder.mkdir(parents=True)
    save_file(tensors, folder / file, {"format": "pt"})
    config = model.config.to_dict() if hasattr(model.config, "to_dict") else dict(model.config)
    if isinstance(model, T5EncoderModel):
        config["architectures"] = ["T5EncoderModel"]
    else:
        config["_class_name"] = type(model).__name__
    (folder / "config.json").write_text(json.dumps(config, indent=2, default=str))
    return {"parameters": sum(p.numel() for p in names.values())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--t5-width", type=int, default=4096)
    parser.add_argument("--t5-layers", type=int, default=24)
    parser.add_argument("--layers", type=int, default=28, help="of the transformer")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16", "bfloat16"])
    args = parser.parse_args()
    dtype = getattr(torch, args.dtype)
    with torch.device("meta"):
        parts = {"text_encoder": t5(args), "transformer": transformer(args), "vae": vae()}
    for name, model in parts.items():
        file = "model" if name == "text_encoder" else "diffusion_pytorch_model"
        print(name, write(model, args.folder / name, f"{file}.safetensors", dtype))
    shutil.copytree(DEMO / "tokenizer", args.folder / "tokenizer")
    DPMSolverMultistepScheduler().save_pretrained(args.folder / "scheduler")
    index = {
        "_class_name": "PixArtSigmaPipeline",
        "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
        "text_encoder": ["transformers", "T5EncoderModel"],
        "tokenizer": ["transformers", "T5Tokenizer"],
        "transformer": ["diffusers", "PixArtTransformer2DModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (args.folder / "model_index.json").write_text(json.dumps(index, indent=2))


if __name__ == "__main__":
    main()
