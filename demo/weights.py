"""How the demo's components are saved: float16 files that a plain `from_pretrained` opens."""

import copy
import json
from pathlib import Path

import torch
from torch import nn


def round_to_half(model: nn.Module) -> None:
    """Give a model the values its file will hold, so that later stages train on those."""
    with torch.no_grad():
        for value in [*model.parameters(), *model.buffers()]:
            if value.is_floating_point():
                value.copy_(value.half().float())


def save_half(model: nn.Module, folder: Path) -> None:
    """Write a float16 file; text encoders' config keeps float32.

    transformers loads in the config's dtype and diffusers in float32: float16 there would mix both
    in one pipeline.
    """
    copy.deepcopy(model).half().save_pretrained(folder)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config.pop("_name_or_path", None)
    if "dtype" in config:
        config["dtype"] = "float32"
    path.write_text(json.dumps(config, indent=2) + "\n")
