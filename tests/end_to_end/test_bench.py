"""`trireme bench` and `plan --learn`: what is measured, and what plans make of it."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from checkpoints import Checkpoints
from program import Job, render, report, trireme, write_job
from small_jobs import sd3_job


@pytest.fixture()
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where calibrations are kept: nobody else's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "trireme"


def plan(job: Job, folder: Path) -> dict[str, Any]:
    done = trireme(["plan", str(write_job(job, folder)), "--json"])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_machine_in_a_minute(cache: Path, checkpoints: Checkpoints, tmp_path: Path) -> None:
    before = plan(sd3_job(checkpoints), tmp_path)
    begun = time.perf_counter()
    done = trireme(["bench", "--calibrate"])
    assert done.returncode == 0, done.stderr
    assert time.perf_counter() - begun < 60
    for rate in ["matrix products", "attention, heads of 72", "convolutions", "element-wise"]:
        assert rate in done.stdout
    (file,) = cache.glob("*.yaml")
    assert str(file) in done.stderr
    # Plans use it, and a file that is named is used instead.
    measured = plan(sd3_job(checkpoints), tmp_path)
    assert measured["seconds_per_image"] != before["seconds_per_image"]
    text = file.read_text()
    slow = tmp_path / "slow.yaml"
    rate = next(line for line in text.splitlines() if "matmul_TFLOPs" in line)
    slow.write_text(text.replace(rate, "      matmul_TFLOPs: 0.0001"))
    rendered = render(sd3_job(checkpoints), tmp_path, arguments=["--cluster", str(slow)]).ok
    predicted = report(rendered)["predicted"]
    assert predicted["seconds_per_image"] > 2 * measured["seconds_per_image"]


def test_links(cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    done = trireme(["bench", "--calibrate", "--out", str(file)], ranks=2)
    assert done.returncode == 0, done.stderr
    for rate in ["latency", "to a neighbour", "sums and gathers", "all to all of 2"]:
        assert rate in done.stdout
    assert not cache.exists() and "all_to_all_GBps: {2: " in file.read_text()


def error_of(run_report: dict[str, Any]) -> float:
    """By what part of it the stages' seconds were mispredicted."""
    seconds = [0.0, 0.0]
    for i, ranks in enumerate([run_report["ranks"], run_report["predicted"]["ranks"]]):
        for rank in ranks:
            seconds[i] += sum(stage["seconds"] for stage in rank["stages"].values())
    return abs(seconds[1] / seconds[0] - 1)


def test_a_run_teaches(cache: Path, checkpoints: Checkpoints, tmp_path: Path) -> None:
    first = render(sd3_job(checkpoints), tmp_path / "first").ok
    done = trireme(["plan", "--learn", str(first.folder / "report.json")])
    assert done.returncode == 0, done.stderr
    assert "matmul" in done.stdout and "convolution" in done.stdout
    second = render(sd3_job(checkpoints), tmp_path / "second").ok
    assert error_of(report(second)) < error_of(report(first))


def test_what_teaches_nothing(
    cache: Path, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    done = trireme(["plan", "--learn", str(tmp_path / "none.json")])
    assert (done.returncode, "report.json" in done.stderr) == (66, True)
    for text in [
        "{}",
        "no JSON",
        '{"ranks": [], "predicted": {}, "samples": 3}',
        '{"ranks": [{}], "predicted": {}, "samples": {"done": 1}}',
        '{"ranks": [], "predicted": {"ranks": []}, "samples": {"done": "x"}}',
    ]:
        (tmp_path / "other.json").write_text(text)
        done = trireme(["plan", "--learn", str(tmp_path / "other.json")])
        assert done.returncode == 65 and "made something" in done.stderr, text
    render(sd3_job(checkpoints), tmp_path).ok
    again = render(sd3_job(checkpoints), tmp_path).ok  # finds all done
    done = trireme(["plan", "--learn", str(again.folder / "report.json")])
    assert done.returncode == 65 and not cache.exists()


def test_a_job_is_measured_and_leaves_nothing(
    cache: Path, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    file = write_job(sd3_job(checkpoints), tmp_path)
    done = trireme(["bench", str(file), "--json"], ranks=2)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["pictures"] == 3 and said["images_per_hour"] > 0
    for stage in ["encode", "denoise", "decode"]:
        assert said["stages"][stage]["flops"] > 0 and said["stages"][stage]["seconds"] > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job.yaml"]


def test_somebodys_folder_stays(
    cache: Path, checkpoints: Checkpoints, tmp_path: Path
) -> None:
    theirs = tmp_path / "out.bench"
    theirs.mkdir()
    (theirs / "thesis.txt").write_text("all of it")
    done = trireme(["bench", str(write_job(sd3_job(checkpoints), tmp_path))])
    assert done.returncode == 73 and "out.bench" in done.stderr
    assert (theirs / "thesis.txt").exists()


@pytest.mark.parametrize(
    "arguments", [["bench"], ["plan"], ["bench", "job.yaml", "--calibrate"]], ids=" ".join
)
def test_one_of_the_two(arguments: list[str]) -> None:
    assert trireme(arguments).returncode == 64
