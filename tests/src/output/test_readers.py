"""The tools that people use read what we write: webdataset, datasets, safetensors, Pillow and tar.
Nothing is asked of a network."""

import json
import os
import pathlib
import socket
import subprocess

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}

import datasets
import pytest
import torch
import webdataset
from PIL import ExifTags, Image
from safetensors.torch import load, save

ROOT = pathlib.Path(__file__).resolve().parents[3]
MAKE_DATASET = pathlib.Path(os.environ.get("TRIREME_BUILD", ROOT / "build")) / "tests/make_dataset"

SAMPLES = 25
FAILED = {3, 13, 23}
DONE = [index for index in range(SAMPLES) if index not in FAILED]


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    def refuse(*arguments):
        raise AssertionError(f"a reader went to the network: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def make_dataset(*arguments):
    subprocess.run([MAKE_DATASET, *map(str, arguments)], check=True)


def colour(index):
    return (index, 2 * index, 100)


def is_near(pixel, index):  # JPEG and WebP are lossy
    return max(abs(a - b) for a, b in zip(pixel, colour(index))) <= 3


def shards(folder):
    return [str(path) for path in sorted(folder.glob("*.tar"))]


class TestTars:
    @pytest.mark.parametrize("extension", ["png", "jpg", "webp"])
    def test_webdataset(self, tmp_path, extension):
        make_dataset("webdataset", tmp_path, extension, SAMPLES, 10)
        assert len(shards(tmp_path)) == 3
        read = webdataset.WebDataset(shards(tmp_path), shardshuffle=False).decode("pil")
        samples = list(read.to_tuple("__key__", extension, "json", "txt"))
        assert [key for key, *_ in samples] == [f"{index:08}" for index in DONE]
        for index, (_, image, row, text) in zip(DONE, samples):
            assert (image.size, image.mode) == ((48, 32), "RGB")
            assert is_near(image.getpixel((20, 20)), index)
            assert row["index"] == index and row["file_name"] == f"{index:08}.{extension}"
            assert text == row["prompt"] == f"a café, number {index}"

    @pytest.mark.parametrize("extension", ["png", "jpg", "webp"])
    def test_datasets_by_the_card(self, tmp_path, extension):
        out = tmp_path / "out"
        make_dataset("webdataset", out, extension, SAMPLES, 10)
        self.check_rows(datasets.load_dataset(str(out), split="train"), extension)

    def test_datasets_by_name(self, tmp_path):
        out = tmp_path / "out"
        make_dataset("webdataset", out, "png", SAMPLES, 10)
        files = {"train": shards(out)}
        self.check_rows(datasets.load_dataset("webdataset", data_files=files, split="train"), "png")

    def check_rows(self, rows, extension):
        assert sorted(rows.column_names) == sorted(["__key__", "__url__", "json", extension, "txt"])
        assert rows["__key__"] == [f"{index:08}" for index in DONE]
        for index, row in zip(DONE, rows):
            assert is_near(row[extension].getpixel((20, 20)), index)
            assert row["json"]["seed"] == index and row["json"]["guidance_scale"] == 7.0
            assert row["txt"] == f"a café, number {index}"

    def test_streams(self, tmp_path):
        out = tmp_path / "out"
        make_dataset("webdataset", out, "png", SAMPLES, 10)
        rows = datasets.load_dataset(str(out), split="train", streaming=True)
        assert [row["json"]["index"] for row in rows] == DONE

    def test_latents(self, tmp_path):
        for index in range(3):
            latents = torch.full((16, 4, 4), float(index))
            (tmp_path / f"{index:08}.json").write_text(json.dumps({"index": index}))
            (tmp_path / f"{index:08}.safetensors").write_bytes(save({"latents": latents}))
        files = sorted(tmp_path.glob("0*"))
        make_dataset("tar", tmp_path / "000000.tar", *files)
        read = webdataset.WebDataset(shards(tmp_path), shardshuffle=False).decode()
        samples = list(read.to_tuple("json", "safetensors"))
        assert len(samples) == 3
        for row, content in samples:
            assert torch.equal(load(content)["latents"],
                               torch.full((16, 4, 4), float(row["index"])))
        rows = datasets.load_dataset("webdataset", data_files=shards(tmp_path), split="train")
        assert load(rows[2]["safetensors"])["latents"][0, 0, 0] == 2

    def test_tar_itself(self, tmp_path):
        make_dataset("webdataset", tmp_path, "png", 2, 2)
        environment = os.environ | {"TZ": "UTC", "LC_ALL": "C"}
        listed = subprocess.run(["tar", "--numeric-owner", "--full-time", "-tvf",
                                 tmp_path / "000000.tar"], capture_output=True, text=True,
                                check=True, env=environment)
        assert listed.stderr == ""
        lines = [line.split() for line in listed.stdout.splitlines()]
        assert [line[-1] for line in lines] == [
            f"0000000{index}.{kind}" for index in range(2) for kind in ("json", "png", "txt")]
        for mode, owner, _, day, time, _ in lines:
            assert (mode, owner, day, time) == ("-rw-r--r--", "0/0", "1970-01-01", "00:00:00")


class TestFolders:
    @pytest.mark.parametrize("extension", ["png", "jpg", "webp"])
    @pytest.mark.parametrize("shard_size", [10, 100], ids=["sub-folders", "flat"])
    def test_datasets_by_the_card(self, tmp_path, extension, shard_size):
        out = tmp_path / "out"
        make_dataset("folder", out, extension, SAMPLES, shard_size)
        rows = datasets.load_dataset(str(out), split="train")
        self.check_rows(rows)

    def test_datasets_by_name(self, tmp_path):
        out = tmp_path / "out"
        make_dataset("folder", out, "png", SAMPLES, 10)
        self.check_rows(datasets.load_dataset("imagefolder", data_dir=str(out), split="train"))

    def test_shards_are_no_classes(self, tmp_path):
        out = tmp_path / "out"
        make_dataset("bare", out, "png", SAMPLES, 10)
        rows = datasets.load_dataset(str(out), split="train")
        assert rows.column_names == ["image"]
        assert [row["image"].getpixel((0, 0)) for row in rows] == [colour(i) for i in DONE]

    def check_rows(self, rows):
        done = rows.cast_column("image", datasets.Image(decode=False)).filter(
            lambda row: row["status"] == "done").cast_column("image", datasets.Image())
        assert "label" not in done.column_names
        assert done["index"] == DONE
        for row in done:
            assert is_near(row["image"].getpixel((20, 20)), row["index"])
            assert row["prompt"] == f"a café, number {row['index']}" and row["model"] == "org/name"


@pytest.mark.parametrize("extension", ["png", "jpg", "webp"])
def test_pictures_say_how_they_were_made(tmp_path, extension):
    make_dataset("folder", tmp_path, extension, 1, 1)
    image = Image.open(tmp_path / f"00000000.{extension}")
    parameters, job = "a café, number 0 🐱", {"version": 1, "prompts": ["a café"]}
    if extension == "png":
        assert image.info["parameters"] == parameters
        assert json.loads(image.info["trireme"]) == job
        return
    exif = image.getexif().get_ifd(ExifTags.IFD.Exif)
    comment = exif[ExifTags.Base.UserComment]
    assert comment[:8] == b"UNICODE\0" and comment[8:].decode("utf-16-be") == parameters
    assert json.loads(exif[ExifTags.Base.MakerNote]) == job
