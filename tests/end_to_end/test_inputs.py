"""Where a job's values, prompts and components come from."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from checkpoints import Checkpoints
from program import Run, output_bytes, render
from small_jobs import SMALL, lines, sd3_job


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


ROWS = ["a red star", "", 'two, "circles" 東京', "a dog"]
FILES = {
    "prompts.txt": "\n".join(ROWS) + "\n",
    "prompts.jsonl": "".join(json.dumps({"prompt": row}) + "\n" for row in ROWS),
    "prompts.csv": 'prompt\na red star\n""\n"two, ""circles"" 東京"\na dog\n',
}


@pytest.fixture(scope="module")
def from_the_job(checkpoints: Checkpoints, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return render(sd3_job(checkpoints, prompts=ROWS), tmp_path_factory.mktemp("inline")).ok


@pytest.mark.parametrize("name", FILES)
def test_prompts_from_a_file(
    name: str, checkpoints: Checkpoints, tmp_path: Path, from_the_job: Run
) -> None:
    (tmp_path / name).write_text(FILES[name])
    job = sd3_job(checkpoints, dataset={"path": name})
    del job["prompts"]
    assert output_bytes(render(job, tmp_path).ok.folder) == output_bytes(from_the_job.folder)


def test_a_row_keeps_its_number(
    checkpoints: Checkpoints, tmp_path: Path, from_the_job: Run
) -> None:
    (tmp_path / "prompts.jsonl").write_text(FILES["prompts.jsonl"])
    job = sd3_job(checkpoints, dataset={"path": "prompts.jsonl", "rows": "1-2"})
    del job["prompts"]
    part, whole = render(job, tmp_path).ok, output_bytes(from_the_job.folder)
    names = ["00000001.png", "00000002.png"]
    made = output_bytes(part.folder)
    assert sorted(made) == ["000000.json", *names, "README.md", "metadata.jsonl"]
    assert all(made[name] == whole[name] for name in names)
    assert [line["seed"] for line in lines(part.folder / "metadata.jsonl")] == [1, 2]


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
