"""What is read from original single files, tensor by tensor: beside diffusers' own converter and
beside the folders that the files were written from."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from random import Random
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
from original_files import (  # noqa: E402
    ALL,
    Tensors,
    load_folder,
    open_clip,
    original_part,
    write_tensors,
)

BUILD = Path(os.environ.get("TRIREME_BUILD", ROOT / "build"))
MODELS = ["original-sd3-medium", "original-sd3.5-medium", "original-sd3.5-large"]
DEFAULTS = {"qk_norm": None, "dual_attention_layers": []}


@pytest.fixture(scope="module", params=MODELS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / request.param
    FAMILIES[request.param](out)
    return out


def run_mapped(file: Path, component: str) -> subprocess.CompletedProcess[str]:
    command = [BUILD / "tests/mapped_tensors", file, component, file.with_suffix(".mapped")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def mapped(file: Path, component: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    out = file.with_suffix(".mapped")
    run_mapped(file, component).check_returncode()
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


def changed(tensors: Tensors, random: Random) -> Tensors:
    """One tensor lost, renamed, of another shape or of another type."""
    out = dict(tensors)
    name = random.choice(sorted(out))
    tensor = out.pop(name)
    shape = list(tensor.shape)
    change = random.randrange(5)
    if change == 1:
        number = random.choice(["0", "1", "7", "99999999999", "9223372036854775807", "-1"])
        out[re.sub(r"\d+", number, name, count=1) + ".x"] = tensor
    elif change == 2:
        dim = random.randrange(len(shape))
        shape[dim] = random.choice([n for n in [0, 1, 2, 3, 64, 100] if n != shape[dim]])
        out[name] = torch.zeros(shape)
    elif change == 3:
        out[name] = torch.zeros(shape[: random.randrange(len(shape))])
    elif change == 4:
        out[name] = torch.zeros(shape, dtype=torch.uint8)
    return out


@pytest.mark.parametrize("seed", range(4))
def test_no_change_of_names_or_shapes_goes_unseen(seed: int, folder: Path, tmp_path: Path) -> None:
    random = Random(seed)
    for component in ALL:
        whole = original_part(folder, component)
        file = write_tensors(tmp_path / "changed.safetensors", changed(whole, random))
        done = run_mapped(file, component)
        if done.returncode == 0:
            # Another model, such as one for wider texts; or nobody misses it: one of T5's two
            # embeddings, the VAE's encoder.
            before = mapped(write_tensors(tmp_path / "whole.safetensors", whole), component)[1]
            other = mapped(file, component)[1] != before
            assert other or component in ["text_encoder_3", "vae"], (seed, component)
        else:
            assert done.returncode == 65, (seed, component, done.stderr)
            assert done.stderr.count(" -> ") >= 2


def test_open_clip(folder: Path, tmp_path: Path) -> None:
    theirs = load_folder(folder / "text_encoder_2")
    ours, config = mapped(
        write_tensors(tmp_path / "clip_g.safetensors", open_clip(theirs)), "text_encoder_2"
    )
    assert_same(ours, theirs)
    assert config["projection_dim"] == 128
