"""Runs that were broken off, run again or went wrong in part."""

import shutil
import signal
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from checkpoints import Checkpoints
from program import Job, output_bytes, render, report, start, write_job
from small_jobs import SMALL, lines, sd3_job


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


def break_off(job: Job, folder: Path, how: signal.Signals, ranks: int = 1) -> int:
    """Sends a signal when three pictures are there; the exit code."""
    arguments = ["render", str(write_job(job, folder))]
    running = start(arguments, ranks)
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


def test_a_run_that_is_asked_to_stop(many: Job, unbroken: dict[str, bytes], tmp_path: Path) -> None:
    assert break_off(many, tmp_path, signal.SIGTERM) == 85
    stopped = output_bytes(tmp_path / "out")
    assert {name: unbroken[name] for name in stopped if name != "metadata.jsonl"} == {
        name: file for name, file in stopped.items() if name != "metadata.jsonl"
    }
    assert output_bytes(render(many, tmp_path).ok.folder) == unbroken


def test_ranks_that_are_asked_to_stop(
    many: Job, unbroken: dict[str, bytes], tmp_path: Path
) -> None:
    """mpirun hands USR1 on to every rank, and lets them finish, which TERM does not."""
    job = many | {"layout": {"replicas": 2, "transformer": {"ranks": "all", "pipeline": 2}}}
    assert break_off(job, tmp_path, signal.SIGUSR1, ranks=4) == 85
    assert output_bytes(render(job, tmp_path, ranks=4).ok.folder) == unbroken


def test_another_job_over_an_output_is_refused(checkpoints: Checkpoints, tmp_path: Path) -> None:
    before = output_bytes(render(sd3_job(checkpoints), tmp_path).ok.folder)
    refused = render(sd3_job(checkpoints, sampling=SMALL | {"seed": 3}), tmp_path)
    assert refused.code == 78
    assert "sampling.seed was 0, is 3" in refused.stderr
    assert output_bytes(refused.folder) == before
    assert render(sd3_job(checkpoints, layout={"replicas": 1}, threads=2), tmp_path).code == 0


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


@pytest.fixture
def overflowing(checkpoints: Checkpoints) -> Job:
    """Its second sample has infinite latents."""
    prompts = ["a red star", {"prompt": "a dog", "guidance_scale": 3.0e38}, "a square"]
    return sd3_job(checkpoints, prompts=prompts)


@pytest.mark.parametrize(
    ("ranks", "layout"),
    [
        (1, "auto"),
        (2, {"replicas": 2}),
        (2, {"transformer": {"ranks": 0}, "vae": {"ranks": 1}}),
        (2, {"transformer": {"ranks": "all", "pipeline": 2}}),
    ],
)
def test_a_sample_that_overflows(
    ranks: int, layout: str | dict[str, object], overflowing: Job, tmp_path: Path
) -> None:
    run = render(overflowing | {"layout": layout}, tmp_path, ranks)
    assert run.code == 76
    assert "sample 1" in run.stderr
    assert report(run)["samples"] == {"done": 2, "failed": 1, "skipped": 0}
    status = [line["status"] for line in lines(run.folder / "metadata.jsonl")]
    assert status == ["done", "failed", "done"]
    assert sorted(file.name for file in run.folder.glob("*.png")) == [
        "00000000.png",
        "00000002.png",
    ]


def test_how_many_may_fail(overflowing: Job, tmp_path: Path) -> None:
    budgets = {"1": 0, "40%": 0, "30%": 76}
    for budget, code in budgets.items():
        job = overflowing | {"output": {"max_failed": budget}}
        assert render(job, tmp_path / budget).code == code


def test_stopping_at_the_first_failure(overflowing: Job, tmp_path: Path) -> None:
    run = render(overflowing | {"output": {"on_error": "stop"}}, tmp_path)
    assert run.code == 65
    assert "sample 1" in run.stderr
    assert not (run.folder / "00000002.png").exists()
