"""The three stages as jobs of their own, which hand over files: the pictures are those of one job."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from checkpoints import Checkpoints
from diffusers_oracle import Oracles
from program import Job, Run, distance, output_bytes, read_tensors, render, report
from small_jobs import metadata_of

SD3_ROWS: list[Any] = [
    "a red star",
    {"prompt": 'two: "circles"\n — 東京', "negative_prompt": "a dog", "seed": 7, "width": 80},
    {"prompt": "", "guidance_scale": 1.0},
]
PIXART_ROWS = ["A Red star", {"prompt": "a dog", "height": 72, "width": 120, "seed": 3}]
ROWS = {"sd3-medium": SD3_ROWS, "sd3.5-medium": SD3_ROWS, "pixart-256": PIXART_ROWS}
SAMPLING = {"height": 64, "width": 64, "num_inference_steps": 2, "num_images_per_prompt": 2}


def whole_job(checkpoints: Checkpoints, model: str) -> Job:
    return {"model": checkpoints.model(model), "prompts": ROWS[model], "sampling": SAMPLING}


def later(job: Job, stages: list[str], source: Run, **changes: Any) -> Job:
    """A job that goes on from another one's files and says nothing of what they carry."""
    form = "png" if stages[-1] == "decode" else "latents"
    return {
        "model": job["model"],
        "stages": stages,
        "input": str(source.folder),
        "output": {"format": form},
    } | changes


def encoded(job: Job, folder: Path, **changes: Any) -> Run:
    output = {"format": "embeds"} | changes.pop("output", {})
    return render(job | {"stages": ["encode"], "output": output} | changes, folder).ok


@pytest.mark.parametrize("model", ROWS)
def test_three_jobs_make_the_bytes_of_one(
    model: str, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    job = whole_job(checkpoints, model)
    whole = render(job, tmp_path / "whole").ok
    embeds = encoded(job, tmp_path / "embeds")
    latents = render(later(job, ["denoise"], embeds), tmp_path / "latents").ok
    for stages, source in [(["decode"], latents), (["denoise", "decode"], embeds)]:
        pictures = render(later(job, stages, source), tmp_path / "-".join(stages)).ok
        assert output_bytes(pictures.folder) == output_bytes(whole.folder)


@pytest.mark.parametrize(
    ("ranks", "layout"),
    [
        (2, {"transformer": {"ranks": "all", "guidance": 2}, "vae": {"ranks": "all", "patch": 2}}),
        (3, {"transformer": {"ranks": "all", "pipeline": 3}, "vae": {"ranks": [0]}}),
        (2, {"replicas": 2, "batch_size": 2}),
        (3, {"transformer": {"ranks": [1, 2], "pipeline": 2}, "vae": {"ranks": 0}, "batch_size": 3}),
    ],
)
def test_stages_may_have_any_layout(
    ranks: int, layout: Job, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    job = whole_job(checkpoints, "sd3-medium")
    whole = render(job, tmp_path / "whole").ok
    split = {"text_encoders": {"ranks": "all", "tensor": 2}}
    embeds = render(
        job | {"stages": ["encode"], "output": {"format": "embeds"}, "layout": split},
        tmp_path / "embeds",
        2,
    ).ok
    denoise = later(job, ["denoise"], embeds, layout=layout)
    latents = render(denoise, tmp_path / "latents", ranks).ok
    decode = later(job, ["decode"], latents, layout=layout)
    pictures = render(decode, tmp_path / "pictures", ranks).ok
    for index in range(6):
        difference = abs(pictures.pixels(index).astype(int) - whole.pixels(index)).max()
        assert difference <= 1, index


def test_embeddings_made_once_serve_many_jobs(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """What a later job's sampling gives lies over the earlier job's, a row's own over both."""
    job = whole_job(checkpoints, "sd3-medium")
    embeds = encoded(job, tmp_path / "embeds")
    other = {"seed": 100, "num_inference_steps": 3, "width": 96, "num_images_per_prompt": 1}
    expected = render(job | {"sampling": SAMPLING | other}, tmp_path / "whole").ok
    pictures = render(
        later(job, ["denoise", "decode"], embeds, sampling=other), tmp_path / "pictures"
    ).ok
    assert output_bytes(pictures.folder) == output_bytes(expected.folder)


def test_sigmas_take_the_place_of_steps(checkpoints: Checkpoints, tmp_path: Path) -> None:
    job = whole_job(checkpoints, "sd3-medium")
    embeds = encoded(job, tmp_path / "embeds")
    sigmas = {"sigmas": [1.0, 0.7, 0.2]}
    rest = {key: value for key, value in SAMPLING.items() if key != "num_inference_steps"}
    expected = render(job | {"sampling": rest | sigmas}, tmp_path / "whole").ok
    pictures = render(
        later(job, ["denoise", "decode"], embeds, sampling=sigmas), tmp_path / "pictures"
    ).ok
    assert output_bytes(pictures.folder) == output_bytes(expected.folder)


def test_a_part_of_the_rows_in_sub_folders(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """Rows keep their numbers, whatever is beside them and wherever their shard put them."""
    job = whole_job(checkpoints, "sd3-medium")
    whole = render(job, tmp_path / "whole").ok
    embeds = encoded(job, tmp_path / "embeds", output={"shard_size": 2})
    (embeds.folder / "00000" / "00000001.safetensors").unlink()
    pictures = render(later(job, ["denoise", "decode"], embeds), tmp_path / "pictures").ok
    names = sorted(file.name for file in pictures.folder.glob("*.png"))
    assert names == [f"{index:08}.png" for index in (0, 1, 4, 5)]
    for name in names:
        assert (pictures.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    rows = [json.loads(line) for line in (pictures.folder / "metadata.jsonl").open()]
    assert [row["index"] for row in rows] == [0, 1, 4, 5]


@pytest.mark.parametrize("batch_dimension", [False, True])
@pytest.mark.parametrize("model", ["sd3-medium", "pixart-256"])
def test_diffusers_embeddings_are_accepted(
    model: str, batch_dimension: bool, checkpoints: Checkpoints, oracles: Oracles, tmp_path: Path
) -> None:
    row = {"prompt": "a red star", "negative_prompt": "a dog"}
    folder = tmp_path / "embeds"
    folder.mkdir()
    tensors = oracles(model).embeddings(row)
    if batch_dimension:
        tensors = {name: tensor.unsqueeze(0) for name, tensor in tensors.items()}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "x.safetensors")
    sampling = {"height": 64, "width": 64, "num_inference_steps": 2, "seed": 5}
    job: Job = {
        "model": checkpoints.model(model),
        "stages": ["denoise"],
        "input": "embeds",
        "sampling": sampling,
        "output": {"format": "latents"},
    }
    ours = render(job, tmp_path).ok.latents(0)
    arguments = {key: value for key, value in sampling.items() if key != "seed"}
    (picture,) = oracles(model).pictures(row | arguments, [5])
    assert distance(ours, picture.latents) <= 1e-4


def test_foreign_latents_are_decoded(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """The size is that of the latents, binning or not."""
    folder = tmp_path / "latents"
    folder.mkdir()
    latents = torch.randn(4, 10, 12, generator=torch.Generator().manual_seed(0))
    save_file({"latents": latents}, folder / "00000012.safetensors")
    job: Job = {
        "model": checkpoints.model("pixart-256"),
        "stages": ["decode"],
        "input": "latents",
    }
    run = render(job, tmp_path).ok
    assert run.pixels(12).shape == (80, 96, 3)


def test_what_does_not_fit_is_told_before_any_weight_is_read(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    job = whole_job(checkpoints, "sd3-medium")
    embeds = encoded(job, tmp_path / "embeds")
    unguided = encoded(job | {"sampling": SAMPLING | {"guidance_scale": 1}}, tmp_path / "unguided")
    latents = render(later(job, ["denoise"], embeds), tmp_path / "latents").ok

    def refusal(code: int, stages: list[str], source: Path, **changes: Any) -> str:
        bad = later(job, stages, Run(0, source, "", ""), **changes)
        run = render(bad, tmp_path / "bad")
        assert run.code == code, run.stderr
        return run.stderr

    told = refusal(65, ["decode"], embeds.folder)
    assert "no tensor latents -> one tensor, latents [16, h, w]" in told
    told = refusal(65, ["denoise"], latents.folder)
    assert "prompt_embeds is not there" in told
    told = refusal(65, ["denoise"], embeds.folder, model=checkpoints.model("pixart-256"))
    assert "prompt_attention_mask is not there -> [tokens] is needed -> made for another" in told
    told = refusal(65, ["denoise"], unguided.folder, sampling={"guidance_scale": 5})
    assert "no negative_prompt_embeds -> guidance_scale 5 needs them" in told
    told = refusal(66, ["denoise"], tmp_path / "nothing")
    assert "No such file or directory" in told
    (tmp_path / "empty").mkdir()
    told = refusal(66, ["denoise"], tmp_path / "empty")
    assert "no *.safetensors in it" in told
    (embeds.folder / "more.safetensors").write_bytes(
        (embeds.folder / "00000000.safetensors").read_bytes()
    )
    told = refusal(65, ["denoise"], embeds.folder)
    assert "number 0 -> another one" in told
    told = refusal(78, ["denoise"], unguided.folder, sampling={"height": 100})
    assert "[sampling.height] 100 -> a multiple of 16" in told


def test_a_changed_input_is_refused(checkpoints: Checkpoints, tmp_path: Path) -> None:
    job = whole_job(checkpoints, "sd3-medium")
    embeds = encoded(job, tmp_path / "embeds")
    denoise = later(job, ["denoise"], embeds)
    render(denoise, tmp_path / "latents").ok
    (embeds.folder / "00000002.safetensors").unlink()
    assert render(denoise, tmp_path / "latents").code == 78


def spoil(file: Path, name: str, value: str) -> None:
    tensors, metadata = read_tensors(file), metadata_of(file)
    tensors[name].flatten()[-1] = float(value)
    save_file(tensors, file, metadata)


@pytest.mark.parametrize(
    ("ranks", "layout"),
    [
        (1, {"batch_size": 3}),
        (1, {"offload": "staged"}),
        (3, {"transformer": {"ranks": [1, 2], "pipeline": 2}, "vae": {"ranks": 0}, "batch_size": 3}),
        (2, {"replicas": 2}),
    ],
)
def test_a_row_that_is_not_finite_is_left_out(
    ranks: int, layout: Job, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """Both of its pictures; the others are those of a run in which it was sound."""
    job = whole_job(checkpoints, "sd3-medium") | {"layout": layout}
    embeds = encoded(job | {"layout": "auto"}, tmp_path / "embeds")
    onward = later(job, ["denoise", "decode"], embeds, layout=layout)
    sound = render(onward, tmp_path / "sound", ranks).ok
    spoil(embeds.folder / "00000001.safetensors", "negative_prompt_embeds", "nan")
    run = render(onward, tmp_path / "spoilt", ranks)
    assert run.code == 76, run.stderr
    for index in (2, 3):
        assert f"[input] sample {index}: NaN or infinity in negative_prompt_embeds of" in run.stderr
    assert report(run)["samples"] == {"done": 4, "failed": 2, "skipped": 0}
    status = [json.loads(line)["status"] for line in (run.folder / "metadata.jsonl").open()]
    assert status == ["done", "done", "failed", "failed", "done", "done"]
    names = sorted(file.name for file in run.folder.glob("*.png"))
    assert names == [f"{index:08}.png" for index in (0, 1, 4, 5)]
    for name in names:
        assert (run.folder / name).read_bytes() == (sound.folder / name).read_bytes()


@pytest.mark.parametrize("ranks", [1, 2])
def test_latents_that_are_not_finite_are_left_out(
    ranks: int, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    """However few rows of them a rank decodes: the last number is in the last rank's."""
    job = whole_job(checkpoints, "sd3-medium")
    embeds = encoded(job, tmp_path / "embeds")
    latents = render(later(job, ["denoise"], embeds), tmp_path / "latents").ok
    spoil(latents.folder / "00000004.safetensors", "latents", "inf")
    layout = {"vae": {"ranks": "all", "patch": ranks}, "batch_size": 2}
    decode = later(job, ["decode"], latents, layout=layout)
    run = render(decode, tmp_path / "pictures", ranks)
    assert run.code == 76, run.stderr
    assert "[input] sample 4: NaN or infinity in latents of" in run.stderr
    assert sorted(file.name for file in run.folder.glob("*.png")) == [
        f"{index:08}.png" for index in (0, 1, 2, 3, 5)
    ]
    patient = decode | {"output": {"format": "png", "max_failed": 1}}
    assert render(patient, tmp_path / "patient", ranks).code == 0


def test_a_job_may_stop_at_numbers_that_are_not_finite(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    job = whole_job(checkpoints, "sd3-medium")
    embeds = encoded(job, tmp_path / "embeds")
    spoil(embeds.folder / "00000001.safetensors", "prompt_embeds", "nan")
    denoise = later(job, ["denoise"], embeds, output={"format": "latents", "on_error": "stop"})
    run = render(denoise, tmp_path / "latents")
    assert run.code == 65
    assert "00000001.safetensors" in run.stderr and "prompt_embeds" in run.stderr
    assert not (run.folder / "00000002.safetensors").exists()
