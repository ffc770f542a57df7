"""Outputs that cannot be written: one message, all ranks ended in time, nothing half-made."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from endings import (
    ROOT,
    Ending,
    Running,
    ends_cleanly,
    leftovers,
    ends_soon,
    nothing_made,
    render,
    samples,
    small_job,
    write_yaml,
)

PIPELINE = {"transformer": {"ranks": "all", "pipeline": 2}, "vae": {"ranks": 1}}
# The capability by which root writes where nobody may; without it, root is like all others.
AS_OTHERS = ["setpriv", "--bounding-set", "-dac_override"] if os.geteuid() == 0 else []


def into(path: str, **changes: Any) -> dict[str, Any]:
    return small_job(output={"path": path}, **changes)


@pytest.mark.parametrize(
    ("ranks", "path", "says"),
    [
        (1, "file/out", ("/file] ", "File exists -> a free name")),
        (2, "file/out", ("/file] ", "File exists -> a free name")),
        (1, "file", ("/file] ", "File exists -> a free name")),
        (1, "/proc/trireme", ("[/proc/trireme] creating the folder",)),
        (1, "x" * 300, ("File name too long -> a shorter path",)),
        (1, "nowhere/out", ("/nowhere] ",)),
    ],
    ids=["below a file", "by two", "a file", "proc", "long name", "a link to nothing"],
)
def test_an_output_that_cannot_be_created(
    ranks: int, path: str, says: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "nowhere").symlink_to("gone")
    ends_cleanly(render(into(path), tmp_path, ranks), 73, *says, folder=tmp_path)
    nothing_made(tmp_path)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(("ranks", "path"), [(1, "locked"), (1, "locked/out"), (2, "locked")])
def test_an_output_without_permission(ranks: int, path: str, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    ending = render(into(path), tmp_path, ranks, within=AS_OTHERS)
    ends_cleanly(ending, 77, f"/{path}", "Permission denied -> permission", folder=tmp_path)
    nothing_made(tmp_path)


@pytest.mark.parametrize("input_file", ["job.yaml", "p.txt", "config.json", "weights"])
def test_an_input_without_permission(input_file: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "demo" / "sd3", tmp_path / "model")
    (tmp_path / "p.txt").write_text("a red star\n")
    job = into("out", prompts=None, dataset={"path": "p.txt"}, model={"path": "model"})
    file = {
        "job.yaml": write_yaml(job, tmp_path),
        "p.txt": tmp_path / "p.txt",
        "config.json": tmp_path / "model" / "vae" / "config.json",
        "weights": tmp_path / "model" / "vae" / "diffusion_pytorch_model.safetensors",
    }[input_file]
    file.chmod(0)
    within = [*AS_OTHERS[:-1], "-dac_override,-dac_read_search"] if AS_OTHERS else []
    ending = Running(["render", str(tmp_path / "job.yaml")], within=within).ending()
    ends_cleanly(ending, 77, str(file), folder=tmp_path)
    nothing_made(tmp_path)


LARGER = {"height": 96, "width": 96, "num_inference_steps": 2}  # than the limits, in any colours
LIMITS = [  # blocks of 512 bytes, and the first file that is larger
    (1, "job.json"),
    (10, ".png"),
]


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize(("blocks", "file"), LIMITS)
def test_a_limit_on_the_size_of_files(
    blocks: int, file: str, ranks: int, tmp_path: Path
) -> None:
    """The writing fails as on a full disk; the signal that comes with it must not end the program."""
    job = small_job(prompts=["a red star"] * 3, sampling=LARGER)
    ending = render(job, tmp_path, ranks, blocks=blocks)
    told = f"{file}] writing: File too large -> "
    ends_cleanly(ending, 74, told, folder=tmp_path, writers=ranks)
    nothing_made(tmp_path, writers=ranks)
    assert render(job, tmp_path, ranks).code == 0
    assert len(samples(tmp_path)) == 3
    assert leftovers(tmp_path) == []


def test_the_rank_that_cannot_write_is_named(tmp_path: Path) -> None:
    """The first to write a picture is the one that has the VAE."""
    ending = render(small_job(layout=PIPELINE, sampling=LARGER), tmp_path, ranks=2, blocks=10)
    ends_cleanly(ending, 74, "rank 1 of 2 (", "/out/00000000.png] writing", folder=tmp_path)
    nothing_made(tmp_path)


def test_all_replicas_that_cannot_write_tell_it_once(tmp_path: Path) -> None:
    job = small_job(prompts=["a red star"] * 4, layout={"replicas": 2}, sampling=LARGER)
    ending = render(job, tmp_path, ranks=2, blocks=10)
    told = ".png] writing: File too large"
    ends_cleanly(ending, 74, "rank ", told, folder=tmp_path, writers=2)
    nothing_made(tmp_path, writers=2)


def on_small_disk(options: str, job: dict[str, Any], folder: Path) -> Ending:
    """Renders into a file system of its own, which only this run sees; what is left is copied."""
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    script = 'mount -t tmpfs -o "$0" disk "$1"; shift; "$@"; code=$?; '
    script += f"cp -a {folder}/disk/. {folder}/copy; exit $code"
    for name in ["disk", "copy"]:
        (folder / name).mkdir()
    within = ["unshare", "--mount", *user, "sh", "-c", script, options, str(folder / "disk")]
    return render(job, folder, within=within)


FULL = "No space left on device -> room on the disk -> the disk is full: "
DISKS = [  # and the first file that has no room there
    ("size=4k", "/disk/.trireme/weights.json] writing: " + FULL),
    ("nr_inodes=2", "/disk/.trireme] creating the folder: " + FULL),
    ("nr_inodes=10", "/disk/00000000.png] creating: " + FULL),
    ("nr_inodes=12", ".journal] creating: " + FULL),
    ("nr_inodes=14", "/disk/000000.json] creating: " + FULL),
    ("nr_inodes=17", "/disk/.trireme/described/metadata.jsonl] creating: " + FULL),
]


@pytest.mark.usefixtures("own_mounts")
@pytest.mark.parametrize(("options", "says"), DISKS)
def test_a_full_disk(options: str, says: str, tmp_path: Path) -> None:
    """The message names the file; what is there is whole, and is gone on with where there is room."""
    ends_cleanly(on_small_disk(options, into("disk"), tmp_path), 74, says, folder=tmp_path)
    assert samples(tmp_path) in ([], ["copy/00000000.png"])
    render(into("elsewhere"), tmp_path)
    assert render(into("copy"), tmp_path).code == 0
    pictures = [(tmp_path / name / "00000000.png").read_bytes() for name in ("copy", "elsewhere")]
    assert pictures[0] == pictures[1]


@pytest.mark.usefixtures("own_mounts")
def test_a_disk_for_reading_alone(tmp_path: Path) -> None:
    ending = on_small_disk("ro", into("disk"), tmp_path)
    ends_cleanly(ending, 77, "/disk/", "Read-only file system -> ", folder=tmp_path)
    assert samples(tmp_path) == []


@pytest.mark.parametrize("ranks", [1, 2])
def test_samples_of_something_else(ranks: int, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "00000000.png").write_bytes(b"mine")
    ending = render(small_job(), tmp_path, ranks)
    ends_soon(ending.says(73, "/out] holds samples but no job.json -> "))
    assert [file.read_bytes() for file in (tmp_path / "out").iterdir()] == [b"mine"]


def test_a_job_json_of_something_else(tmp_path: Path) -> None:
    """A folder that another program filled is not written over."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "job.json").write_text('{"name": "mine"}')
    render(small_job(), tmp_path).says(73, "/out")
    assert [file.read_text() for file in (tmp_path / "out").iterdir()] == ['{"name": "mine"}']


def files_in(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("ranks", [1, 2])
def test_an_output_that_another_job_began(ranks: int, tmp_path: Path) -> None:
    assert render(small_job(), tmp_path).code == 0
    before = files_in(tmp_path / "out")
    ending = render(small_job(prompts=["a blue star"]), tmp_path, ranks)
    ends_soon(ending.says(78, "/out/job.json] begun with another job: ", "prompts"))
    assert files_in(tmp_path / "out") == before


def test_a_corrected_model_goes_on_in_an_output_without_pictures(tmp_path: Path) -> None:
    """Nothing was made by the other job, so nothing contradicts this one."""
    shutil.copytree(ROOT / "demo" / "sd3", tmp_path / "model")
    os.truncate(tmp_path / "model" / "vae" / "diffusion_pytorch_model.safetensors", 1000)
    render(small_job(model={"path": "model"}), tmp_path).says(65, "vae/")
    assert render(small_job(), tmp_path).code == 0
    assert samples(tmp_path) == ["out/00000000.png"]
