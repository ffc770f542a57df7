"""A Slurm of this machine's own, started once for all tests here."""

import sys
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "end_to_end")]

import pytest
from slurm_bed import SlurmBed


@pytest.fixture(scope="session")
def bed() -> Iterator[SlurmBed]:
    bed = SlurmBed()
    try:
        yield bed.start()
    finally:
        bed.stop()
