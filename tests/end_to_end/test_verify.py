"""`trireme verify`: what is damaged is found and named, and the next render makes it alone anew."""

import hashlib
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from checkpoints import Checkpoints
from program import Job, output_bytes, render, report, start, trireme, write_job
from small_jobs import SMALL, sd3_job

ONE_STEP = SMALL | {"num_inference_steps": 1, "max_sequence_length": 8}
SAMPLES = 5


def shards_of_two(checkpoints: Checkpoints, container: str) -> Job:
    prompts = [f"a red star, number {n}" for n in range(SAMPLES)]
    output = {"path": "out", "container": container, "shard_size": 2}
    return sd3_job(checkpoints, prompts=prompts, sampling=ONE_STEP, output=output)


@pytest.fixture(scope="module", params=["folder", "webdataset"])
def container(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def job(container: str, checkpoints: Checkpoints) -> Job:
    return shards_of_two(checkpoints, container)


@pytest.fixture(scope="module")
def finished(job: Job, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(job, tmp_path_factory.mktemp("finished")).ok.folder


@pytest.fixture
def out(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "out"))


def verify(out: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = trireme(["verify", str(out), "--json", *arguments])
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def damaged_files(out: Path, *arguments: str) -> set[str]:
    found = verify(out, *arguments, code=65)
    assert not found["ok"]
    return {problem["file"] for problem in found["problems"]}


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def content(out: Path) -> dict[str, bytes]:
    """What a job promises byte by byte."""
    told = (".trireme", "logs", "metrics", "report.html", "report.json")
    return {name: data for name, data in output_bytes(out).items() if not name.startswith(told)}


def test_a_finished_job_is_whole(out: Path) -> None:
    found = verify(out, "--deep")
    assert found["ok"] and found["problems"] == []
    assert (found["shards"], found["samples"], found["open"]) == (3, SAMPLES, 0)
    assert found["decoded"] == SAMPLES
    words = trireme(["verify", str(out)])
    assert words.returncode == 0 and words.stdout.endswith("ok\n")


def test_a_flipped_bit_anywhere(out: Path) -> None:
    """Files that tell of a run, and the card, which the owner edits, are not promised."""
    for name, data in content(out).items():
        if name == "README.md":
            continue
        flip(out / name)
        # Of a tar and its manifest that disagree about the whole, the tar is named.
        tar = str(Path(name).with_suffix(".tar"))
        assert damaged_files(out) in ({name}, {tar} if (out / tar).exists() else {name})
        (out / name).write_bytes(data)
    flip(out / "job.json")
    assert damaged_files(out) == {"job.json"}


def test_whatever_is_cut_or_lost(out: Path) -> None:
    for name, data in content(out).items():
        if name == "README.md":
            continue
        (out / name).write_bytes(data[: len(data) // 2])
        assert damaged_files(out) == {name}
        (out / name).unlink()
        if name.endswith(".json"):  # a shard without its manifest is an open one
            assert verify(out)["open_shards"] == 1
        else:
            assert damaged_files(out) == {name}
        (out / name).write_bytes(data)
    assert verify(out)["ok"]


def test_the_next_render_makes_what_is_damaged_and_no_more(
    out: Path, job: Job, container: str
) -> None:
    before = content(out)
    name = "00001/00000003.png" if container == "folder" else "000001.tar"
    times = (out / name).stat()
    flip(out / name)
    os.utime(out / name, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a disk damages it
    problem = verify(out, code=65)["problems"][0]
    assert problem["file"] == name
    assert problem["index"] in (2, 3)
    again = render(job, out.parent).ok
    assert report(again)["samples"]["done"] == (1 if container == "folder" else 2)
    assert verify(out)["ok"]
    assert content(out) == before


@pytest.mark.parametrize("container", ["folder"], indirect=True)  # a tar has no files to swap
def test_two_pictures_that_were_swapped(out: Path) -> None:
    first, second = out / "00000/00000000.png", out / "00001/00000002.png"
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)
    assert damaged_files(out) == {"00000/00000000.png", "00001/00000002.png"}


def test_files_that_nothing_promises(out: Path) -> None:
    for name in ("99999999.png", "000007.tar", "000009.json"):
        (out / name).write_bytes(b"{}")
        assert damaged_files(out) == {name}
        (out / name).unlink()
    (out / "notes.txt").write_text("mine")
    assert verify(out)["ok"]


def refit(out: Path, name: str, data: bytes) -> None:
    """The file and its manifest changed together."""
    (out / name).write_bytes(data)
    file = out / "000001.json"
    text = file.read_text()
    manifest = json.loads(text)
    sample = next(sample for sample in manifest["samples"] if sample["file"] == name)
    old = dict(sample)
    sample |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    sums = "".join(f"{s['sha256']}  {s['file']}\n" for s in manifest["samples"])
    size = sum(s["bytes"] for s in manifest["samples"])
    for key in ("bytes", "sha256"):
        text = text.replace(json.dumps(old[key]), json.dumps(sample[key]))
    text = text.replace(manifest["sha256"], hashlib.sha256(sums.encode()).hexdigest())
    text = text.replace(f'"bytes":{manifest["bytes"]},', f'"bytes":{size},', 1)
    file.write_text(text)


@pytest.mark.parametrize("container", ["folder"], indirect=True)
def test_deep_decodes_every_picture(out: Path, job: Job) -> None:
    before = content(out)
    name = "00001/00000003.png"
    data = (out / name).read_bytes()
    at = data.index(b"IDAT") + 20
    refit(out, name, data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
    assert verify(out)["ok"]  # a sample of the pictures is decoded, and not this one
    found = verify(out, "--deep", code=65)["problems"]
    assert [(p["file"], p["index"]) for p in found] == [(name, 3)]
    assert "cannot be decoded" in found[0]["what"]
    with pytest.raises(OSError):
        Image.open(io.BytesIO((out / name).read_bytes())).load()
    render(job, out.parent).ok
    assert verify(out, "--deep")["ok"]
    assert content(out) == before


def test_while_a_run_is_at_work(checkpoints: Checkpoints, tmp_path: Path) -> None:
    job = sd3_job(
        checkpoints,
        prompts=[f"star {n}" for n in range(12)],
        sampling=ONE_STEP | {"num_inference_steps": 4},
        output={"path": "out", "shard_size": 4},
    )
    running = start(["render", str(write_job(job, tmp_path))])
    opened = looks = 0
    while running.poll() is None:
        if not (tmp_path / "out" / "job.json").exists():
            continue
        looks += 1
        opened += verify(tmp_path / "out")["open"] > 0
    running.communicate()
    assert running.returncode == 0
    assert looks > 0 and opened > 0
    assert verify(tmp_path / "out")["samples"] == 12


def test_latents(checkpoints: Checkpoints, tmp_path: Path) -> None:
    job = sd3_job(checkpoints, prompts=["a", "b"], sampling=ONE_STEP, stages=["encode", "denoise"])
    run = render(job | {"output": {"path": "out", "format": "latents"}}, tmp_path).ok
    assert verify(run.folder, "--deep")["decoded"] == 2
    flip(run.folder / "00000001.safetensors")
    assert damaged_files(run.folder) == {"00000001.safetensors"}


def test_what_is_no_output_folder(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        done = trireme(["verify", str(path)])
        assert done.returncode == 66
        assert str(path) in done.stderr
    (tmp_path / "job.json").write_text('{"name": "mine"}')
    assert damaged_files(tmp_path) == {"job.json"}
