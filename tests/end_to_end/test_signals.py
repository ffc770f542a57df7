"""Runs that are asked to stop or killed: what was made is whole, and the same command goes on."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from endings import (
    MESSAGE,
    SECONDS_TO_END,
    Ending,
    Running,
    leftovers,
    nothing_half_written,
    render,
    samples,
    small_job,
    write_yaml,
)
from program import output_bytes

REPLICAS = {"replicas": 2}
PIPELINE = {"transformer": {"ranks": "all", "pipeline": 2}, "vae": {"ranks": 1}}
LAYOUTS = {"replicas": REPLICAS, "pipeline": PIPELINE}
STAGED = {"staged": PIPELINE | {"offload": "staged", "window": 3}}
DRAINED = "[render] signal {} -> stopped at a step, nothing is half-written -> run the same command"
# mpirun's own code when it is told to end, whatever its ranks say.
LAUNCHER_ENDED = 1


def pictures(count: int, steps: int, layout: Any = "auto") -> dict[str, Any]:
    """A job that is under way for a while."""
    sampling = {"height": 64, "width": 64, "num_inference_steps": steps, "guidance_scale": 3.0}
    prompts = [f"a red star {number}" for number in range(count)]
    return small_job(prompts=prompts, sampling=sampling, layout=layout)


class Undisturbed:
    """What a job makes when nobody disturbs it, made once; no layout here changes a bit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[int, int], dict[str, bytes]] = {}

    def __call__(self, count: int, steps: int) -> dict[str, bytes]:
        folder = self._folder / f"{count}-{steps}"
        if (count, steps) not in self._made:
            folder.mkdir()
            assert render(pictures(count, steps, REPLICAS), folder, ranks=2).code == 0
            self._made[count, steps] = output_bytes(folder / "out")
        return self._made[count, steps]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return Undisturbed(tmp_path_factory.mktemp("undisturbed"))


def begin(job: dict[str, Any], folder: Path, ranks: int = 1) -> Running:
    """Under way, with a picture made."""
    running = Running(["render", str(write_yaml(job, folder))], ranks)
    running.wait_for(lambda: samples(folder) != [])
    return running


def rank_of(running: Running, rank: int) -> int:
    """The process of one rank."""
    [process] = [process for process, of in running.processes().items() if of == rank]
    return process


def is_in_part(folder: Path, whole: dict[str, bytes]) -> None:
    """Some of the pictures, each as it should be."""
    files = output_bytes(folder / "out")  # what is under way has a name that goes on
    made = {name: file for name, file in files.items() if name.endswith(".png")}
    assert {name: whole[name] for name in made} == made
    assert 0 < len(made) < len(whole) - 1


def goes_on(job: dict[str, Any], folder: Path, ranks: int, whole: dict[str, bytes]) -> None:
    """The same command again makes the rest, and leaves nothing of the broken-off run."""
    before = {file: file.stat().st_mtime_ns for file in (folder / "out").glob("*.png")}
    assert render(job, folder, ranks).code == 0
    assert output_bytes(folder / "out") == whole
    assert leftovers(folder) == []
    assert {file: file.stat().st_mtime_ns for file in before} == before


def drained(ending: Ending, code: int, which: signal.Signals, folder: Path) -> None:
    ending.says(code, DRAINED.format(int(which)))
    nothing_half_written(folder)
    assert (folder / "out" / "report.json").exists()


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_one_rank_is_asked_to_stop(
    which: signal.Signals, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    job, whole = pictures(8, 8), undisturbed(8, 8)
    running = begin(job, tmp_path)
    running.process.send_signal(which)
    drained(running.ending(limit=SECONDS_TO_END), 85, which, tmp_path)
    is_in_part(tmp_path, whole)
    goes_on(job, tmp_path, 1, whole)


def test_usr1_is_a_wish_however_often_it_comes(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """Slurm and a batch script may both tell a rank, and a TERM may follow."""
    job, whole = pictures(8, 8), undisturbed(8, 8)
    running = begin(job, tmp_path)
    for which in [signal.SIGUSR1] * 20 + [signal.SIGTERM]:
        running.process.send_signal(which)
        time.sleep(0.001)
    drained(running.ending(limit=SECONDS_TO_END), 85, signal.SIGUSR1, tmp_path)
    is_in_part(tmp_path, whole)


@pytest.mark.parametrize("layout", LAYOUTS | STAGED)
def test_usr1_is_handed_to_all_ranks(
    layout: str, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """Of all signals the one that mpirun hands on and then waits for its ranks."""
    job, whole = pictures(12, 12, (LAYOUTS | STAGED)[layout]), undisturbed(12, 12)
    running = begin(job, tmp_path, ranks=2)
    running.process.send_signal(signal.SIGUSR1)
    drained(running.ending(limit=SECONDS_TO_END), 85, signal.SIGUSR1, tmp_path)
    is_in_part(tmp_path, whole)
    goes_on(job, tmp_path, 2, whole)


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_mpirun_is_asked_to_stop(
    layout: str, which: signal.Signals, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """It sends its ranks SIGTERM and kills them a moment later: time enough for a step."""
    job, whole = pictures(24, 32, LAYOUTS[layout]), undisturbed(24, 32)
    running = begin(job, tmp_path, ranks=2)
    running.process.send_signal(which)
    ending = running.ending(limit=SECONDS_TO_END)
    drained(ending, LAUNCHER_ENDED, signal.SIGTERM, tmp_path)
    is_in_part(tmp_path, whole)
    if (which, layout) == (signal.SIGTERM, "replicas"):
        goes_on(job, tmp_path, 2, whole)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_rank_gets_the_signal(
    layout: str, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """As Slurm does it."""
    job, whole = pictures(12, 12, LAYOUTS[layout]), undisturbed(12, 12)
    running = begin(job, tmp_path, ranks=2)
    for rank in range(2):
        os.kill(rank_of(running, rank), signal.SIGTERM)
    drained(running.ending(limit=SECONDS_TO_END), 85, signal.SIGTERM, tmp_path)
    is_in_part(tmp_path, whole)


@pytest.mark.parametrize("rank", [0, 1])
def test_one_of_two_ranks_gets_the_signal(
    rank: int, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """Its partners in a pipeline stop with it."""
    whole = undisturbed(12, 12)
    running = begin(pictures(12, 12, PIPELINE), tmp_path, ranks=2)
    os.kill(rank_of(running, rank), signal.SIGTERM)
    ending = running.ending(limit=SECONDS_TO_END)
    assert ending.code == 85
    assert len([message for message in ending.messages if "stopped at a step" in message]) == 1
    nothing_half_written(tmp_path)
    is_in_part(tmp_path, whole)


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once(which: signal.Signals, tmp_path: Path) -> None:
    """The first waits for the end of a step, which is long here."""
    large = {"height": 256, "width": 256, "num_inference_steps": 20, "num_images_per_prompt": 32}
    job = small_job(sampling=large, layout={"batch_size": 32})
    running = Running(["render", str(write_yaml(job, tmp_path))])
    running.wait_for((tmp_path / "out" / "job.json").exists)
    time.sleep(0.5)  # into the first step, which takes more than a second
    running.process.send_signal(which)
    time.sleep(0.2)
    assert running.process.poll() is None
    running.process.send_signal(which)
    begun = time.monotonic()
    assert running.ending(limit=SECONDS_TO_END).code == -which
    assert time.monotonic() - begun < 0.5
    assert samples(tmp_path) == leftovers(tmp_path) == []


def test_a_killed_run_goes_on(undisturbed: Undisturbed, tmp_path: Path) -> None:
    job, whole = pictures(8, 8), undisturbed(8, 8)
    running = begin(job, tmp_path)
    running.process.kill()
    assert running.ending().code == -signal.SIGKILL
    is_in_part(tmp_path, whole)
    goes_on(job, tmp_path, 1, whole)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_rank_ends_all(
    rank: int, layout: str, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    job, whole = pictures(12, 12, LAYOUTS[layout]), undisturbed(12, 12)
    running = begin(job, tmp_path, ranks=2)
    os.kill(rank_of(running, rank), signal.SIGKILL)
    ending = running.ending(limit=SECONDS_TO_END)
    assert ending.code == 128 + signal.SIGKILL
    assert f"process rank {rank} " in ending.stderr  # mpirun's words
    is_in_part(tmp_path, whole)
    goes_on(job, tmp_path, 2, whole)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ranks_end_with_a_killed_mpirun(layout: str, tmp_path: Path) -> None:
    running = begin(pictures(48, 32, LAYOUTS[layout]), tmp_path, ranks=2)
    running.process.kill()
    until = time.monotonic() + SECONDS_TO_END
    while running.processes() and time.monotonic() < until:
        time.sleep(0.02)
    assert running.ending().code == -signal.SIGKILL


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signals_during_the_start(which: signal.Signals, tmp_path: Path) -> None:
    """They end it silently before it has begun, or stop it before the first picture."""
    for milliseconds in range(0, 320, 40):
        folder = tmp_path / str(milliseconds)
        folder.mkdir()
        running = Running(["render", str(write_yaml(pictures(40, 8), folder))])
        time.sleep(milliseconds / 1000)
        running.process.send_signal(which)
        ending = running.ending(limit=SECONDS_TO_END)
        assert ending.code in (85, -which), ending
        assert len(MESSAGE.findall(ending.stderr)) == (ending.code == 85)
        nothing_half_written(folder)
