"""An output folder, read by rule as Hugging Face's imagefolder loader reads it: metadata.jsonl is
JSON lines, every column has one type, every file_name is a picture relative to it."""
import json
import os
import pathlib
import subprocess

import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[3]
MAKE_OUTPUT = pathlib.Path(os.environ.get("TRIREME_BUILD", ROOT / "build")) / "tests" / "make_output"
KEYS = [
    "file_name", "index", "prompt", "negative_prompt", "seed", "height", "width",
    "num_inference_steps", "guidance_scale", "model", "status",
]


def make_output(out, samples, shard_size, *made):
    subprocess.run([MAKE_OUTPUT, out, *map(str, (samples, shard_size, *made))], check=True)


def everything(out):
    return {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()}


@pytest.mark.parametrize("shard_size", [3, 1000])
def test_every_row_has_its_picture(tmp_path, shard_size):
    out = tmp_path / "out"
    make_output(out, 8, shard_size)
    rows = [json.loads(line) for line in (out / "metadata.jsonl").read_text("utf-8").splitlines()]
    assert [row["index"] for row in rows] == list(range(8))
    for row in rows:
        assert list(row) == KEYS
        assert row["prompt"] == f'prompt "{row["index"]}", 猫\n'
        with Image.open(out / row["file_name"]) as image:
            assert image.size == (row["width"], row["height"])
            assert image.getpixel((0, 0)) == (row["index"],) * 3
    for key in KEYS:
        assert len({type(row[key]) for row in rows}) == 1, key
    assert {row["file_name"] for row in rows} == {
        p.relative_to(out).as_posix() for p in out.rglob("*.png")
    }


@pytest.mark.parametrize("shard_size", [3, 1000])
def test_a_broken_off_run_ends_with_the_same_bytes(tmp_path, shard_size):
    make_output(tmp_path / "whole", 8, shard_size)
    for part in ((5, 1), (0, 7, 2), (3,), (6, 4)):
        make_output(tmp_path / "parts", 8, shard_size, *part)
    assert everything(tmp_path / "parts") == everything(tmp_path / "whole")
