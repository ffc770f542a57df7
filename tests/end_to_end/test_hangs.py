"""Ranks that hang: found within twice the deadline and named, and everybody is gone soon after."""

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from endings import Running, samples, small_job, write_yaml

DEADLINE = 4.0
SECONDS_TO_BE_GONE = 10.0
EVERYWHERE = {"ranks": "all"}
LAYOUTS: dict[str, dict[str, Any]] = {
    "pipeline": {"transformer": EVERYWHERE | {"pipeline": 3}},
    "tensor": {"transformer": EVERYWHERE | {"tensor": 3}},
    "sequence": {"transformer": EVERYWHERE | {"sequence": 3}},
    "components": {
        "text_encoders": {"ranks": 0},
        "transformer": {"ranks": 1},
        "vae": {"ranks": 2},
    },
}


def endless(layout: dict[str, Any], folder: Path, deadline: float) -> Running:
    """A job that is under way for as long as anybody looks."""
    sampling = {"height": 64, "width": 64, "num_inference_steps": 20, "guidance_scale": 3.0}
    prompts = [f"a red star {number}" for number in range(2000)]
    job = small_job(prompts=prompts, sampling=sampling, layout=layout)
    return Running(["render", str(write_yaml(job, folder)), "--deadline", str(deadline)], 3)


def stop(running: Running, rank: int) -> float:
    process = next(pid for pid, of in running.processes().items() if of == rank)
    os.kill(process, signal.SIGSTOP)
    return time.monotonic()


@pytest.mark.parametrize("rank", [0, 1, 2])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_rank_that_hangs_is_named(layout: str, rank: int, tmp_path: Path) -> None:
    running = endless(LAYOUTS[layout], tmp_path, DEADLINE)
    running.wait_for(lambda: samples(tmp_path) != [])
    stopped = stop(running, rank)
    ending = running.ending()
    gone = time.monotonic()
    assert ending.told is not None, ending.stderr
    assert running.begun + ending.told - stopped <= 2 * DEADLINE
    assert gone - running.begun - ending.told <= SECONDS_TO_BE_GONE
    message = ending.messages[0]
    assert f"rank {rank} does not answer" in message, ending.stderr
    stage = "" if layout == "components" else r"stage \d, "
    assert re.search(stage + r"[a-z ]+, sample \d+, step \d+", message), message
    assert ending.code != 0


def test_no_alarm_while_all_work(tmp_path: Path) -> None:
    """Thousands of steps, each wait of which is far shorter than the deadline."""
    running = endless(LAYOUTS["pipeline"], tmp_path, deadline=3.0)
    running.wait_for(lambda: len(samples(tmp_path)) >= 30, limit=120)
    for process, rank in running.processes().items():
        if rank == 0:
            os.kill(process, signal.SIGTERM)
    ending = running.ending()
    assert "waited" not in ending.stderr
