"""Large, thin and odd pictures: diffusers' latents, on any layout; sizes that are refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import SD3Transformer2DModel
from diffusers.models.embeddings import get_2d_sincos_pos_embed_from_grid
from safetensors.torch import load_file, save_file

from checkpoints import Checkpoints
from diffusers_oracle import Oracle, Oracles
from program import Job, Run, distance, render

SEED = 5
LATENTS_BAR = 2e-4  # of their spread, from diffusers
SPLIT_BAR = 1e-5  # from one rank
THIN_AND_ODD = [(16, 2048), (2048, 16), (1008, 528)]
MODELS = ["sd3-large-table", "pixart-256"]
EXTENDED: dict[str, Any] = {"transformer": {"position_table": "extend"}}


def sized(model: str, height: int, width: int, **more: Any) -> dict[str, Any]:
    own = {} if model.startswith("sd3") else {"use_resolution_binning": False}
    size = {"height": height, "width": width, "num_inference_steps": 2, "guidance_scale": 3.0}
    return {"prompt": "a red star"} | size | own | more


def job(checkpoints: Checkpoints, name: str, rows: list[dict[str, Any]], **more: Any) -> Job:
    return {
        "model": checkpoints.model(name),
        "prompts": rows,
        "sampling": {"seed": SEED},
        "stages": ["encode", "denoise"],
        "output": {"format": "latents"},
    } | more


def assert_equal(run: Run, oracle: Oracle, rows: list[dict[str, Any]]) -> None:
    for index, row in enumerate(rows):
        (theirs,) = oracle.pictures(row, [SEED + index])
        assert distance(run.latents(index), theirs.latents) <= LATENTS_BAR, row


def rows_of(model: str) -> list[dict[str, Any]]:
    return [sized(model, *size) for size in THIN_AND_ODD]


@pytest.mark.parametrize("model", MODELS)
def test_thin_and_odd_pictures_equal_diffusers(
    model: str, checkpoints: Checkpoints, oracles: Oracles, tmp_path: Path
) -> None:
    rows = rows_of(model)
    assert_equal(render(job(checkpoints, model, rows), tmp_path).ok, oracles(model), rows)


@pytest.mark.parametrize("axes", [{"tensor": 2}, {"sequence": 3}, {"sequence": 4, "ring": 2}], ids=str)
@pytest.mark.parametrize("model", MODELS)
def test_thin_and_odd_pictures_are_the_same_on_more_ranks(
    model: str, axes: dict[str, int], checkpoints: Checkpoints, tmp_path: Path
) -> None:
    rows = rows_of(model)
    whole = render(job(checkpoints, model, rows), tmp_path / "whole").ok
    layout = {"transformer": {"ranks": "all"} | axes}
    ranks = axes.get("tensor", 1) * axes.get("sequence", 1)
    parts = render(job(checkpoints, model, rows, layout=layout), tmp_path / "parts", ranks).ok
    for index in range(len(rows)):
        assert distance(parts.latents(index), whole.latents(index)) <= SPLIT_BAR, rows[index]


def test_a_bin_of_the_2048_pixel_model_equals_diffusers(
    checkpoints: Checkpoints, oracles: Oracles, tmp_path: Path
) -> None:
    """Height to width is 3.88, a bin that only this model has: 3968 x 1024 pixels are made."""
    row = {"prompt": "a red star", "height": 388, "width": 100} | {
        "num_inference_steps": 1,
        "guidance_scale": 1.0,
    }
    run = render(job(checkpoints, "pixart-2k", [row]), tmp_path).ok
    assert run.latents(0).shape == (4, 3968 // 8, 1024 // 8)
    theirs: list[torch.Tensor] = []
    pipe = oracles("pixart-2k").pipe
    pipe(
        **row,
        clean_caption=False,
        output_type="latent",  # what is decoded is tested elsewhere, and takes a while
        generator=torch.Generator("cpu").manual_seed(SEED),
        callback=lambda step, t, latents: theirs.append(latents.clone()),
    )
    assert distance(run.latents(0), theirs[-1][0]) <= LATENTS_BAR


def without_weights(checkpoints: Checkpoints, model: str, folder: Path) -> dict[str, Any]:
    """A checkpoint that cannot be loaded: what is refused is refused before."""
    shutil.copytree(checkpoints[model], folder / "model")
    (folder / "model" / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    return {"path": str(folder / "model")}


def assert_refused(run: Run, *parts: str) -> None:
    assert run.code == 78, run.stderr
    for part in parts:
        assert part in run.stderr, run.stderr


def test_sd3_beyond_its_positions_is_refused_before_it_is_loaded(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """sd3-medium has a table of 12 patches a side, 192 pixels."""
    rows = [sized("sd3", 192, 192), sized("sd3", 64, 208)]
    model = without_weights(checkpoints, "sd3-medium", tmp_path)
    run = render(job(checkpoints, "sd3-medium", rows, model=model), tmp_path / "job")
    assert_refused(run, "[prompts.1.width] 208 -> at most 192", "{position_table: extend}")


def larger_table(transformer: SD3Transformer2DModel, size: int) -> torch.Tensor:
    """The table with the spacing that it has and as much more on all sides, by diffusers' formula."""
    stored = transformer.pos_embed.pos_embed
    old, width = transformer.config.pos_embed_max_size, stored.shape[-1]
    base = transformer.config.sample_size // transformer.config.patch_size
    before = (size - old) // 2
    coordinates = torch.arange(-before, size - before, dtype=torch.float32) / (old / base)
    grid = torch.stack(torch.meshgrid(coordinates, coordinates, indexing="xy"))
    table = get_2d_sincos_pos_embed_from_grid(width, grid).float().view(size, size, width)
    middle = slice(before, before + old)
    table[middle, middle] = stored.view(old, old, width)
    return table.view(1, size * size, width)


def test_extended_positions_are_those_of_a_larger_table(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    rows = [sized("sd3", 256, 208), sized("sd3", 80, 240), sized("sd3", 64, 96)]
    model = checkpoints.model("sd3-medium") | {"components": EXTENDED}
    run = render(job(checkpoints, "sd3-medium", rows, model=model), tmp_path).ok
    oracle = Oracle(checkpoints["sd3-medium"])
    positions = oracle.pipe.transformer.pos_embed
    positions.pos_embed = larger_table(oracle.pipe.transformer, 20)
    positions.pos_embed_max_size = 20
    assert_equal(run, oracle, rows)


def test_extending_changes_no_picture_that_was_there(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    rows = [sized("sd3", 192, 64), sized("sd3", 80, 96)]
    model = checkpoints.model("sd3-medium")
    fixed = render(job(checkpoints, "sd3-medium", rows, model=model), tmp_path / "fixed").ok
    model = model | {"components": EXTENDED}
    extended = render(job(checkpoints, "sd3-medium", rows, model=model), tmp_path / "more").ok
    for index in range(len(rows)):
        assert torch.equal(extended.latents(index), fixed.latents(index))


def test_extended_positions_are_sd3s(checkpoints: Checkpoints, tmp_path: Path) -> None:
    model = without_weights(checkpoints, "pixart-256", tmp_path) | {"components": EXTENDED}
    rows = [sized("pixart", 64, 64)]
    run = render(job(checkpoints, "pixart-256", rows, model=model), tmp_path / "job")
    assert_refused(run, "[model.components.transformer.position_table] extend for PixArt-Sigma")


def test_sizes_that_cannot_be_compressed_are_refused_before_it_is_loaded(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    model = without_weights(checkpoints, "pixart-kv-uniform", tmp_path)
    rows = [sized("pixart", 80, 96)]
    run = render(job(checkpoints, "pixart-kv-uniform", rows, model=model), tmp_path / "job")
    assert_refused(run, "[prompts.0.height] 80 -> a multiple of 32", "64 or 96 are near")


def test_compression_and_its_tensors_belong_together(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """Tensors without the config and the config without tensors are both another model's."""
    rows = [sized("pixart", 64, 64)]
    for name, says in [("config", "have no place in the model"), ("tensors", "the model needs it")]:
        model = tmp_path / name / "model"
        shutil.copytree(checkpoints["pixart-kv"], model)
        if name == "config":
            file = model / "transformer" / "config.json"
            file.write_text(json.dumps(json.loads(file.read_text()) | {"kv_compress": False}))
        else:
            file = model / "transformer" / "diffusion_pytorch_model.safetensors"
            tensors = {key: value for key, value in load_file(file).items() if ".sr." not in key}
            save_file(tensors, file, {"format": "pt"})
        changes = {"model": {"path": str(model)}}
        run = render(job(checkpoints, "pixart-kv", rows, **changes), tmp_path / name / "job")
        assert run.code == 65 and says in run.stderr and ".sr." in run.stderr, run.stderr
