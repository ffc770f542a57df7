"""`trireme status`: how far a job is, while it runs and afterwards."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from checkpoints import Checkpoints
from program import Job, render, start, trireme, write_job
from small_jobs import SMALL, sd3_job

SAMPLES = 8


def status(out: Path) -> dict[str, Any]:
    done = trireme(["status", str(out), "--json"])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=["folder", "webdataset"])
def long_job(request: pytest.FixtureRequest, checkpoints: Checkpoints) -> Job:
    return sd3_job(
        checkpoints,
        prompts=[f"star {n}" for n in range(SAMPLES)],
        sampling=SMALL | {"num_inference_steps": 60, "max_sequence_length": 8},
        output={"path": "out", "shard_size": 2, "container": request.param},
        layout={"batch_size": 1},
    )


def test_a_job_from_its_begin_to_its_end(long_job: Job, tmp_path: Path) -> None:
    """Looked at while it works, after a kill, and watched until it is complete."""
    out = tmp_path / "out"
    file = str(write_job(long_job, tmp_path))
    running = start(["render", file])
    deadline = time.monotonic() + 120
    while not (out / "job.json").exists() or not 2 <= (seen := status(out))["done"]:
        assert time.monotonic() < deadline
    assert seen["total"] == SAMPLES
    assert seen["shards"]["done"] + seen["shards"]["open"] == 4
    if not seen["complete"]:
        assert seen["at_work"] and seen["done"] < SAMPLES
    running.send_signal(signal.SIGKILL)
    running.communicate()

    killed = status(out)
    assert killed["done"] >= seen["done"]
    assert not killed["at_work"]
    assert killed["complete"] or killed["seconds_left"] is None

    watching = start(["status", out.as_posix(), "--watch", "0.1", "--json"])
    assert trireme(["render", file]).returncode == 0
    told, _ = watching.communicate(timeout=60)
    assert watching.returncode == 0
    looks = [json.loads(line) for line in told.splitlines()]
    assert [look["done"] for look in looks] == sorted(look["done"] for look in looks)
    assert looks[-1]["complete"] and looks[-1]["done"] == SAMPLES
    assert not any(look["complete"] for look in looks[:-1])

    after = status(out)
    assert after["shards"] == {"done": 4, "open": 0}
    assert after["seconds_left"] == 0
    assert after["images_per_hour"] > 0
    assert not after["at_work"]
    words = trireme(["status", str(out)])
    assert words.stdout.startswith("8 of 8 (100.0 %), 0 failed, 0 skipped; 4 of 4 shards\ncomplete")


def test_failures_by_code(checkpoints: Checkpoints, tmp_path: Path) -> None:
    prompts = ["a red star", {"prompt": "a dog", "guidance_scale": 3.0e38}]
    run = render(sd3_job(checkpoints, prompts=prompts), tmp_path)
    assert run.code == 76
    seen = status(run.folder)
    assert (seen["done"], seen["failed"], seen["failures"]) == (1, 1, {"nan": 1})
    assert seen["complete"]
    assert "nan: 1 failed" in trireme(["status", str(run.folder)]).stdout


def test_two_ranks(checkpoints: Checkpoints, tmp_path: Path) -> None:
    job = sd3_job(checkpoints, prompts=[f"star {n}" for n in range(8)], layout={"replicas": 2})
    seen = status(render(job, tmp_path, ranks=2).ok.folder)
    assert [rank["rank"] for rank in seen["ranks"]] == [0, 1]
    assert all(rank["exit"] == 0 and rank["host"] for rank in seen["ranks"])


def test_of_nothing(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        done = trireme(["status", str(path)])
        assert done.returncode == 66
        assert "output folder" in done.stderr
    (tmp_path / "job.json").write_text("{")
    assert trireme(["status", str(tmp_path)]).returncode == 65
    assert trireme(["status"]).returncode == 64
    assert trireme(["status", str(tmp_path), "--watch", "soon"]).returncode == 64
