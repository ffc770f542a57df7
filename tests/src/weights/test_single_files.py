"""What is read from original single files, tensor by tensor: beside diffusers' own converter and
beside the folders that the files were written from."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.loaders.single_file_utils import (
    convert_ldm_vae_checkpoint,
    convert_sd3_transformer_checkpoint_to_diffusers,
)
from safetensors import safe_open
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "oracle"))

from checkpoints import FAMILIES  # noqa: E402
from original_files import ALL, load_folder, open_clip, original_part, write_tensors  # noqa: E402

BUILD = Path(os.environ.get("TRIREME_BUILD", ROOT / "build"))
MODELS = ["original-sd3-medium", "original-sd3.5-medium", "original-sd3.5-large"]
DEFAULTS = {"qk_norm": None, "dual_attention_layers": []}


@pytest.fixture(scope="module", params=MODELS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / request.param
    FAMILIES[request.param](out)
    return out


def mapped(file: Path, component: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    out = file.with_suffix(".mapped.safetensors")
    subprocess.run([BUILD / "tests/mapped_tensors", file, component, out], check=True)
    with safe_open(out, "pt") as opened:
        config = json.loads(opened.metadata()["config"])
    return load_file(out), config


def assert_same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert [n for n in ours if not torch.equal(ours[n], theirs[n].float())] == []


def test_transformer_as_diffusers_converts_it(folder: Path, tmp_path: Path) -> None:
    tensors = original_part(folder, "transformer")
    file = write_tensors(tmp_path / "mmdit.safetensors", tensors)
    ours, _ = mapped(file, "transformer")
    assert_same(ours, convert_sd3_transformer_checkpoint_to_diffusers(dict(tensors)))


def test_vae_as_diffusers_converts_it(folder: Path, tmp_path: Path) -> None:
    tensors = original_part(folder, "vae")
    file = write_tensors(tmp_path / "vae.safetensors", tensors)
    ours, _ = mapped(file, "vae")
    config = json.loads((folder / "vae" / "config.json").read_text())
    assert_same(ours, convert_ldm_vae_checkpoint(dict(tensors), config))


@pytest.mark.parametrize("component", ALL)
def test_tensors_and_config_are_the_folders(component: str, folder: Path, tmp_path: Path) -> None:
    tensors = original_part(folder, component)
    file = write_tensors(tmp_path / "part.safetensors", tensors)
    ours, config = mapped(file, component)
    theirs = load_folder(folder / component)
    ours.pop("encoder.embed_tokens.weight", None)  # T5's second one
    assert_same(ours, theirs)
    written = DEFAULTS | json.loads((folder / component / "config.json").read_text())
    unsaid = {"sample_size"} if component == "vae" else set()  # the published one
    assert {k: v for k, v in config.items() if k not in unsaid and written[k] != v} == {}


def test_open_clip(folder: Path, tmp_path: Path) -> None:
    theirs = load_folder(folder / "text_encoder_2")
    ours, config = mapped(
        write_tensors(tmp_path / "clip_g.safetensors", open_clip(theirs)), "text_encoder_2"
    )
    assert_same(ours, theirs)
    assert config["projection_dim"] == 128
