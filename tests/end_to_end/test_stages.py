"""Jobs that end before the pictures: latents and embeddings, with diffusers' names."""

import json
from pathlib import Path

import pytest
import torch

from checkpoints import Checkpoints
from diffusers_oracle import Oracles
from program import Run, distance, read_tensors, render
from small_jobs import lines, metadata_of, sd3_job, texts


def test_latents_carry_their_row(checkpoints: Checkpoints, tmp_path: Path, rendered: Run) -> None:
    job = sd3_job(checkpoints, stages=["encode", "denoise"], output={"format": "latents"})
    run = render(job, tmp_path).ok
    for index, (height, width) in enumerate([(64, 80), (64, 80), (64, 64)]):
        file = run.folder / f"{index:08}.safetensors"
        (latents,) = read_tensors(file).values()
        assert (latents.dtype, latents.shape) == (torch.float32, (16, height // 8, width // 8))
        made_by = json.loads(metadata_of(file)["trireme"])
        assert made_by == json.loads(texts(rendered.folder / f"{index:08}.png")["trireme"])
    (first, *_) = lines(run.folder / "metadata.jsonl")
    assert first["file_name"] == "00000000.safetensors"


EMBEDDED = {
    "sd3-medium": [
        {"prompt": "a red star", "prompt_2": "a dog", "negative_prompt_3": "blue"},
        {"prompt": "two circles!", "clip_skip": 1, "max_sequence_length": 20},
        {"prompt": "a dog", "guidance_scale": 1.0},
    ],
    "sd3.5-large": [{"prompt": "a red star", "negative_prompt": "ugly", "guidance_scale": 2.0}],
    "pixart-256": [
        {"prompt": "A Red star", "negative_prompt": "a DOG "},
        {"prompt": "a dog", "max_sequence_length": 20, "guidance_scale": 1.0},
    ],
}


@pytest.mark.parametrize("model", EMBEDDED)
def test_embeddings_equal_diffusers(
    model: str, checkpoints: Checkpoints, oracles: Oracles, tmp_path: Path
) -> None:
    job = {
        "model": checkpoints.model(model),
        "prompts": EMBEDDED[model],
        "sampling": {"num_images_per_prompt": 2},
        "stages": ["encode"],
        "output": {"format": "embeds"},
    }
    run = render(job, tmp_path).ok
    files = sorted(run.folder.glob("*.safetensors"))
    assert [file.stem for file in files] == [f"{n:08}" for n in range(len(EMBEDDED[model]))]
    for file, row in zip(files, EMBEDDED[model]):
        ours, theirs = read_tensors(file), oracles(model).embeddings(row)
        assert ours.keys() == theirs.keys()
        for name in ours:
            if name.endswith("mask"):
                assert ours[name].dtype == torch.int64
                assert torch.equal(ours[name], theirs[name])
            else:
                assert ours[name].dtype == torch.float32
                assert distance(ours[name], theirs[name]) <= 2e-5, name
        assert json.loads(metadata_of(file)["trireme"])["prompts"][0]["prompt"] == row["prompt"]


def test_embeddings_are_in_the_job_s_dtype(
    checkpoints: Checkpoints, oracles: Oracles, tmp_path: Path
) -> None:
    row = {"prompt": "a red star"}
    job = {
        "model": checkpoints.model("sd3-medium") | {"dtype": "bfloat16"},
        "prompts": [row],
        "stages": ["encode"],
        "output": {"format": "embeds"},
    }
    ours = read_tensors(render(job, tmp_path).ok.folder / "00000000.safetensors")
    theirs = oracles("sd3-medium").embeddings(row)
    for name, tensor in ours.items():
        assert tensor.dtype == torch.bfloat16
        wide = tensor.float().flatten()
        assert torch.cosine_similarity(wide, theirs[name].flatten(), dim=0) >= 0.999
