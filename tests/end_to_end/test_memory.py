"""Memory that runs out is told as that, whoever asked for it: tensors, a library or a thread."""

import re
from pathlib import Path

import pytest

from endings import Running, ends_cleanly, nothing_made, render, small_job, write_yaml


LARGE = small_job(
    sampling={"height": 256, "width": 256, "num_inference_steps": 2, "num_images_per_prompt": 64},
    layout={"batch_size": 64},
)


@pytest.fixture(scope="module")
def address_space(tmp_path_factory: pytest.TempPathFactory) -> int:
    """KiB that the small job takes, most of it libraries."""
    folder = tmp_path_factory.mktemp("small")
    running = Running(["render", str(write_yaml(small_job(), folder))])
    status = Path(f"/proc/{running.process.pid}/status")
    peak = 0
    while running.process.poll() is None:
        found = re.search(r"VmPeak:\s+(\d+) kB", status.read_text())
        peak = int(found[1]) if found else peak
    assert running.ending().code == 0
    return peak


def limited(kibibytes: int, rank: int | None = None) -> list[str]:
    """No more address space than this, for one rank or for all."""
    where = "" if rank is None else f'[ "$OMPI_COMM_WORLD_RANK" != {rank} ] || '
    return ["sh", "-c", f'{where}ulimit -v {kibibytes}; exec "$@"', "sh"]


@pytest.mark.parametrize("spare", [0, 16, 64, 256])
def test_memory_that_runs_out(spare: int, address_space: int, tmp_path: Path) -> None:
    ending = render(LARGE, tmp_path, within=limited(address_space + spare * 1024))
    ends_cleanly(ending, 75, "[memory] ", "smaller batches or sizes", folder=tmp_path)
    nothing_made(tmp_path)


@pytest.mark.parametrize("rank", [0, 1])
def test_the_rank_whose_memory_runs_out_is_named(
    rank: int, address_space: int, tmp_path: Path
) -> None:
    job = LARGE | {"prompts": ["a red star"] * 2, "layout": {"replicas": 2, "batch_size": 64}}
    within = limited(address_space + 256 * 1024, rank)
    ending = render(job, tmp_path, ranks=2, within=within)
    ends_cleanly(ending, 75, f"rank {rank} of 2 (", "[memory] ", folder=tmp_path)
    nothing_made(tmp_path)


def test_memory_that_runs_out_on_all_ranks_is_told_once(address_space: int, tmp_path: Path) -> None:
    job = LARGE | {"prompts": ["a red star"] * 2, "layout": {"replicas": 2, "batch_size": 64}}
    ending = render(job, tmp_path, ranks=2, within=limited(address_space + 256 * 1024))
    ends_cleanly(ending, 75, "rank ", "[memory] ", folder=tmp_path)
    nothing_made(tmp_path)


def test_little_memory_is_no_bug_of_ours(address_space: int, tmp_path: Path) -> None:
    """From too little for the first thread up to enough; a library may die of it, but not we."""
    limits = range(address_space - 90 * 1024, address_space, 3 * 1024)
    endings = {limit: render(small_job(), tmp_path, within=limited(limit)) for limit in limits}
    wrong = {limit: ending for limit, ending in endings.items() if ending.code not in (0, 75)}
    assert [(limit, e.code, e.stderr) for limit, e in wrong.items() if e.code > 0] == []


def test_memory_that_does_not_hold_the_program(address_space: int, tmp_path: Path) -> None:
    ending = render(small_job(), tmp_path, within=limited(address_space // 2))
    ends_cleanly(ending, 75, "memory", folder=tmp_path)
