"""Pillow opens what png.cpp writes: the same pixels, the same texts."""
import io
import json
import os
import pathlib
import subprocess

import numpy
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[3]
MAKE_PNG = pathlib.Path(os.environ.get("TRIREME_BUILD", ROOT / "build")) / "tests" / "make_png"


def make_png(folder, pixels, texts, rows_at_once=7):
    texts_file = folder / "texts.json"
    texts_file.write_text(json.dumps(texts))
    height, width, _ = pixels.shape
    command = [MAKE_PNG, str(height), str(width), texts_file, str(rows_at_once)]
    return subprocess.run(command, input=pixels.tobytes(), capture_output=True, check=True).stdout


def noise(height, width):
    return numpy.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=numpy.uint8)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (31, 77), (512, 64)])
def test_pixels(tmp_path, size):
    pixels = noise(*size)
    image = Image.open(io.BytesIO(make_png(tmp_path, pixels, [])))
    assert image.mode == "RGB"
    assert numpy.array_equal(numpy.asarray(image), pixels)


@pytest.mark.parametrize(
    "text",
    ["a cat", "two\nlines", "café", "猫 🐈 — “quoted”", "", "x" * 20000, 'tab\t"quote" \\'],
)
def test_texts(tmp_path, text):
    texts = [["parameters", text], ["trireme", json.dumps({"prompt": text}, ensure_ascii=False)]]
    image = Image.open(io.BytesIO(make_png(tmp_path, noise(2, 2), texts)))
    # .info holds what stands before the pixels; .text also what stands behind them
    assert image.info["parameters"] == text
    assert json.loads(image.info["trireme"])["prompt"] == text
    assert dict(image.text) == dict(texts)
