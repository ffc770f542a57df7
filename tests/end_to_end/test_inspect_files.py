"""`trireme inspect` on everything a weight can stand in, at the published sizes: headers over holes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import Checkpoints, change_json
from original_files import write_single_file, write_sparse
from program import seconds_of_children, trireme
from real_sizes import checkpoint, original, pixart

HALF, EIGHT = torch.float16, torch.float8_e4m3fn
CLIPS = {"text_encoder": HALF, "text_encoder_2": HALF}
CLIP_L, BIG_G, T5 = 123_060_480, 694_659_840, 4_762_310_656  # of CLIP-L's, no projection is there
VAE = 83_819_683
T5_TABLE = 32_128 * 4096  # which files hold twice


def inspect(path: Path) -> dict[str, Any]:
    begun = seconds_of_children()
    done = trireme(["inspect", str(path), "--json"])
    assert done.returncode == 0, done.stderr
    assert seconds_of_children() - begun < 1  # the program's start included
    return json.loads(done.stdout)


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-hub"))


PUBLISHED = [
    # family, parameters, elements of the position table, most pixels of a side
    ("sd3", 2_028_328_000, 56_623_104, 3072),
    ("sd3.5-medium", 2_243_171_520, 226_492_416, 6144),
    ("sd3.5-large", 8_056_627_520, 89_653_248, 3072),
]


@pytest.mark.parametrize(("family", "parameters", "table", "side"), PUBLISHED)
def test_published_transformers(
    family: str, parameters: int, table: int, side: int, tmp_path: Path
) -> None:
    file = write_sparse(tmp_path / "model.safetensors", checkpoint(family, {}))
    facts = inspect(file)
    assert (facts["family"], facts["native_size"], facts["max_size"]) == (family, 1024, side)
    transformer = facts["components"]["transformer"]
    assert transformer == {
        "class": "SD3Transformer2DModel",
        "parameters": parameters,
        "bytes": 2 * (parameters + table),
        "dtypes": ["float16"],
        "files": ["model.safetensors"],
    }
    assert facts["components"]["vae"]["parameters"] == VAE
    assert facts["components"]["scheduler"]["class"] == "FlowMatchEulerDiscreteScheduler"
    assert facts["missing"] == [
        "text_encoder",
        "text_encoder_2",
        "text_encoder_3",
        "tokenizer",
        "tokenizer_2",
        "tokenizer_3",
    ]


@pytest.mark.parametrize("dtype", [HALF, EIGHT])
def test_with_encoders(dtype: torch.dtype, tmp_path: Path) -> None:
    """sd3_medium_incl_clips_t5xxlfp16 and fp8."""
    tensors = checkpoint("sd3", CLIPS | {"text_encoder_3": dtype})
    file = write_sparse(tmp_path / "sd3_medium_incl_clips_t5xxl.safetensors", tensors)
    gigabytes = 15.8 if dtype == HALF else 10.9
    assert file.stat().st_size == pytest.approx(gigabytes * 1e9, rel=0.01)
    components = inspect(file)["components"]
    got = {name: components[name]["parameters"] for name in components if "encoder" in name}
    assert got == {"text_encoder": CLIP_L, "text_encoder_2": BIG_G, "text_encoder_3": T5}
    t5 = components["text_encoder_3"]
    assert t5["bytes"] == (T5 + T5_TABLE) * (2 if dtype == HALF else 1)
    assert t5["dtypes"] == [str(dtype).removeprefix("torch.")]


ALONE = [
    ("text_encoder", HALF, "CLIPTextModelWithProjection", CLIP_L, 246e6),
    ("text_encoder_2", HALF, "CLIPTextModelWithProjection", BIG_G, 1.389e9),
    ("text_encoder_3", HALF, "T5EncoderModel", T5, 9.79e9),
    ("text_encoder_3", EIGHT, "T5EncoderModel", T5, 4.89e9),
    ("vae", torch.float32, "AutoencoderKL", VAE, 335e6),
]


@pytest.mark.parametrize(("part", "dtype", "kind", "parameters", "size"), ALONE)
def test_parts_alone(
    part: str, dtype: torch.dtype, kind: str, parameters: int, size: float, tmp_path: Path
) -> None:
    """clip_l, clip_g, t5xxl_fp16, t5xxl_fp8_e4m3fn, a VAE."""
    file = write_sparse(tmp_path / "part.safetensors", original(part, dtype))
    assert file.stat().st_size == pytest.approx(size, rel=0.01)
    facts = inspect(file)
    assert list(facts["components"]) == [part]
    component = facts["components"][part]
    assert (component["class"], component["parameters"]) == (kind, parameters)
    assert (facts["family"], facts["missing"], facts["native_size"]) == ("", [], 0)


def test_a_bare_transformer(tmp_path: Path) -> None:
    tensors = original("transformer", model="sd3.5-large")
    facts = inspect(write_sparse(tmp_path / "mmdit.safetensors", tensors))
    assert facts["family"] == "sd3.5-large"
    assert facts["components"]["transformer"]["parameters"] == PUBLISHED[2][1]
    assert "vae" in facts["missing"]


@pytest.mark.parametrize("sample_size", [32, 64, 128, 256])
@pytest.mark.parametrize("inside", ["transformer", ""])
def test_a_pixart_transformer_folder(sample_size: int, inside: str, tmp_path: Path) -> None:
    """As PixArt's 256, 512 and 2K repositories are: a transformer, and nothing else."""
    with torch.device("meta"):
        module = pixart(sample_size)
    folder = tmp_path / "repository" / inside
    module.save_config(folder)
    write_sparse(folder / "diffusion_pytorch_model.safetensors", module.state_dict())
    facts = inspect(tmp_path / "repository")
    assert (facts["family"], facts["native_size"]) == ("pixart-sigma", 8 * sample_size)
    transformer = facts["components"]["transformer"]
    assert (transformer["parameters"], transformer["bytes"]) == (610_856_096, 2_443_424_384)
    assert facts["missing"] == ["scheduler", "text_encoder", "tokenizer", "vae"]
    change_json(folder / "config.json", _class_name="Transformer2DModel", norm_type="ada_norm_single")
    assert inspect(tmp_path / "repository")["family"] == "pixart-sigma"


def test_a_component_of_a_folder(checkpoints: Checkpoints) -> None:
    facts = inspect(checkpoints["sd3-medium"] / "vae")
    assert list(facts["components"]) == ["vae"]
    assert facts["components"]["vae"]["files"] == ["diffusion_pytorch_model.safetensors"]


def test_a_folder_of_a_variant_alone(checkpoints: Checkpoints) -> None:
    facts = inspect(checkpoints["sd3.5-large"])
    assert (facts["family"], facts["missing"]) == ("sd3.5-large", [])
    assert all("fp16" in f for f in facts["components"]["vae"]["files"])


def test_a_file_and_its_folder_agree(checkpoints: Checkpoints, tmp_path: Path) -> None:
    folder = checkpoints["original-sd3.5-medium"]
    file = write_single_file(folder, tmp_path / "whole.safetensors")
    theirs, ours = inspect(folder), inspect(file)
    for name in ["transformer", "vae", "text_encoder_2", "text_encoder_3"]:
        for key in ["class", "parameters", "dtypes"]:
            assert ours["components"][name][key] == theirs["components"][name][key], (name, key)
    for key in ["family", "native_size", "max_size"]:
        assert ours[key] == theirs[key]


def test_it_is_told_in_words(tmp_path: Path, checkpoints: Checkpoints) -> None:
    file = write_single_file(checkpoints["original-sd3-medium"], tmp_path / "whole.safetensors")
    told = trireme(["inspect", str(file)]).stdout
    for part in ["family       sd3", "native size  192", "at most      192", "missing      tokenizer"]:
        assert part in told
    shutil.rmtree(tmp_path, ignore_errors=True)
