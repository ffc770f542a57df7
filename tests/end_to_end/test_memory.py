"""Memory that runs out is told as that, whoever asked for it: tensors, a library or a thread."""

from pathlib import Path

import pytest

from endings import ends_cleanly, nothing_made, render, small_job

LARGE = small_job(
    sampling={"height": 256, "width": 256, "num_inference_steps": 2, "num_images_per_prompt": 64},
    layout={"batch_size": 64},
)


def limited(kibibytes: int, rank: int | None = None) -> list[str]:
    """No more address space than this, for one rank or for all."""
    where = "" if rank is None else f'[ "$OMPI_COMM_WORLD_RANK" != {rank} ] || '
    return ["sh", "-c", f'{where}ulimit -v {kibibytes}; exec "$@"', "sh"]


@pytest.fixture(scope="module")
def enough(tmp_path_factory: pytest.TempPathFactory) -> int:
    """KiB of address space with which the small job is just rendered, most of it for libraries."""
    too_little, enough = 0, 4 * 1024 * 1024
    while enough - too_little > 8 * 1024:
        middle = (too_little + enough) // 2
        ending = render(small_job(), tmp_path_factory.mktemp("small"), within=limited(middle))
        too_little, enough = (too_little, middle) if ending.code == 0 else (middle, enough)
    return enough


@pytest.mark.parametrize("spare", [16, 64, 256])
def test_memory_that_runs_out(spare: int, enough: int, tmp_path: Path) -> None:
    ending = render(LARGE, tmp_path, within=limited(enough + spare * 1024))
    ends_cleanly(ending, 75, "[memory] ", "smaller batches or sizes", folder=tmp_path)
    nothing_made(tmp_path)


@pytest.mark.parametrize("rank", [0, 1])
def test_the_rank_whose_memory_runs_out_is_named(rank: int, enough: int, tmp_path: Path) -> None:
    job = LARGE | {"prompts": ["a red star"] * 2, "layout": {"replicas": 2, "batch_size": 64}}
    within = limited(enough + 384 * 1024, rank)
    ending = render(job, tmp_path, ranks=2, within=within)
    ends_cleanly(ending, 75, f"rank {rank} of 2 (", "[memory] ", folder=tmp_path)
    nothing_made(tmp_path)


def test_memory_that_runs_out_on_all_ranks_is_told_once(enough: int, tmp_path: Path) -> None:
    job = LARGE | {"prompts": ["a red star"] * 2, "layout": {"replicas": 2, "batch_size": 64}}
    ending = render(job, tmp_path, ranks=2, within=limited(enough + 384 * 1024))
    ends_cleanly(ending, 75, "rank ", "[memory] ", folder=tmp_path)
    nothing_made(tmp_path)


def test_little_memory_is_no_bug_of_ours(enough: int, tmp_path: Path) -> None:
    """From too little for the first thread up to enough; a library may die of it, but not we."""
    wrong = {}
    for limit in range(enough - 72 * 1024, enough, 3 * 1024):
        (tmp_path / str(limit)).mkdir()
        ending = render(small_job(), tmp_path / str(limit), within=limited(limit))
        if ending.code not in (0, 75) and ending.code > 0:
            wrong[limit] = ending.stderr
    assert wrong == {}


def test_memory_that_does_not_hold_the_program(enough: int, tmp_path: Path) -> None:
    ending = render(small_job(), tmp_path, within=limited(enough // 2))
    ends_cleanly(ending, 75, "memory", folder=tmp_path)
