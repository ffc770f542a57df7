"""What a run leaves behind: names, metadata, the texts in pictures, latents and embeddings."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from conftest import Checkpoints, Oracles
from program import PROGRAM, Job, Run, read_tensors, render, trireme, write_job
from test_pictures import distance
from test_ranks import output_bytes

SMALL = {"height": 64, "width": 80, "num_inference_steps": 2, "guidance_scale": 3.0}
PROMPTS = [
    "a red star",
    {"prompt": "two: \"circles\"\n — 東京", "negative_prompt": "a dog", "seed": 7},
    {"prompt": "", "width": 64, "guidance_scale": 1.0},
]


def sd3_job(checkpoints: Checkpoints, **changes: Any) -> Job:
    job = {"model": checkpoints.model("sd3-medium"), "prompts": PROMPTS, "sampling": SMALL}
    return job | changes


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def report(run: Run) -> dict[str, Any]:
    return json.loads((run.folder / "report.json").read_text())


def texts(file: Path) -> dict[str, str]:
    with Image.open(file) as image:
        image.load()
        return dict(image.text)


# --- names and metadata ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rendered(checkpoints: Checkpoints, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return render(sd3_job(checkpoints), tmp_path_factory.mktemp("rendered")).ok


def test_names(rendered: Run) -> None:
    assert sorted(file.name for file in rendered.folder.iterdir()) == [
        "00000000.png",
        "00000001.png",
        "00000002.png",
        "job.json",
        "metadata.jsonl",
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


# --- what pictures carry --------------------------------------------------------------------------


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
        {"prompt": "a\n\"dog\": {1}", "prompt_2": "é", "prompt_3": "東京", "negative_prompt_2": "x"},
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


# --- run again ------------------------------------------------------------------------------------


def test_a_second_run_renders_nothing(checkpoints: Checkpoints, tmp_path: Path) -> None:
    first = render(sd3_job(checkpoints), tmp_path).ok
    before = output_bytes(first.folder)
    times = {file: file.stat().st_mtime_ns for file in first.folder.glob("*.png")}
    second = render(sd3_job(checkpoints), tmp_path).ok
    assert {file: file.stat().st_mtime_ns for file in times} == times
    assert output_bytes(second.folder) == before
    assert report(second)["samples"] == {"done": 0, "failed": 0, "skipped": 3}
    assert "nothing to do: 3 pictures were there already" in second.stderr


@pytest.mark.parametrize("batch_size", [1, 2])
def test_a_deleted_picture_comes_back_the_same(
    batch_size: int, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    prompts = ["a red star", "a dog", "two circles", "a square"]
    job = sd3_job(checkpoints, prompts=prompts, layout={"batch_size": batch_size})
    before = output_bytes(render(job, tmp_path).ok.folder)
    (tmp_path / "out" / "00000002.png").unlink()
    again = render(job, tmp_path).ok
    assert output_bytes(again.folder) == before
    samples = report(again)["samples"]
    assert samples["done"] + samples["skipped"] == 4
    assert 1 <= samples["done"] <= batch_size


@pytest.fixture(scope="module")
def many(checkpoints: Checkpoints) -> Job:
    """A job long enough to be broken off."""
    sampling = SMALL | {"num_inference_steps": 8, "max_sequence_length": 8}
    return sd3_job(checkpoints, prompts=[f"star {n}" for n in range(24)], sampling=sampling)


@pytest.fixture(scope="module")
def unbroken(many: Job, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return output_bytes(render(many, tmp_path_factory.mktemp("unbroken")).ok.folder)


def break_off(job: Job, folder: Path, how: signal.Signals) -> int:
    """Sends a signal when three pictures are there; the exit code."""
    write_job(job, folder)
    running = subprocess.Popen(
        [PROGRAM, "render", folder / "job.yaml"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while len(list((folder / "out").glob("*.png"))) < 3:
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    running.send_signal(how)
    running.communicate(timeout=60)
    return running.returncode


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_killed_run_goes_on(
    ranks: int, many: Job, unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    break_off(many, tmp_path, signal.SIGKILL)
    made = len(list((tmp_path / "out").glob("*.png")))
    assert 3 <= made < 24
    went_on = render(many, tmp_path, ranks).ok
    assert output_bytes(went_on.folder) == unbroken
    assert report(went_on)["samples"] == {"done": 24 - made, "failed": 0, "skipped": made}


def test_a_run_that_is_asked_to_stop(
    many: Job, unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    assert break_off(many, tmp_path, signal.SIGTERM) == 85
    stopped = output_bytes(tmp_path / "out")
    assert {name: unbroken[name] for name in stopped if name != "metadata.jsonl"} == {
        name: file for name, file in stopped.items() if name != "metadata.jsonl"
    }
    assert output_bytes(render(many, tmp_path).ok.folder) == unbroken


def test_another_job_over_an_output_is_refused(checkpoints: Checkpoints, tmp_path: Path) -> None:
    before = output_bytes(render(sd3_job(checkpoints), tmp_path).ok.folder)
    refused = render(sd3_job(checkpoints, sampling=SMALL | {"seed": 3}), tmp_path)
    assert refused.code == 78
    assert "sampling.seed was 0, is 3" in refused.stderr
    assert output_bytes(refused.folder) == before
    assert render(sd3_job(checkpoints, layout={"replicas": 1}, threads=2), tmp_path).code == 0


# --- the command line -----------------------------------------------------------------------------


def test_set_lays_values_over_the_job(
    checkpoints: Checkpoints, tmp_path: Path, rendered: Run
) -> None:
    values = ["prompts.0.seed=7", "sampling.num_inference_steps=1", "output.path=elsewhere"]
    arguments = [word for value in values for word in ("--set", value)]
    run = render(sd3_job(checkpoints, layout={"replicas": 3}), tmp_path, 1, arguments)
    assert run.code == 78  # three replicas on one rank
    run = render(sd3_job(checkpoints), tmp_path, 1, arguments).ok
    first, second, _ = lines(tmp_path / "elsewhere" / "metadata.jsonl")
    assert (first["seed"], first["num_inference_steps"], second["seed"]) == (7, 1, 7)


def test_an_unknown_key_of_set(checkpoints: Checkpoints, tmp_path: Path) -> None:
    run = render(sd3_job(checkpoints), tmp_path, 1, ["--set", "sampling.num_steps=1"])
    assert run.code == 78
    assert "num_steps" in run.stderr and "num_inference_steps" in run.stderr
    assert not run.folder.exists()


@pytest.mark.parametrize(
    ("name", "family", "size"),
    [
        ("sd3-medium", "sd3", 64),
        ("sd3.5-medium", "sd3.5-medium", 128),
        ("pixart-256", "pixart-sigma", 256),
        ("pixart-512", "pixart-sigma", 512),
        ("demo/sd3", "sd3", 128),
        ("demo/pixart", "pixart-sigma", 256),
    ],
)
def test_inspect_a_checkpoint(
    name: str, family: str, size: int, checkpoints: Checkpoints, oracles: Oracles
) -> None:
    done = trireme(["inspect", str(checkpoints[name]), "--json"])
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["family"], facts["native_size"], facts["missing"]) == (family, size, [])
    pipe = oracles(name).pipe
    for part in ["transformer", "vae", "text_encoder"]:
        component = facts["components"][part]
        module = getattr(pipe, part)
        assert component["parameters"] == sum(p.numel() for p in module.parameters())
        files = [checkpoints[name] / file for file in component["files"]]
        stored = [tensor for file in files for tensor in load_file(file).values()]
        assert component["bytes"] == sum(t.numel() * t.element_size() for t in stored)
        floats = {str(t.dtype).removeprefix("torch.") for t in stored if t.is_floating_point()}
        assert floats <= set(component["dtypes"])
    assert facts["components"]["scheduler"]["class"] == type(pipe.scheduler).__name__


def test_inspect_a_picture_and_an_output(rendered: Run) -> None:
    picture = rendered.folder / "00000001.png"
    facts = json.loads(trireme(["inspect", str(picture), "--json"]).stdout)
    assert (facts["height"], facts["width"]) == (64, 80)
    assert facts["parameters"] == texts(picture)["parameters"]
    assert facts["trireme"] == json.loads(texts(picture)["trireme"])
    output = json.loads(trireme(["inspect", str(rendered.folder), "--json"]).stdout)
    assert output["report"] == report(rendered)
    assert output["job"] == json.loads((rendered.folder / "job.json").read_text())
    assert PROMPTS[1]["negative_prompt"] in trireme(["inspect", str(picture)]).stdout


# --- where things come from -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["txt", "jsonl", "csv"])
def test_prompts_from_a_file(kind: str, checkpoints: Checkpoints, tmp_path: Path) -> None:
    prompts = ["a red star", "", "two, \"circles\" 東京", "a dog"]
    whole = render(sd3_job(checkpoints, prompts=prompts), tmp_path / "inline").ok
    rows = [{"prompt": prompt} for prompt in prompts]
    written = {
        "txt": "\n".join(prompts) + "\n",
        "jsonl": "".join(json.dumps(row) + "\n" for row in rows),
        "csv": 'prompt\na red star\n""\n"two, ""circles"" 東京"\na dog\n',
    }
    file = tmp_path / "part" / f"prompts.{kind}"
    file.parent.mkdir()
    file.write_text(written[kind])
    job = sd3_job(checkpoints, dataset={"path": file.name})
    del job["prompts"]
    assert output_bytes(render(job, file.parent).ok.folder) == output_bytes(whole.folder)
    # A row keeps its number, so its seed and its file's name.
    job["dataset"]["rows"] = "1-2"
    part = render(job | {"output": {"path": "some"}}, file.parent).ok
    names = {"00000001.png", "00000002.png"}
    pictures = {name: file for name, file in output_bytes(part.folder).items() if name in names}
    assert pictures == {name: (whole.folder / name).read_bytes() for name in names}
    assert set(output_bytes(part.folder)) == names | {"metadata.jsonl"}


def test_a_component_from_elsewhere(checkpoints: Checkpoints, tmp_path: Path) -> None:
    """PixArt's other transformers are published without the rest."""
    base, other = checkpoints["pixart-256"], checkpoints["pixart-512"]
    sampling = SMALL | {"use_resolution_binning": False}
    merged = tmp_path / "merged"
    shutil.copytree(base, merged)
    shutil.rmtree(merged / "transformer")
    shutil.copytree(other / "transformer", merged / "transformer")
    job = {"prompts": ["a dog"], "sampling": sampling}
    parts = {"transformer": {"path": str(other / "transformer")}}
    pointed = job | {"model": {"path": str(base), "components": parts}}
    one = render(job | {"model": {"path": str(merged)}}, tmp_path / "one").ok
    two = render(pointed, tmp_path / "two").ok
    assert np.array_equal(one.pixels(0), two.pixels(0))
    alone = render(job | {"model": {"path": str(base)}}, tmp_path / "alone").ok
    assert not np.array_equal(alone.pixels(0), two.pixels(0))


def test_a_model_in_the_hub_cache(
    checkpoints: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rendered: Run
) -> None:
    repository = tmp_path / "hub" / "models--tiny--sd3"
    shutil.copytree(checkpoints["sd3-medium"], repository / "snapshots" / "0123abcd")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abcd")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    run = render(sd3_job(checkpoints, model={"path": "tiny/sd3"}), tmp_path / "job").ok
    assert np.array_equal(run.pixels(1), rendered.pixels(1))
    assert lines(run.folder / "metadata.jsonl")[0]["model"] == "tiny/sd3"


# --- latents and embeddings -----------------------------------------------------------------------


def metadata_of(file: Path) -> dict[str, str]:
    with safe_open(file, "pt") as opened:
        return opened.metadata()


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


# --- samples that fail ----------------------------------------------------------------------------


def test_weights_that_are_not_numbers(checkpoints: Checkpoints, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(checkpoints["sd3-medium"], broken)
    file = broken / "transformer" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    tensors["proj_out.weight"][3, 5] = float("nan")
    save_file(tensors, file, {"format": "pt"})
    run = render(sd3_job(checkpoints, model={"path": str(broken)}), tmp_path / "job")
    assert run.code == 65
    assert "proj_out.weight" in run.stderr
    assert not list(run.folder.glob("*.png"))


def test_a_sample_that_overflows(checkpoints: Checkpoints, tmp_path: Path) -> None:
    job = sd3_job(checkpoints)
    job["prompts"] = ["a red star", {"prompt": "a dog", "guidance_scale": 3.0e38}, "a square"]
    run = render(job, tmp_path)
    assert run.code == 76
    assert "sample 1" in run.stderr
    assert report(run)["samples"] == {"done": 2, "failed": 1, "skipped": 0}
    status = [line["status"] for line in lines(run.folder / "metadata.jsonl")]
    assert status == ["done", "failed", "done"]
    assert sorted(file.name for file in run.folder.glob("*.png")) == ["00000000.png", "00000002.png"]
