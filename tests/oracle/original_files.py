"""Original single files out of diffusers' folders: the maps of the program, the other way round.

Written from the tables of names, so that no code of the program or of diffusers is its own judge.
Works on tensors of the meta device too, which have shapes alone.
"""

import json
import re
import struct
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

Tensors = dict[str, torch.Tensor]

PREFIXES = {
    "transformer": "model.diffusion_model.",
    "vae": "first_stage_model.",
    "text_encoder": "text_encoders.clip_l.transformer.",
    "text_encoder_2": "text_encoders.clip_g.transformer.",
    "text_encoder_3": "text_encoders.t5xxl.transformer.",
}
LAYERS = {
    "pos_embed.proj": "x_embedder.proj",
    "time_text_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "time_text_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "time_text_embed.text_embedder.linear_1": "y_embedder.mlp.0",
    "time_text_embed.text_embedder.linear_2": "y_embedder.mlp.2",
    "context_embedder": "context_embedder",
    "proj_out": "final_layer.linear",
}
BLOCK_LAYERS = {
    "norm1.linear": "x_block.adaLN_modulation.1",
    "norm1_context.linear": "context_block.adaLN_modulation.1",
    "attn.to_out.0": "x_block.attn.proj",
    "attn.to_add_out": "context_block.attn.proj",
    "attn.norm_q": "x_block.attn.ln_q",
    "attn.norm_k": "x_block.attn.ln_k",
    "attn.norm_added_q": "context_block.attn.ln_q",
    "attn.norm_added_k": "context_block.attn.ln_k",
    "attn2.to_out.0": "x_block.attn2.proj",
    "attn2.norm_q": "x_block.attn2.ln_q",
    "attn2.norm_k": "x_block.attn2.ln_k",
    "ff.net.0.proj": "x_block.mlp.fc1",
    "ff.net.2": "x_block.mlp.fc2",
    "ff_context.net.0.proj": "context_block.mlp.fc1",
    "ff_context.net.2": "context_block.mlp.fc2",
}
FUSED = {
    "x_block.attn.qkv": ["attn.to_q", "attn.to_k", "attn.to_v"],
    "context_block.attn.qkv": ["attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"],
    "x_block.attn2.qkv": ["attn2.to_q", "attn2.to_k", "attn2.to_v"],
}


def original_transformer(theirs: Tensors) -> Tensors:
    out = {"pos_embed": theirs["pos_embed.pos_embed"]}
    for kind in ["weight", "bias"]:
        for name, old in LAYERS.items():
            out[f"{old}.{kind}"] = theirs[f"{name}.{kind}"]
        out[f"final_layer.adaLN_modulation.1.{kind}"] = swapped(theirs[f"norm_out.linear.{kind}"])
    blocks = 1 + max(int(name.split(".")[1]) for name in theirs if "transformer_blocks" in name)
    for i in range(blocks):
        begin, old_begin = f"transformer_blocks.{i}.", f"joint_blocks.{i}."
        for kind in ["weight", "bias"]:
            for name, old in BLOCK_LAYERS.items():
                if f"{begin}{name}.{kind}" in theirs:
                    out[f"{old_begin}{old}.{kind}"] = theirs[f"{begin}{name}.{kind}"]
            for old, names in FUSED.items():
                if f"{begin}{names[0]}.{kind}" in theirs:
                    parts = [theirs[f"{begin}{name}.{kind}"] for name in names]
                    out[f"{old_begin}{old}.{kind}"] = torch.cat(parts)
            last = f"joint_blocks.{blocks - 1}.context_block.adaLN_modulation.1.{kind}"
            if i == blocks - 1:
                out[last] = swapped(out[last])
    return out


def swapped(tensor: torch.Tensor) -> torch.Tensor:
    first, second = tensor.chunk(2)
    return torch.cat([second, first])


def original_vae(theirs: Tensors) -> Tensors:
    levels = 1 + max(int(name.split(".")[2]) for name in theirs if "up_blocks" in name)

    def renamed(name: str) -> str:
        name = re.sub(r"down_blocks\.(\d)\.resnets\.", r"down.\1.block.", name)
        name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0\.", r"down.\1.downsample.", name)
        name = re.sub(r"up_blocks\.(\d)\.", lambda m: f"up.{levels - 1 - int(m[1])}.", name)
        name = name.replace(".resnets.", ".block.").replace(".upsamplers.0.", ".upsample.")
        name = name.replace("mid_block.block.0", "mid.block_1")
        name = name.replace("mid_block.block.1", "mid.block_2")
        name = name.replace("mid_block.attentions.0", "mid.attn_1").replace("group_norm", "norm")
        for old, new in {"to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}.items():
            name = name.replace(f".{old}.", f".{new}.")
        return name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")

    out = {}
    for name, tensor in theirs.items():
        is_matrix = ".attentions." in name and tensor.ndim == 2
        out[renamed(name)] = tensor[:, :, None, None] if is_matrix else tensor
    return out


def original_clip_l(theirs: Tensors) -> Tensors:
    """Without its projection."""
    return {name: tensor for name, tensor in theirs.items() if name != "text_projection.weight"}


def original_t5(theirs: Tensors) -> Tensors:
    """The embedding twice."""
    table = theirs["shared.weight"]
    return theirs | {"encoder.embed_tokens.weight": table.clone()}


MAPS = {
    "transformer": original_transformer,
    "vae": original_vae,
    "text_encoder": original_clip_l,
    "text_encoder_2": lambda theirs: dict(theirs),
    "text_encoder_3": original_t5,
}
ALL = tuple(MAPS)
UNREAD = {
    "text_encoders.clip_l.logit_scale": torch.tensor(4.6),
    "text_encoders.clip_g.transformer.text_model.embeddings.position_ids": torch.arange(77)[None],
}


def open_clip(theirs: Tensors) -> Tensors:
    """bigG as OpenCLIP names it."""
    embeddings = "text_model.embeddings."
    out = {
        "positional_embedding": theirs[embeddings + "position_embedding.weight"],
        "token_embedding.weight": theirs[embeddings + "token_embedding.weight"],
        "text_projection": theirs["text_projection.weight"].T.contiguous(),
        "logit_scale": torch.tensor(4.6),
    }
    for kind in ["weight", "bias"]:
        out[f"ln_final.{kind}"] = theirs[f"text_model.final_layer_norm.{kind}"]
    names = {
        "ln_1": "layer_norm1",
        "ln_2": "layer_norm2",
        "attn.out_proj": "self_attn.out_proj",
        "mlp.c_fc": "mlp.fc1",
        "mlp.c_proj": "mlp.fc2",
    }
    layers = 1 + max(int(name.split(".")[3]) for name in theirs if ".layers." in name)
    for i in range(layers):
        old, new = f"transformer.resblocks.{i}.", f"text_model.encoder.layers.{i}."
        for kind in ["weight", "bias"]:
            for theirs_name, ours in names.items():
                out[f"{old}{theirs_name}.{kind}"] = theirs[f"{new}{ours}.{kind}"]
            parts = [theirs[f"{new}self_attn.{p}_proj.{kind}"] for p in "qkv"]
            out[f"{old}attn.in_proj_{kind}"] = torch.cat(parts)
    return out


def load_folder(folder: Path) -> Tensors:
    """A component's tensors, under the names that its class has."""
    files = sorted(folder.glob("*.safetensors"))
    tensors = {name: tensor for file in files for name, tensor in load_file(file).items()}
    return {name: tensor for name, tensor in tensors.items() if "position_ids" not in name}


def original_part(folder: Path, part: str) -> Tensors:
    return MAPS[part](load_folder(folder / part))


def prefixed(part: str, tensors: Tensors) -> Tensors:
    return {PREFIXES[part] + name: tensor for name, tensor in tensors.items()}


def write_single_file(
    folder: Path, file: Path, parts: tuple[str, ...] = ALL, changes: Tensors | None = None
) -> Path:
    """The parts of a pipeline's folder as one file; changes are laid over its tensors."""
    tensors: Tensors = {}
    for part in parts:
        tensors |= prefixed(part, original_part(folder, part))
    if "text_encoder_2" in parts:
        tensors |= UNREAD
    return write_tensors(file, tensors | (changes or {}))


def write_tensors(file: Path, tensors: Tensors) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = {name: tensor.clone().contiguous() for name, tensor in tensors.items()}
    save_file(whole, file, {"format": "pt"})
    return file


NAMES = {torch.float32: "F32", torch.float16: "F16", torch.float8_e4m3fn: "F8_E4M3"}


def write_sparse(file: Path, tensors: Tensors) -> Path:
    """A file of these shapes whose data are a hole: it takes no room and no time."""
    header, end = {}, 0
    for name, tensor in tensors.items():
        begin, end = end, end + tensor.numel() * tensor.element_size()
        shape = list(tensor.shape)
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with file.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        out.truncate(8 + len(text) + end)
    return file
