"""What a run leaves behind: names, metadata, the texts in pictures."""

import json
from pathlib import Path

import pytest

from checkpoints import Checkpoints
from program import Run, output_bytes, render, report
from small_jobs import PROMPTS, SMALL, lines, sd3_job, texts


def test_names(rendered: Run) -> None:
    assert sorted(file.name for file in rendered.folder.iterdir()) == [
        ".trireme",
        "000000.json",
        "00000000.png",
        "00000001.png",
        "00000002.png",
        "README.md",
        "job.json",
        "logs",
        "metadata.jsonl",
        "metrics",
        "report.html",
        "report.json",
    ]
    assert rendered.stdout.strip() == str(rendered.folder)


def test_metadata(rendered: Run, checkpoints: Checkpoints) -> None:
    first, second, third = lines(rendered.folder / "metadata.jsonl")
    assert first == {
        "file_name": "00000000.png",
        "index": 0,
        "prompt": "a red star",
        "negative_prompt": "",
        "seed": 0,
        "height": 64,
        "width": 80,
        "num_inference_steps": 2,
        "guidance_scale": 3.0,
        "model": str(checkpoints["sd3-medium"]),
        "status": "done",
    }
    changed = {"file_name": "00000001.png", "index": 1, "seed": 7, "negative_prompt": "a dog"}
    assert second == first | changed | {"prompt": PROMPTS[1]["prompt"]}
    changed = {"file_name": "00000002.png", "index": 2, "seed": 2, "width": 64}
    assert third == first | changed | {"prompt": "", "guidance_scale": 1.0}


def test_the_size_in_the_metadata_is_that_of_the_picture(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    sampling = {"height": 71, "width": 100, "num_inference_steps": 1}
    job = {
        "model": checkpoints.model("pixart-256"),
        "prompts": ["a dog"],
        "sampling": sampling,
    }
    run = render(job, tmp_path).ok
    (line,) = lines(run.folder / "metadata.jsonl")
    assert (line["height"], line["width"], 3) == run.pixels(0).shape == (71, 100, 3)


def test_job_json_is_a_job(rendered: Run, tmp_path: Path) -> None:
    record = json.loads((rendered.folder / "job.json").read_text())
    assert record["fingerprint"]
    again = record["job"] | {"output": record["job"]["output"] | {"path": str(tmp_path / "out")}}
    assert output_bytes(render(again, tmp_path).ok.folder) == output_bytes(rendered.folder)


def test_report(rendered: Run) -> None:
    told = report(rendered)
    assert told["samples"] == {"done": 3, "failed": 0, "skipped": 0}
    seconds = told["seconds"]
    stages = ["load", "encode", "denoise", "decode", "write"]
    assert all(seconds[stage] > 0 for stage in stages)
    assert sum(seconds[stage] for stage in stages) <= seconds["total"]
    assert told["images_per_hour"] > 0
    (rank,) = told["ranks"]
    assert (rank["rank"], rank["device"]) == (0, "cpu")
    assert rank["peak_bytes"] > 50 << 20
    assert set(rank["stages"]) == {"encode", "denoise", "decode"}
    assert all(stage["seconds"] > 0 for stage in rank["stages"].values())


def test_report_of_ranks(checkpoints: Checkpoints, tmp_path: Path) -> None:
    run = render(sd3_job(checkpoints, layout={"replicas": 2}), tmp_path, ranks=2).ok
    told = report(run)
    assert told["samples"] == {"done": 3, "failed": 0, "skipped": 0}
    assert [rank["rank"] for rank in told["ranks"]] == [0, 1]


@pytest.mark.parametrize(
    ("detail", "keys"),
    [
        ("none", None),
        ("minimal", {"file_name", "index", "prompt", "seed", "status"}),
    ],
)
def test_less_metadata(
    detail: str, keys: set[str] | None, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    run = render(sd3_job(checkpoints, output={"metadata": detail}), tmp_path).ok
    file = run.folder / "metadata.jsonl"
    assert file.exists() == (keys is not None)
    if keys is not None:
        assert [set(line) for line in lines(file)] == [keys] * 3
    else:
        assert texts(run.folder / "00000000.png") == {}


def test_sub_folders_above_a_shard(checkpoints: Checkpoints, tmp_path: Path, rendered: Run) -> None:
    run = render(sd3_job(checkpoints, output={"shard_size": 2}), tmp_path).ok
    names = ["00000/00000000.png", "00000/00000001.png", "00001/00000002.png"]
    assert [line["file_name"] for line in lines(run.folder / "metadata.jsonl")] == names
    for index, name in enumerate(names):
        whole = rendered.folder / f"{index:08}.png"
        assert (run.folder / name).read_bytes() == whole.read_bytes()


def test_parameters_as_a1111_writes_them(rendered: Run) -> None:
    text = texts(rendered.folder / "00000001.png")["parameters"]
    prompt, rest = text.split("\nNegative prompt: ")
    assert prompt == PROMPTS[1]["prompt"]
    negative, fields = rest.split("\n")
    assert negative == "a dog"
    for field in ["Steps: 2", "CFG scale: 3", "Seed: 7", "Size: 80x64"]:
        assert field in fields.split(", ")
    assert "Sampler: FlowMatchEulerDiscreteScheduler" in fields


PASTED = {
    "sd3-medium": [
        {"prompt": "a red star"},
        {"prompt": 'a\n"dog": {1}', "prompt_2": "é", "prompt_3": "東京", "negative_prompt_2": "x"},
        {"prompt": "a dog", "clip_skip": 1, "seed": 2**63, "max_sequence_length": 40},
        {"prompt": "a dog", "sigmas": [1.0, 0.3]},
        {
            "prompt": "a dog",
            "skip_guidance_layers": [1],
            "skip_layer_guidance_stop": 0.9,
            "scheduler": {"class": "FlowMatchHeunDiscreteScheduler", "shift": 2.5},
        },
    ],
    "pixart-256": [
        {"prompt": "A red,star [x]", "clean_caption": True, "use_resolution_binning": False},
        {"prompt": "a dog", "timesteps": [900, 200], "guidance_scale": 1.0},
    ],
}


@pytest.mark.parametrize("model", PASTED)
def test_the_text_in_a_picture_makes_it_again(
    model: str, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    rows = PASTED[model]
    job = {
        "model": checkpoints.model(model),
        "prompts": rows,
        "sampling": SMALL | {"num_images_per_prompt": 2, "seed": 5},
    }
    run = render(job, tmp_path).ok
    for index in range(1, 2 * len(rows), 2):
        picture = run.folder / f"{index:08}.png"
        again = render(json.loads(texts(picture)["trireme"]), tmp_path / str(index)).ok
        assert (again.folder / "00000000.png").read_bytes() == picture.read_bytes()
