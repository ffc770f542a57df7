"""The resolution bins of all four PixArt-Sigma models beside diffusers' tables, live."""

import os
import subprocess
from pathlib import Path

import pytest
from diffusers.pipelines.pixart_alpha.pipeline_pixart_alpha import (
    ASPECT_RATIO_256_BIN,
    ASPECT_RATIO_512_BIN,
    ASPECT_RATIO_1024_BIN,
    PixArtImageProcessor,
)
from diffusers.pipelines.pixart_alpha.pipeline_pixart_sigma import ASPECT_RATIO_2048_BIN

ROOT = Path(__file__).resolve().parents[3]
BINS = Path(os.environ.get("TRIREME_BUILD", ROOT / "build")) / "tests/bins"
TABLES = {
    32: ASPECT_RATIO_256_BIN,
    64: ASPECT_RATIO_512_BIN,
    128: ASPECT_RATIO_1024_BIN,
    256: ASPECT_RATIO_2048_BIN,
}


def ours(sizes: list[tuple[int, int]], sample_size: int) -> list[tuple[int, int]]:
    text = "\n".join(f"{height} {width}" for height, width in sizes)
    done = subprocess.run(
        [BINS, str(sample_size)], input=text, capture_output=True, text=True, check=True
    )
    return [tuple(map(int, line.split())) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("sample_size", TABLES)
def test_bins_are_those_of_diffusers(sample_size: int) -> None:
    """Every shape from 1:8 to 8:1, the bins themselves among them."""
    table = TABLES[sample_size]
    sizes = [(height, width) for height in range(64, 520, 7) for width in range(64, 520, 9)]
    sizes += [(int(height), int(width)) for height, width in table.values()]
    classify = PixArtImageProcessor.classify_height_width_bin
    theirs = [tuple(map(int, classify(*size, ratios=table))) for size in sizes]
    assert ours(sizes, sample_size) == theirs
    assert {tuple(map(int, size)) for size in table.values()} == set(theirs)
