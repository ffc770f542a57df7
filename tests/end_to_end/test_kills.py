"""Kill anything at any time, run the same command again, get the same bytes.

The long form is tests/reliability/kill_test.py.
"""

from pathlib import Path

import pytest

from kill_test import Shape, kill_until
from observer import Observer

CASES = {  # and how many kills, 25 in all
    "two replicas of two ranks": (Shape(prompts=80, shard_size=20, batch_size=1), 7),
    "webdataset": (Shape("webdataset", prompts=80, shard_size=20, batch_size=1), 5),
    "two launches on one folder": (
        Shape(replicas=1, pipeline=1, prompts=120, shard_size=30, batch_size=1, launches=2),
        13,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_killed_again_and_again(case: str, tmp_path: Path) -> None:
    shape, kills = CASES[case]
    tally = kill_until(kills, shape, tmp_path, seed=7)
    assert tally.all == kills
    assert tally.looks > 10 * kills  # somebody was watching
    assert max(tally.repeated) <= shape.most_in_flight


MANIFEST = b'{"bytes": 3, "samples": []}'
WHOLE = {"00000000.png": b"all of it", "000000.json": MANIFEST, "000000.tar": b"tar"}
SIGHTS = {
    "a file that is cut": ({"00000000.png": b"all"}, "without its final bytes"),
    "a stranger": ({"00000009.png": b"all of it"}, "not in the undisturbed dataset"),
    "a manifest too soon": ({"000000.json": MANIFEST}, "before 000000.tar was whole"),
}


@pytest.mark.parametrize("sight", SIGHTS)
def test_the_observer_sees(sight: str, tmp_path: Path) -> None:
    files, fault = SIGHTS[sight]
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    observer = Observer(tmp_path, WHOLE)
    observer.look()
    assert any(fault in seen for seen in observer.faults), observer.faults


def test_the_observer_sees_what_changes_and_what_goes(tmp_path: Path) -> None:
    (tmp_path / "00000000.png").write_bytes(WHOLE["00000000.png"])
    observer = Observer(tmp_path, WHOLE)
    observer.look()
    assert observer.faults == []
    (tmp_path / "00000000.png").write_bytes(b"something longer")
    observer.look()
    (tmp_path / "00000000.png").unlink()
    observer.look()
    assert ["changed" in observer.faults[0], "is gone" in observer.faults[1]] == [True, True]
