"""One job, one dataset: whoever makes it, however often it was broken off, whatever goes wrong."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from endings import Running, leftovers, render, write_yaml
from output_state import dataset
from program import read_pixels
from small_datasets import (
    MODEL,
    ROWS,
    SAMPLING,
    dataset_job,
    dates,
    digest_of,
    json_lines,
    made,
    pictures,
    verdicts,
    visible_digest_of,
)
from small_jobs import lines
from test_failures import AS_OTHERS

SYNCS = ["fsync", "fdatasync"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where one rank made the dataset, undisturbed: a folder for each container."""
    folders = {}
    for container in ["folder", "webdataset"]:
        folders[container] = tmp_path_factory.mktemp(container)
        made(dataset_job(folders[container], output={"container": container}), folders[container])
    return folders


def layout(replicas: int, pipeline: int) -> dict[str, Any]:
    return {"replicas": replicas, "transformer": {"ranks": "all", "pipeline": pipeline}}


def begin(job: dict[str, Any], folder: Path, pictures_made: int = 1) -> Running:
    """Under way, with so many pictures there."""
    running = Running(["render", str(write_yaml(job, folder))])
    running.wait_for(lambda: len(pictures(folder)) >= pictures_made)
    return running


def slow_syncs(folder: Path, seconds: float) -> Path:
    """A library by which each fsync() and fdatasync() takes so long."""
    body = "{ usleep(%d); return (int)syscall(SYS_%s, file); }\n"
    code = "#include <sys/syscall.h>\n#include <unistd.h>\n"
    code += "".join(f"int {name}(int file) " + body % (seconds * 1e6, name) for name in SYNCS)
    library = folder / "slow.so"
    command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", library]
    subprocess.run(command, input=code.encode(), check=True)
    return library


class TestOneDigest:
    @pytest.mark.parametrize(
        ("replicas", "pipeline", "container"),
        [(2, 1, "folder"), (1, 2, "folder"), (4, 1, "folder"), (1, 4, "folder")]
        + [(2, 2, "folder"), (2, 2, "webdataset"), (4, 1, "webdataset")],
    )
    def test_of_any_layout(
        self, replicas: int, pipeline: int, container: str, alone: dict[str, Path], tmp_path: Path
    ) -> None:
        job = dataset_job(
            tmp_path, layout=layout(replicas, pipeline), output={"container": container}
        )
        made(job, tmp_path, replicas * pipeline)
        assert digest_of(tmp_path) == digest_of(alone[container])

    def test_replicas_share_a_small_job(self, tmp_path: Path) -> None:
        """None deals itself the last portion ahead while another one comes for its first."""
        sampling = SAMPLING | {"num_inference_steps": 60}
        content = json_lines(ROWS[:2])
        shared = {"replicas": 2, "batch_size": 1}
        made(dataset_job(tmp_path, content, layout=shared, sampling=sampling), tmp_path, 2)
        ranks = json.loads((tmp_path / "out" / "report.json").read_text())["ranks"]
        assert all(rank["stages"]["denoise"]["flops"] > 0 for rank in ranks)

    @pytest.mark.parametrize("container", ["folder", "webdataset"])
    def test_of_two_launches_at_once(
        self, container: str, alone: dict[str, Path], tmp_path: Path
    ) -> None:
        job = dataset_job(tmp_path, output={"container": container})
        both = [Running(["render", str(write_yaml(job, tmp_path))]) for _ in range(2)]
        endings = [running.ending() for running in both]
        assert [ending.code for ending in endings] == [0, 0], endings
        assert digest_of(tmp_path) == digest_of(alone[container])
        assert leftovers(tmp_path) == []

    def test_after_drains(self, alone: dict[str, Path], tmp_path: Path) -> None:
        job = dataset_job(tmp_path)
        for there in [1, 9]:
            running = begin(job, tmp_path, there)
            running.process.send_signal(signal.SIGUSR1)
            assert running.ending().code in (85, 0)
            shares = dataset(tmp_path / "out").items() & dataset(alone["folder"] / "out").items()
            assert there <= len([name for name, _ in shares if name.endswith(".png")])
        made(job, tmp_path)
        assert digest_of(tmp_path) == digest_of(alone["folder"])

    def test_when_a_launch_joins(self, alone: dict[str, Path], tmp_path: Path) -> None:
        job = dataset_job(tmp_path)
        first = begin(job, tmp_path)
        made(job, tmp_path)
        assert first.ending().code == 0
        assert digest_of(tmp_path) == digest_of(alone["folder"])


class TestRows:
    def test_a_subset_keeps_numbers_seeds_and_pictures(
        self, alone: dict[str, Path], tmp_path: Path
    ) -> None:
        made(dataset_job(tmp_path, rows="5-12"), tmp_path)
        assert pictures(tmp_path).keys() == set(range(5, 13))
        whole = {line["index"]: line for line in lines(alone["folder"] / "out" / "metadata.jsonl")}
        for line in lines(tmp_path / "out" / "metadata.jsonl"):
            assert line["seed"] == whole[line["index"]]["seed"]
        same = pixels_of(alone["folder"])
        assert all(same[index] == picture for index, picture in pixels_of(tmp_path).items())

    @pytest.mark.parametrize("form", ["txt", "csv"])
    def test_any_form_makes_the_same_pictures(
        self, form: str, alone: dict[str, Path], tmp_path: Path
    ) -> None:
        head = "prompt\n" if form == "csv" else ""
        content = head + "".join(row["prompt"] + "\n" for row in ROWS)
        made(dataset_job(tmp_path, content.encode(), f"prompts.{form}"), tmp_path)
        assert pixels_of(tmp_path) == pixels_of(alone["folder"])

    def test_mixed_sizes_change_no_picture(self, tmp_path: Path) -> None:
        """Batches of one size are filled from rows apart from each other."""
        sizes = [{"width": 32 + 16 * (number % 3), "height": 32} for number in range(9)]
        rows = [row | size for row, size in zip(ROWS, sizes, strict=False)]
        job = dataset_job(tmp_path / "mixed", json_lines(rows))
        made(job, tmp_path / "mixed")
        two = dataset_job(tmp_path / "two", json_lines(rows), layout={"replicas": 2})
        made(two, tmp_path / "two", ranks=2)
        assert digest_of(tmp_path / "two") == digest_of(tmp_path / "mixed")
        mixed = pixels_of(tmp_path / "mixed")
        for row in [1, 5]:
            alone = tmp_path / str(row)
            made(dataset_job(alone, json_lines(rows), rows=f"{row}-{row}"), alone)
            assert pixels_of(alone) == {row: mixed[row]}


def pixels_of(folder: Path) -> dict[int, bytes]:
    """Pixels alone: the texts in a picture tell of the job."""
    files = sorted((folder / "out").rglob("????????.png"))
    return {int(f.stem): read_pixels(f).tobytes() for f in files}


BAD = {3: b'{"prompt": "caf\xe9"}\n', 5: b'{"promt": "a dog"}\n'}


def with_bad_rows() -> tuple[bytes, dict[int, int]]:
    """Eight rows, two of them bad, and where these begin."""
    rows = [BAD.get(number, json_lines([row])) for number, row in enumerate(ROWS[:8])]
    return b"".join(rows), {number: len(b"".join(rows[:number])) for number in BAD}


class TestBadRows:
    @pytest.mark.parametrize(("max_failed", "code"), [(2, 0), (1, 76)])
    def test_are_set_aside(self, max_failed: int, code: int, tmp_path: Path) -> None:
        content, starts = with_bad_rows()
        made(dataset_job(tmp_path, content, output={"max_failed": max_failed}), tmp_path, code=code)
        ends = verdicts(tmp_path)
        assert [index for index, end in ends.items() if end["status"] == "failed"] == [*BAD]
        for row, start in starts.items():
            assert ends[row]["code"] == "bad_row"
            assert f"prompts.jsonl:{row + 1}: [rows.{row}" in ends[row]["reason"]
            assert f"(byte {start} of the file)" in ends[row]["reason"]
        assert pictures(tmp_path).keys() == set(range(8)) - BAD.keys()

    def test_stop_a_job_that_says_so(self, tmp_path: Path) -> None:
        content, _ = with_bad_rows()
        job = dataset_job(tmp_path, content, output={"max_failed": 2, "on_error": "stop"})
        assert "prompts.jsonl" in made(job, tmp_path, code=65).stderr

    def test_are_told_at_once_to_a_job_that_says_nothing(self, tmp_path: Path) -> None:
        content, _ = with_bad_rows()
        ending = made(dataset_job(tmp_path, content), tmp_path, code=65)
        assert [message.split(":")[1] for message in ending.messages] == ["4", "6"]
        assert not (tmp_path / "out").exists()

    def test_cost_nothing_when_the_job_goes_on(self, tmp_path: Path) -> None:
        """What failed for good is not tried again, and stays counted."""
        content, _ = with_bad_rows()
        job = dataset_job(tmp_path, content, output={"max_failed": 2})
        made(job, tmp_path)
        before, when = digest_of(tmp_path), dates(tmp_path)
        made(job, tmp_path)
        assert (digest_of(tmp_path), dates(tmp_path)) == (before, when)


def test_prompts_that_look_like_paths_are_data(tmp_path: Path) -> None:
    rows = [{"prompt": text} for text in ["../../up", "/etc/passwd", "a/b\\c", "..", "-rf *", "$(id)"]]
    made(dataset_job(tmp_path, json_lines(rows)), tmp_path)
    assert {int(f.stem) for f in tmp_path.rglob("*.png")} == set(range(6))
    assert [line["prompt"] for line in lines(tmp_path / "out" / "metadata.jsonl")] == [
        row["prompt"] for row in rows
    ]


class TestChangedInputs:
    def refused(self, job: dict[str, Any], folder: Path, *says: str) -> None:
        before = dataset(folder / "out")
        ending = render(job, folder).says(78, "/out/job.json] begun with another job: ", *says)
        hashes = [word for word in ending.messages[0].replace('"', " ").split() if len(word) == 32]
        assert len(set(hashes)) == 2, ending.messages
        assert dataset(folder / "out") == before

    def test_a_prompt_file(self, tmp_path: Path) -> None:
        made(dataset_job(tmp_path, json_lines(ROWS[:4])), tmp_path)
        changed = dataset_job(tmp_path, json_lines([*ROWS[:3], {"prompt": "a blue star"}]))
        self.refused(changed, tmp_path, "made_of.rows was ")

    def test_a_weight(self, tmp_path: Path) -> None:
        shutil.copytree(MODEL["path"], tmp_path / "model")
        model = MODEL | {"path": "model"}
        job = dataset_job(tmp_path, json_lines(ROWS[:4]), model=model)
        made(job, tmp_path)
        weights = tmp_path / "model" / "vae" / "diffusion_pytorch_model.safetensors"
        with weights.open("r+b") as file:
            file.seek(-2, os.SEEK_END)
            file.write(b"\0")
        self.refused(job, tmp_path, "made_of.weights.vae was ")


class TestDisks:
    def test_a_folder_that_became_read_only(self, tmp_path: Path) -> None:
        job = dataset_job(tmp_path, json_lines(ROWS[:4]))
        made(job, tmp_path)
        (tmp_path / "out" / "00000001.png").unlink()
        (tmp_path / "out").chmod(0o500)
        try:
            ending = render(job, tmp_path, within=AS_OTHERS)
        finally:
            (tmp_path / "out").chmod(0o700)
        assert ending.code in (73, 77), ending.stderr
        assert "/out" in ending.messages[0]
        made(job, tmp_path)
        assert len(pictures(tmp_path)) == 4

    @pytest.mark.usefixtures("own_mounts")
    @pytest.mark.parametrize("container", ["folder", "webdataset"])
    def test_a_full_disk_and_room_again(
        self, container: str, alone: dict[str, Path], tmp_path: Path
    ) -> None:
        """A disk that holds a part of the dataset; then it grows."""
        job = dataset_job(tmp_path, output={"container": container})
        (tmp_path / "copy").mkdir()
        (tmp_path / "out").mkdir()
        script = (
            'mount -t tmpfs -o size="$1" out "$0"; copy=$2; shift 2; "$@"; full=$?; '
            'mount -o remount,size=9m "$0"; "$@"; again=$?; cp -a "$0/." "$copy"; '
            'exit $((full + again))'
        )
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        given = [str(tmp_path / "out"), "120k", str(tmp_path / "copy")]
        within = ["unshare", "--mount", *user, "sh", "-c", script, *given]
        ending = render(job, tmp_path, within=within)
        assert ending.code == 74, ending.stderr
        assert "No space left on device -> " in ending.stderr
        shutil.rmtree(tmp_path / "out")
        (tmp_path / "copy").rename(tmp_path / "out")
        assert digest_of(tmp_path) == digest_of(alone[container])
        assert leftovers(tmp_path) == []

    @pytest.mark.parametrize("container", ["folder", "webdataset"])
    def test_a_slow_disk(self, container: str, alone: dict[str, Path], tmp_path: Path) -> None:
        """No bytes are others, and it comes to its end."""
        job = dataset_job(tmp_path, output={"container": container})
        begun = time.monotonic()
        made(job, tmp_path, within=["env", f"LD_PRELOAD={slow_syncs(tmp_path, seconds=0.1)}"])
        assert time.monotonic() - begun > 4  # it was slow
        assert digest_of(tmp_path) == digest_of(alone[container])

    def test_a_limit_on_the_size_of_tars(self, alone: dict[str, Path], tmp_path: Path) -> None:
        """The pictures fit, the tar of them does not: what is made stays made."""
        job = dataset_job(tmp_path, output={"container": "webdataset"})
        ending = render(job, tmp_path, blocks=24)
        assert ending.code == 74, ending.stderr
        assert "File too large" in ending.stderr
        made(job, tmp_path)
        assert digest_of(tmp_path) == digest_of(alone["webdataset"])


class TestDamage:
    def test_one_picture_is_made_again(self, alone: dict[str, Path], tmp_path: Path) -> None:
        job = dataset_job(tmp_path)
        shutil.copytree(alone["folder"] / "out", tmp_path / "out")
        file = tmp_path / "out" / "00001" / "00000010.png"
        file.write_bytes(file.read_bytes()[:-30] + bytes(30))
        before = dates(tmp_path)
        assert "00000010.png] not as its manifest has it" in made(job, tmp_path).stderr
        after = dates(tmp_path)
        assert [name for name in after if after[name] != before[name]] == [
            str(file.relative_to(tmp_path))
        ]
        assert digest_of(tmp_path) == digest_of(alone["folder"])

    def test_one_tar_is_made_again(self, alone: dict[str, Path], tmp_path: Path) -> None:
        job = dataset_job(tmp_path, output={"container": "webdataset"})
        shutil.copytree(alone["webdataset"] / "out", tmp_path / "out")
        (tmp_path / "out" / "000001.tar").write_bytes(b"not a tar")
        before = (tmp_path / "out" / "000000.tar").stat().st_mtime_ns
        made(job, tmp_path)
        assert (tmp_path / "out" / "000000.tar").stat().st_mtime_ns == before
        assert digest_of(tmp_path) == digest_of(alone["webdataset"])


DAYS = 3 * 24 * 3600


def test_a_clock_set_back(alone: dict[str, Path], tmp_path: Path) -> None:
    """All that an earlier run left is dated three days ahead; nobody minds."""
    job = dataset_job(tmp_path)
    running = begin(job, tmp_path, 9)
    running.process.kill()
    running.ending()
    for file in (tmp_path / "out").rglob("*"):
        os.utime(file, (time.time() + DAYS, time.time() + DAYS))
    before = dates(tmp_path)
    made(job, tmp_path)
    assert {name: dates(tmp_path)[name] for name in before} == before
    assert digest_of(tmp_path) == digest_of(alone["folder"])


@pytest.mark.parametrize("pipeline", [1, 2])
def test_a_stopped_process(pipeline: int, alone: dict[str, Path], tmp_path: Path) -> None:
    """Another launch makes what is free, and in time what the stopped one holds."""
    stopped = begin(dataset_job(tmp_path), tmp_path)
    stopped.process.send_signal(signal.SIGSTOP)
    job = write_yaml(dataset_job(tmp_path, layout=layout(1, pipeline)), tmp_path)
    other = Running(["render", str(job)], pipeline).ending(limit=60)
    assert other.code == 0, other.stderr
    assert visible_digest_of(tmp_path) == digest_of(alone["folder"])
    stopped.process.send_signal(signal.SIGCONT)
    ending = stopped.ending(limit=60)
    assert ending.code == 0, ending.stderr
    assert digest_of(tmp_path) == digest_of(alone["folder"])
    assert leftovers(tmp_path) == []
