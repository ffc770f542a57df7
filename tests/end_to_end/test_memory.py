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


def pictures(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.rglob("0*.png")}


def test_memory_that_runs_out_takes_smaller_batches(enough: int, tmp_path: Path) -> None:
    """And the pictures are the same."""
    for name in ["whole", "limited"]:
        (tmp_path / name).mkdir()
    render(LARGE, tmp_path / "whole")
    ending = render(LARGE, tmp_path / "limited", within=limited(enough + 256 * 1024))
    assert ending.code == 0, ending.stderr
    assert "[memory] an allocation failed with one rank, batches of 64" in ending.stderr
    assert "batches of 32" in ending.stderr
    whole = pictures(tmp_path / "whole")
    assert len(whole) == 64 and pictures(tmp_path / "limited") == whole


@pytest.mark.parametrize("spare", [0, 16])
def test_memory_that_no_layout_has(spare: int, enough: int, tmp_path: Path) -> None:
    """A library may die of it, but not we."""
    ending = render(LARGE, tmp_path, within=limited(enough + spare * 1024))
    assert ending.code in (0, 75) or ending.code < 0, ending.stderr
    if ending.code == 75:
        assert "[memory] " in ending.stderr and "smaller batches or sizes" in ending.stderr


def test_the_next_run_takes_what_needs_less(enough: int, tmp_path: Path) -> None:
    job = LARGE | {"prompts": ["a red star"] * 2, "layout": {"replicas": 2, "batch_size": 64}}
    within = limited(enough + 448 * 1024)
    assert render(job, tmp_path, ranks=2, within=within).code == 75
    (note,) = tmp_path.rglob("memory.json")
    assert "batch_size: 64" in note.read_text()
    for _ in range(6):
        ending = render(job, tmp_path, ranks=2, within=within)
        if ending.code != 75:
            break
    assert ending.code == 0, ending.stderr
    assert len(pictures(tmp_path)) == 128 and not note.exists()


@pytest.mark.parametrize("rank", [0, 1])
def test_the_rank_whose_memory_runs_out_is_named(rank: int, enough: int, tmp_path: Path) -> None:
    job = LARGE | {"prompts": ["a red star"] * 4, "layout": {"replicas": 2, "batch_size": 64}}
    within = limited(enough + 256 * 1024, rank)
    ending = render(job, tmp_path, ranks=2, within=within)
    ends_cleanly(ending, 75, f"rank {rank} of 2 (", "[memory] ", folder=tmp_path)
    nothing_made(tmp_path)


def test_memory_that_runs_out_on_all_ranks_is_told_once(enough: int, tmp_path: Path) -> None:
    job = LARGE | {"prompts": ["a red star"] * 2, "layout": {"replicas": 2, "batch_size": 64}}
    ending = render(job, tmp_path, ranks=2, within=limited(enough + 256 * 1024))
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
