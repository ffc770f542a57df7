"""Single files that are another model's, damaged or put together wrongly: each is refused by what it
is, before any weight is read and within a second."""

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import Checkpoints
from endings import leftovers, render, samples, small_job
from original_files import Tensors, original_part, prefixed, write_single_file, write_tensors
from program import seconds_of_children

MODEL = "original-sd3.5-medium"
SECONDS = 1.0  # of work, the program's start included
Parts = dict[str, Tensors]  # under their original names, without prefixes


@pytest.fixture(scope="module")
def parts(checkpoints: Checkpoints) -> Parts:
    folder = checkpoints[MODEL]
    names = ["transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3"]
    return {name: original_part(folder, name) for name in names}


def zeros(*names: str) -> Tensors:
    return {name: torch.zeros(4, 4) for name in names}


def whole(parts: Parts) -> Tensors:
    out: Tensors = {}
    for name, tensors in parts.items():
        out |= prefixed(name, tensors)
    return out


def without(tensors: Tensors, begin: str) -> Tensors:
    assert any(name.startswith(begin) for name in tensors)
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(begin)}


def reshaped(tensors: Tensors, name: str, *shape: int) -> Tensors:
    assert name in tensors
    return tensors | {name: torch.zeros(*shape)}


BLOCK = "joint_blocks.{}.x_block.attn.qkv.weight"
PREFIX = "model.diffusion_model."


@dataclass(frozen=True)
class Bad:
    """A file, where it is named, and what is said about it."""

    name: str
    tensors: Callable[[Parts], Tensors]
    says: tuple[str, ...]
    component: str = ""  # the model's path, if none is named
    code: int = 65


OTHERS = [
    ("sdxl", ("conditioner.embedders.1.model.ln_final.bias", PREFIX + "input_blocks.0.0.bias"), "SDXL"),
    ("sd1", ("cond_stage_model.transformer.x", PREFIX + "input_blocks.0.0.bias"), "Diffusion 1 or 2"),
    ("unet", (PREFIX + "input_blocks.0.0.bias",), "a UNet of Stable Diffusion"),
    ("flux", ("double_blocks.0.img_attn.qkv.weight", "img_in.weight"), "a FLUX transformer"),
    ("auraflow", ("double_layers.0.attn.w1q.weight",), "AuraFlow"),
    ("lora", ("lora_unet_joint_blocks_0_x_block_attn_qkv.lora_down.weight",), "a LoRA"),
    ("peft", ("transformer.transformer_blocks.0.attn.to_q.lora_A.weight",), "fuse_lora"),
    ("controlnet", ("controlnet_blocks.0.weight", "transformer_blocks.0.ff.x"), "a ControlNet"),
    ("diffusers", ("transformer_blocks.0.attn.add_q_proj.weight",), "config.json stands"),
    ("pixart", ("t_block.1.weight", "blocks.0.cross_attn.q_linear.weight"), "convert_pixart_sigma"),
    ("whole-t5", ("encoder.block.0.x", "decoder.block.0.layer.0.x"), "decoder included"),
    ("embeds", ("prompt_embeds", "pooled_prompt_embeds"), "text embeddings"),
    ("unknown", ("a.weight", "b.weight", "c.weight", "d.weight"), "4 tensors of no known model: a.w"),
    ("empty", (), "0 tensors of no known model"),
]

BAD = [
    Bad(
        "block missing",
        lambda p: without(whole(p), PREFIX + "joint_blocks.1."),
        ("no tensor " + PREFIX + "joint_blocks.1.", "of 4 blocks, 96 wide", "SD3.5-medium: 24, 1536"),
    ),
    Bad(
        "last block missing",
        lambda p: without(p["transformer"], "joint_blocks.3."),
        ("joint_blocks.2 is the last one", "modulates its text 6 times", "blocks behind it are missing"),
    ),
    Bad(
        "half of the qkv",
        lambda p: reshaped(p["transformer"], BLOCK.format(2), 192, 96),
        (BLOCK.format(2) + " has shape [192, 96]", "[288, 96] there", "an SD3 transformer of 4 blocks"),
    ),
    Bad(
        "norm of one block missing",
        lambda p: without(p["transformer"], "joint_blocks.1.x_block.attn.ln_q.weight"),
        ("no tensor joint_blocks.1.x_block.attn.ln_q.weight",),
    ),
    Bad(
        "one tensor too many",
        lambda p: p["transformer"] | zeros("joint_blocks.1.x_block.attn3.qkv.weight"),
        ("1 tensors have no place: joint_blocks.1.x_block.attn3",),
    ),
    Bad(
        "whole numbers",
        lambda p: p["transformer"]
        | {BLOCK.format(0): torch.zeros(288, 96, dtype=torch.int8)},
        (BLOCK.format(0) + " holds int8", "quantised for another program"),
    ),
    Bad(
        "oblong position table",
        lambda p: reshaped(p["transformer"], "pos_embed", 1, 143, 96),
        ("pos_embed of 143 places", "a square"),
    ),
    Bad(
        "position table of two dimensions",
        lambda p: reshaped(p["transformer"], "pos_embed", 144, 96),
        ("pos_embed has shape [144, 96]", "3 dimensions"),
    ),
    Bad("two parts without prefixes", lambda p: p["transformer"] | p["vae"], ("without prefixes",)),
    Bad(
        "two VAEs",
        lambda p: whole(p) | {"vae." + name: tensor for name, tensor in p["vae"].items()},
        ("a VAE twice", "two checkpoints"),
    ),
    Bad(
        "something beside",
        lambda p: whole(p) | zeros("adapter.down.weight"),
        ("1 tensors beside an SD3 transformer and a VAE", "adapter.down.weight"),
    ),
    Bad(
        "scaled float8",
        lambda p: whole(p) | zeros("text_encoders.t5xxl.transformer.scaled_fp8"),
        ("scaled_fp8 marks scaled float8", "t5xxl_fp8_e4m3fn.safetensors"),
    ),
    Bad("a VAE as a model", lambda p: p["vae"], ("it holds a VAE", "model.components.vae.path")),
    Bad("a CLIP as a model", lambda p: p["text_encoder"], ("it holds CLIP-L", "text_encoder.path")),
    Bad(
        "a VAE as a transformer",
        lambda p: p["vae"],
        ("[model.components.transformer]", "it holds a VAE", "an SD3 transformer is needed"),
        "transformer",
    ),
    Bad(
        "T5 as CLIP",
        lambda p: p["text_encoder_3"],
        ("it holds a T5 encoder", "CLIP-L is needed", "perhaps it is for text_encoder_3"),
        "text_encoder",
    ),
    Bad(
        "CLIP-L as bigG",
        lambda p: p["text_encoder"],
        ("no tensor text_projection.weight", "a CLIP text encoder of 4 layers, 64 wide"),
        "text_encoder_2",
    ),
    Bad(
        "T5 v1.0",
        lambda p: p["text_encoder_3"] | zeros("encoder.block.0.layer.1.DenseReluDense.wi.weight"),
        ("without a gate", "T5 v1.0"),
        "text_encoder_3",
    ),
    Bad(
        "a T5 of another width",
        lambda p: narrow_t5(p["text_encoder_3"]),
        ("d_model of ", "is 16", "joint_attention_dim", "208"),
        "text_encoder_3",
    ),
    Bad(
        "a VAE of other latents",
        lambda p: vae_of_four(p["vae"]),
        ("latent_channels of ", "is 4", "in_channels", "16"),
        "vae",
    ),
    Bad(
        "a VAE without a level",
        lambda p: without(p["vae"], "decoder.up.1."),
        ("no tensor decoder.up.1.block.0.conv1.weight",),
        "vae",
    ),
    Bad(
        "no T5",
        lambda p: whole({k: v for k, v in p.items() if k != "text_encoder_3"}),
        ("no text_encoder_3 (a T5 encoder) in it", "t5xxl_fp16.safetensors", "text_encoder_3: null"),
        code=66,
    ),
    Bad(
        "no CLIPs",
        lambda p: whole({k: p[k] for k in ["transformer", "vae"]}),
        ("no text_encoder (CLIP-L) in it", "model.components.text_encoder: {path: clip_l.saf"),
        code=66,
    ),
    Bad(
        "no bigG",
        lambda p: whole({k: p[k] for k in ["transformer", "vae", "text_encoder"]}),
        ("no text_encoder_2 (CLIP-bigG)", "model.components.text_encoder_2: {path: clip_g.saf"),
        code=66,
    ),
    Bad(
        "no VAE",
        lambda p: p["transformer"],
        ("no vae (a VAE) in it, only an SD3 transformer", "model.components.vae"),
        code=66,
    ),
] + [Bad(name, lambda p, names=names: zeros(*names), (says,)) for name, names, says in OTHERS]


def narrow_t5(t5: Tensors) -> Tensors:
    """As wide as 16, in every matrix."""
    return {
        name: torch.zeros([16 if size == 208 else size for size in tensor.shape])
        for name, tensor in t5.items()
    }


def vae_of_four(vae: Tensors) -> Tensors:
    out = dict(vae)
    out["decoder.conv_in.weight"] = vae["decoder.conv_in.weight"][:, :4]
    out["encoder.conv_out.weight"] = vae["encoder.conv_out.weight"][:8]
    out["encoder.conv_out.bias"] = vae["encoder.conv_out.bias"][:8]
    return out


def job_of(file: Path, folder: Path, component: str = "") -> dict[str, Any]:
    components = {
        name: {"path": str(folder / name)} for name in ["tokenizer", "tokenizer_2", "tokenizer_3"]
    }
    if component:
        return small_job(model={"path": str(folder), "components": {component: {"path": str(file)}}})
    return small_job(model={"path": str(file), "components": components})


def assert_refused(job: dict[str, Any], at: Path, code: int, *says: str) -> None:
    begun = seconds_of_children()
    render(job, at).says(code, *says)
    assert seconds_of_children() - begun < SECONDS
    assert samples(at) == leftovers(at) == []


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_is_refused(bad: Bad, parts: Parts, checkpoints: Checkpoints, tmp_path: Path) -> None:
    file = write_tensors(tmp_path / "file.safetensors", bad.tensors(parts))
    job = job_of(file, checkpoints[MODEL], bad.component)
    assert_refused(job, tmp_path, bad.code, str(file), *bad.says)


def cut(size: int) -> Callable[[Path], None]:
    return lambda file: os.truncate(file, size)


def garbage(content: bytes) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(content) and None


DAMAGES = [
    ("cut in the data", cut(400_000), ("400000 of ", "incomplete download")),
    ("cut in the header", cut(1000), ("header", "incomplete download")),
    ("empty", cut(0), ("0 bytes long",)),
    ("garbage", garbage(bytes(range(256)) * 10), ("this is not a safetensors file",)),
    ("header of garbage", garbage(struct.pack("<Q", 9) + b"{garbage}"), ("not JSON at byte",)),
    ("a zip archive", garbage(b"PK\x03\x04" + b"." * 100), ("pickles can run code",)),
]


@pytest.mark.parametrize(("damage", "says"), [d[1:] for d in DAMAGES], ids=[d[0] for d in DAMAGES])
@pytest.mark.parametrize("component", ["", "text_encoder_3"])
def test_damage_is_told(
    damage: Callable[[Path], None],
    says: tuple[str, ...],
    component: str,
    checkpoints: Checkpoints,
    tmp_path: Path,
) -> None:
    folder = checkpoints[MODEL]
    file = write_single_file(folder, tmp_path / "file.safetensors")
    damage(file)
    assert_refused(job_of(file, folder, component), tmp_path, 65, str(file), *says)


@pytest.mark.parametrize("name", ["pixart.pth", "model.ckpt", "pytorch_model.bin"])
def test_pickles_are_refused_with_the_way_out(
    name: str, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04" + b"." * 100)
    way = "convert_pixart_sigma_to_diffusers.py" if name.endswith(".pth") else "save_pretrained"
    for component in ["", "transformer"]:
        job = job_of(tmp_path / name, checkpoints["pixart-1024"], component)
        assert_refused(job, tmp_path, 65, name, "can run code", way)


def test_a_single_file_for_pixarts_transformer(
    parts: Parts, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    file = write_tensors(tmp_path / "file.safetensors", parts["transformer"])
    job = job_of(file, checkpoints["pixart-1024"], "transformer")
    assert_refused(job, tmp_path, 65, "it holds an SD3 transformer", "a folder is needed")


def test_a_file_of_a_folder_is_not_an_original(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """CLIP-L's projection counts in a folder, and is the identity in a single file."""
    file = checkpoints[MODEL] / "text_encoder" / "model.safetensors"
    job = job_of(file, checkpoints[MODEL], "text_encoder")
    assert_refused(job, tmp_path, 65, str(file), f"give {file.parent}")


def test_nan_is_found_under_the_files_own_name(
    parts: Parts, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    transformer = dict(parts["transformer"])
    qkv = transformer[BLOCK.format(1)].clone()
    qkv[100, 5] = float("nan")  # of k, whose rows are 96 to 191
    file = tmp_path / "file.safetensors"
    write_single_file(
        checkpoints[MODEL],
        file,
        changes=prefixed("transformer", {BLOCK.format(1): qkv}),
    )
    render(job_of(file, checkpoints[MODEL]), tmp_path).says(
        65, PREFIX + BLOCK.format(1) + " (rows 96 to 191)[4, 5] is nan"
    )
